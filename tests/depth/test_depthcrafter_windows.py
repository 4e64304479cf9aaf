"""Compares DepthCrafter's windows with a NumPy copy of the published loop."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.depth.depthcrafter_windows import denoise_windows
from stereojax.svd.scheduler import initial_scale

LENGTHS = [1, 2, 31, 32, 33, 54, 70, 71, 95, 115, 300]
SIZE = (2, 3, 4)


def published(count, window, overlap, noise, denoise):
    """Returns the latents of all frames; `noise` is normal, for `window` frames."""
    if count <= window:
        window, overlap = count, 0
    stride = window - overlap
    buffer = noise[:window].astype(np.float64) * initial_scale()
    merged, start = None, 0
    while start < count - overlap:
        stop = min(start + window, count)
        latents = buffer[: stop - start].copy()
        if overlap:
            buffer = np.concatenate([buffer[-overlap:], buffer[:stride]])
        if merged is not None:
            latents[:overlap] = (
                merged[-overlap:] + latents[:overlap] / initial_scale() * 700
            )
        latents = denoise(list(range(start, stop)), latents)
        if merged is None:
            merged = latents
        else:
            share = np.linspace(0, 1, overlap)[:, None, None, None]
            merged[-overlap:] = latents[:overlap] * share + merged[-overlap:] * (
                1 - share
            )
            merged = np.concatenate([merged, latents[overlap:]])
        start += stride
    return merged


def frames(windows):
    return [frame for latents, _ in windows for frame in latents]


class Recorder:
    """A stand-in for the network: mixes its inputs and records them."""

    def __init__(self, array):
        self.array, self.windows, self.starts = array, [], []

    def __call__(self, frames, start):
        self.windows.append(frames)
        self.starts.append(np.array(start, np.float64))
        position = self.array(np.arange(len(frames)))[:, None, None, None]
        content = self.array(np.sin(frames))[:, None, None, None]
        x = start / 700
        return 0.5 * x + 0.2 * x.mean() + content + 0.01 * position + 0.1 * len(frames)


@pytest.mark.parametrize("count", LENGTHS)
@pytest.mark.parametrize(("window", "overlap"), [(70, 25), (110, 25), (9, 5)])
def test_latents_match_the_published_loop(count, window, overlap):
    rng = np.random.default_rng(count)
    noise = rng.standard_normal((window, *SIZE)).astype(np.float32)
    reference, ours = Recorder(np.asarray), Recorder(jnp.asarray)
    expected = published(count, window, overlap, noise, reference)
    windows = list(
        denoise_windows(iter(range(count)), ours, jnp.asarray(noise), overlap=overlap)
    )
    actual = frames(windows)
    assert len(actual) == len(expected) == count
    assert ours.windows == reference.windows
    for a, b in zip(ours.starts, reference.starts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-3)
    assert expected.std() > 0.1
    np.testing.assert_allclose(np.stack(actual), expected, atol=1e-4)
    # After a window, resuming yields the same remaining latents.
    decoded = 0
    for i, (latents, state) in enumerate(windows[:-1]):
        decoded += len(latents)
        if i % 30:
            continue
        rest = denoise_windows(
            iter(range(decoded + len(state.conditioning), count)),
            Recorder(jnp.asarray),
            jnp.asarray(noise),
            overlap=overlap,
            previous=state,
        )
        np.testing.assert_array_equal(frames(rest), actual[decoded:])


def test_without_overlap_windows_follow_one_another():
    ours = Recorder(jnp.asarray)
    noise = jnp.ones((4, *SIZE))
    out = frames(denoise_windows(iter(range(9)), ours, noise, overlap=0))
    assert ours.windows == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert len(out) == 9


def test_an_overlap_outside_the_window_is_an_error():
    for overlap in (4, 5, -1):
        with pytest.raises(ValueError, match="must be in"):
            list(
                denoise_windows(
                    iter([0]),
                    Recorder(jnp.asarray),
                    jnp.ones((4, *SIZE)),
                    overlap=overlap,
                )
            )
    windows = denoise_windows(
        iter([]), Recorder(jnp.asarray), jnp.ones((4, *SIZE)), overlap=1
    )
    assert list(windows) == []


def test_5000_frames_take_the_memory_of_one_window():
    read, live_bytes = 0, []

    def source():
        nonlocal read
        for i in range(5000):
            read += 1
            yield jnp.full((4,), float(i))

    def denoise(conditioning, start):
        return start / 700 + jnp.stack(conditioning)[:, None, None]

    noise = jnp.ones((70, *SIZE))
    count = 0
    for latents, _ in denoise_windows(source(), denoise, noise, overlap=25):
        assert read <= count + 70 + 1
        if count % 450 == 0:
            gc.collect()
            live_bytes.append(sum(x.nbytes for x in jax.live_arrays()))
        count += len(latents)
    assert count == read == 5000
    assert len(live_bytes) == 12
    # The first window holds no state of a previous window, so it needs less memory.
    assert max(live_bytes) == live_bytes[1]
