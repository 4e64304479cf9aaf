"""The estimator DepthAnything: batches, order, sizes, loading."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from stereojax.cli import InputError
from stereojax.depth import per_frame
from stereojax.depth.depth_anything import DepthAnything
from stereojax.depth.networks.depth_anything_v2 import (
    DepthAnythingV2,
    DepthAnythingV2Config,
)
from stereojax.depth.preprocess import preprocess
from stereojax.weights import save
from stereojax.weights.abstract import abstract

SIZES = DepthAnythingV2Config(
    dim=8,
    depth=4,
    heads=1,
    taps=(0, 1, 2, 3),
    features=4,
    out_channels=(4, 4, 4, 4),
    last=4,
    grid=2,
)


class Weighted(DepthAnythingV2):
    """A substitute for the network: a weighted sum of the channels."""

    def __init__(self):
        self.config = SIZES
        self.weight = nnx.Param(jnp.array([0.5, 2.0, -1.0]))

    def __call__(self, image):
        return (image * self.weight[...]).sum(axis=-1)


def estimator(batch):
    return DepthAnything(
        Weighted(), name="sum", licence="ours", batch=batch, shortest=42
    )


def frames(count, dtype=np.uint8, size=(30, 50)):
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 255, (count, *size, 3)).astype(dtype))


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5])
def test_any_number_of_frames_is_estimated_in_order(count):
    video = frames(count)
    depth = list(estimator(2).estimate(iter(video)))
    assert len(depth) == count
    for frame, actual in zip(video, depth, strict=True):
        expected = Weighted()(preprocess(jnp.asarray(frame)[None], (42, 70)))[0]
        assert expected.std() > 0.1
        np.testing.assert_allclose(actual, expected, atol=1e-5)
        assert actual.dtype == np.float32


def test_a_short_last_batch_does_not_compile_again():
    estimate = estimator(3).estimate
    before = per_frame._forward._cache_size()
    list(estimate(iter(frames(5, size=(31, 52)))))
    assert per_frame._forward._cache_size() == before + 1


def test_the_estimator_reads_at_most_one_batch_ahead():
    read = 0

    def source():
        nonlocal read
        for frame in frames(9):
            read += 1
            yield frame

    depth = estimator(2).estimate(source())
    assert read == 0
    next(depth)
    assert read <= 4


def test_8_and_16_bits_give_the_same_depth():
    eight = frames(1)
    sixteen = [frame.astype(np.uint16) * 257 for frame in eight]
    estimate = estimator(1).estimate
    a, b = next(estimate(iter(eight))), next(estimate(iter(sixteen)))
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_part_loads_into_the_network(tmp_path):
    shapes = abstract(lambda rngs: DepthAnythingV2(SIZES, rngs=rngs))
    rng = np.random.default_rng(0)
    state = nnx.map_state(
        lambda _, x: rng.standard_normal(x.shape).astype(np.float16), nnx.state(shapes)
    )
    state = nnx.to_pure_dict(state)
    config = {
        "part": "depth_anything_v2",
        "class": "DepthAnythingV2",
        "sizes": dataclasses.asdict(SIZES),
        "source": "here",
        "licence": "ours",
    }
    loaded = DepthAnything.load(save(tmp_path / "part", config, state))
    assert (loaded.name, loaded.licence) == ("depth_anything_v2", "ours")
    network = nnx.merge(loaded._graph, loaded._state)
    assert network.config == SIZES
    kernel = network.pretrained.blocks[3].attn.qkv.kernel[...]
    expected = state["pretrained"]["blocks"][3]["attn"]["qkv"]["kernel"]
    assert kernel.dtype == jnp.float32
    assert np.array_equal(kernel, expected)

    folder = save(tmp_path / "part", {**config, "class": "Unet"}, state)
    with pytest.raises(InputError, match="weights of Unet, expected DepthAnythingV2"):
        DepthAnything.load(folder)
