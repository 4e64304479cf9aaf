"""Windows and their alignment against the published procedure, in NumPy."""

import numpy as np
import pytest

from stereojax.depth.video_depth_windows import (
    KEY_SLOTS,
    LENGTH,
    align_window,
    key_windows,
)

LENGTHS = [1, 2, 3, 23, 24, 25, 30, 31, 32, 33, 54, 55, 70, 71, 95, 115, 300]
H, W = 5, 7


def align_windows(windows):
    """Depth of each frame, from (depth, known) of each window."""
    end = None
    for depth, known in windows:
        frames, end = align_window(depth, known, end)
        yield from frames


def published_windows(count):
    """Frame numbers in each slot of each window, for the whole video at once."""
    padding = (22 - count % 22) % 22 + 10
    frames = [*range(count), *[count - 1] * padding]
    windows = []
    for start in range(0, count, 22):
        window = frames[start : start + 32]
        if windows:
            window[:10] = [windows[-1][i] for i in (0, 12, *range(24, 32))]
        windows.append(window)
    return windows


def published_stitching(predictions, count):
    """(t, h, w) from a list of (32, h, w): normal equations, clamp, fade, append."""
    out = list(predictions[0])
    reference = [predictions[0][0], predictions[0][12]]
    for depth in predictions[1:]:
        x, y = depth[:2].astype(np.float64).ravel(), np.ravel(reference)
        normal = np.array([[x @ x, x.sum()], [x.sum(), x.size]])
        scale, shift = np.linalg.solve(normal, [x @ y, y.sum()])
        depth = np.maximum(depth * scale + shift, 0)
        for i in range(8):
            weight = i / 7
            out[i - 8] = out[i - 8] * (1 - weight) + depth[2 + i] * weight
        out += list(depth[10:])
        reference[1] = depth[12]
    return np.stack(out[:count])


def scene(frame):
    """A ramp that a blob crosses; above 0.5 everywhere."""
    y, x = np.mgrid[:H, :W]
    blob = np.exp(-((x - frame % 9) ** 2 + (y - 2) ** 2) / 4)
    return (1 + 0.1 * y + blob + 0.3 * np.sin(frame / 20)).astype(np.float32)


def with_own_scales(windows, seed=0):
    """Predictions of a network: each window but the first with another scale."""
    rng = np.random.default_rng(seed)
    predictions = []
    for i, window in enumerate(windows):
        scale, shift = (1, 0) if i == 0 else (rng.uniform(0.5, 2), rng.uniform(-0.3, 3))
        depth = np.stack([scene(frame) for frame in window])
        predictions.append((depth * scale + shift).astype(np.float32))
    return predictions


@pytest.mark.parametrize("count", LENGTHS)
def test_every_slot_has_the_published_frame(count):
    ours = list(key_windows(iter(range(count))))
    expected = published_windows(count)
    assert [w.items for w in ours] == expected[: len(ours)]
    assert ours[0].known == min(count, 32)
    for i, window in enumerate(ours[1:], 1):
        assert window.known == min(count - 22 * i, 32)
    # The window that is left out would only change frames after the end.
    assert len(expected) - len(ours) == (1 if count % 22 in (1, 2) and count > 2 else 0)


@pytest.mark.parametrize("count", LENGTHS)
def test_every_frame_has_the_published_depth(count):
    everything = published_windows(count)
    rng = np.random.default_rng(count)
    # Every pixel of every slot of every window differs, and many are below zero after
    # the alignment.
    predictions = [
        rng.uniform(0.5, 2) * (depth - 1.3 + rng.normal(0, 0.2, depth.shape))
        for depth in with_own_scales(everything)
    ]
    predictions = [depth.astype(np.float32) for depth in predictions]
    expected = published_stitching(predictions, count)
    known = [w.known for w in key_windows(iter(range(count)))]
    ours = list(align_windows(zip(predictions, known, strict=False)))
    assert len(ours) == count
    np.testing.assert_allclose(np.stack(ours), expected, atol=2e-5)
    assert count < 40 or (expected[32:] == 0).any()


@pytest.mark.parametrize("count", [33, 70, 300])
def test_scale_and_shift_of_windows_are_removed(count):
    windows = list(key_windows(iter(range(count))))
    predictions = with_own_scales([w.items for w in windows])
    known = [w.known for w in windows]
    ours = np.stack(list(align_windows(zip(predictions, known, strict=True))))
    truth = np.stack([scene(frame) for frame in range(count)])
    residual = np.abs(ours - truth).max() / np.ptp(truth)
    assert residual < 1e-4
    # Without alignment the error is large.
    raw = np.abs(predictions[1] - np.stack([scene(f) for f in windows[1].items]))
    assert raw.max() / np.ptp(truth) > 0.2


def test_noise_does_not_make_the_scale_drift():
    count = 300
    windows = list(key_windows(iter(range(count))))
    rng = np.random.default_rng(1)
    predictions = [
        p + rng.normal(0, 0.01, p.shape).astype(np.float32)
        for p in with_own_scales([w.items for w in windows])
    ]
    known = [w.known for w in windows]
    ours = np.stack(list(align_windows(zip(predictions, known, strict=True))))
    truth = np.stack([scene(frame) for frame in range(count)])
    bias = (ours - truth).reshape(count, -1).mean(axis=1)
    assert np.abs(bias).max() / np.ptp(truth) < 0.01


def test_a_flat_window_is_shifted_and_not_scaled():
    flat = [np.full((32, H, W), v, np.float32) for v in (2.0, 5.0)]
    ours = list(align_windows([(flat[0], 32), (flat[1], 10)]))
    np.testing.assert_allclose(np.stack(ours), 2.0)


def test_a_window_is_yielded_as_soon_as_its_frames_are_read():
    read = 0

    def source():
        nonlocal read
        for i in range(100):
            read += 1
            yield i

    windows = key_windows(source())
    assert read == 0
    for expected in (LENGTH, LENGTH + 22, LENGTH + 44):
        next(windows)
        assert read == expected
    assert not list(key_windows(iter([])))
    assert len(KEY_SLOTS) == 10
