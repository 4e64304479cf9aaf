"""The estimator VideoDepth: order, windows, memory, sizes, loading."""

import dataclasses
import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from stereojax.cli import InputError
from stereojax.depth.estimator import Estimator, ResumableEstimator, StateStore
from stereojax.depth.networks.video_depth_anything import (
    VideoDepthAnything,
    VideoDepthAnythingConfig,
)
from stereojax.depth.preprocess import preprocess
from stereojax.depth.video_depth import VideoDepth, picture_size
from stereojax.depth.video_depth_windows import LENGTH, align_window, key_windows
from stereojax.weights import save

SIZES = VideoDepthAnythingConfig(
    dim=8,
    depth=4,
    heads=1,
    taps=(0, 1, 2, 3),
    features=32,
    out_channels=(4, 4, 32, 32),
    last=4,
    grid=2,
)


@pytest.fixture(scope="module")
def network():
    net = VideoDepthAnything(SIZES, rngs=nnx.Rngs(0))
    bias = net.head.scratch.output_conv2[2].bias
    bias[...] = bias[...] + 1  # so that no depth is clipped at zero
    return net


def estimator(network, batch=3):
    return VideoDepth(network, name="v", licence="ours", batch=batch, shortest=14)


def frames(count, size=(15, 20), dtype=np.uint8):
    for i in range(count):
        rng = np.random.default_rng(i)
        yield rng.integers(0, 255, (*size, 3)).astype(dtype)


@pytest.mark.parametrize("count", [1, 71])
def test_depth_is_the_networks_on_every_window_aligned(network, count):
    ours = list(estimator(network).estimate(frames(count)))
    pictures = [preprocess(jnp.asarray(f)[None], (14, 14))[0] for f in frames(count)]
    run = nnx.jit(lambda net, x: net(x))
    expected, end = [], None
    for window in key_windows(iter(pictures)):
        depth = np.asarray(run(network, jnp.stack(window.items)))
        aligned, end = align_window(depth, window.known, end)
        expected += list(aligned)
    assert len(ours) == count
    assert np.std(expected) > 1e-3
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    assert ours[0].dtype == np.float32


class Recorder:
    """A state store that keeps every offered state, and loads `state`."""

    def __init__(self, state=None):
        self.state, self.offers = state, {}

    def load(self):
        return self.state

    def offer(self, done, state):
        self.offers[done] = state()


@pytest.mark.parametrize("count", [32, 71])
def test_a_stopped_shot_resumes_with_the_same_depth(network, count):
    model = estimator(network, batch=1)
    store = Recorder()
    assert isinstance(model, ResumableEstimator) and isinstance(store, StateStore)
    video = list(frames(count))
    uninterrupted = list(model.resume(lambda first: iter(video[first:]), store))
    np.testing.assert_array_equal(uninterrupted, list(model.estimate(iter(video))))
    assert list(store.offers) == [24] if count == 32 else [24, 46]
    for done, state in store.offers.items():
        resumed = Recorder(state)
        rest = list(model.resume(lambda first: iter(video[first:]), resumed))
        np.testing.assert_array_equal(rest, uninterrupted[done:])
        assert list(resumed.offers) == [d for d in store.offers if d > done]


def test_no_frames_give_no_depth(network):
    assert list(estimator(network).estimate(iter([]))) == []


def test_it_reads_no_more_than_a_window_ahead(network):
    model = estimator(network, batch=1)
    assert isinstance(model, Estimator)
    assert not model.per_frame
    read = 0

    def source():
        nonlocal read
        for frame in frames(80):
            read += 1
            yield frame

    depth = model.estimate(source())
    for done in range(80):
        next(depth)
        assert read <= min(80, done + LENGTH)
        assert done > 0 or read == LENGTH


def test_5000_frames_take_the_memory_of_one_window(network):
    """The number of frames and of device arrays does not grow."""
    alive, most = 0, 0
    peaks = []

    def gone():
        nonlocal alive
        alive -= 1

    def source():
        nonlocal alive, most
        for i in range(5000):
            frame = np.full((14, 14, 3), i % 251, np.uint8)
            alive += 1
            most = max(most, alive)
            weakref.finalize(frame, gone)
            yield frame
            del frame

    count = 0
    for depth in estimator(network, batch=11).estimate(source()):
        assert depth.shape == (14, 14)
        if count % 500 == 40:
            gc.collect()
            peaks.append(sum(x.nbytes for x in jax.live_arrays()))
        count += 1
    assert count == 5000
    assert most <= 2 * 11
    assert len(peaks) == 10
    assert max(peaks) <= peaks[0]


def test_8_and_16_bits_give_the_same_depth(network):
    eight = list(frames(2))
    sixteen = [frame.astype(np.uint16) * 257 for frame in eight]
    estimate = estimator(network).estimate
    np.testing.assert_allclose(
        list(estimate(iter(eight))), list(estimate(iter(sixteen))), atol=1e-5
    )


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((1080, 1920), (518, 924)),
        ((720, 1280), (518, 924)),
        ((480, 640), (518, 686)),
        ((800, 1920), (378, 910)),
        ((1920, 800), (910, 378)),
        ((100, 5000), (14, 700)),
    ],
)
def test_wide_pictures_are_reduced(picture, expected):
    assert picture_size(*picture) == expected
    # The published rule.
    ratio = max(picture) / min(picture)
    size = 518
    if ratio > 1.78:
        size = round(int(518 * 1.777 / ratio) / 14) * 14
    assert min(picture_size(*picture)) == max(size, 14)


def test_a_part_loads_into_the_network(tmp_path, network):
    state = nnx.to_pure_dict(nnx.state(network))
    state = jax.tree.map(np.asarray, state)
    config = {
        "part": "video_depth_anything",
        "class": "VideoDepthAnything",
        "sizes": dataclasses.asdict(SIZES),
        "source": "here",
        "licence": "ours",
    }
    loaded = VideoDepth.load(save(tmp_path / "part", config, state))
    assert (loaded.name, loaded.licence) == ("video_depth_anything", "ours")
    filled = nnx.merge(loaded._graph, loaded._state)
    assert filled.config == SIZES
    jax.tree.map(
        np.testing.assert_array_equal, nnx.to_pure_dict(nnx.state(filled)), state
    )
    folder = save(tmp_path / "part", {**config, "class": "DepthAnythingV2"}, state)
    with pytest.raises(InputError, match="of DepthAnythingV2, expected VideoDepthAny"):
        VideoDepth.load(folder)


def test_windows_of_another_length_are_refused():
    sizes = dataclasses.replace(SIZES, frames=16)
    net = VideoDepthAnything(sizes, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="windows of 16 frames, expected 32"):
        estimator(net)
