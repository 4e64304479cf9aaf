"""Windows and their stitching against the published procedure, written out in NumPy."""

import numpy as np
import pytest

from stereojax.depth.key_windows import KEYS, LENGTH, key_windows
from stereojax.depth.stitch import stitch

LENGTHS = [1, 2, 3, 23, 24, 25, 30, 31, 32, 33, 54, 55, 70, 71, 95, 115, 300]
H, W = 5, 7


def published_windows(count):
    """Frames in each slot of each window, over the whole video at once."""
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


def planted(windows, seed=0):
    """What a network might give: each window but the first at a scale of its own."""
    rng = np.random.default_rng(seed)
    predictions = []
    for i, window in enumerate(windows):
        scale, shift = (1, 0) if i == 0 else (rng.uniform(0.5, 2), rng.uniform(-0.3, 3))
        depth = np.stack([scene(frame) for frame in window])
        predictions.append((depth * scale + shift).astype(np.float32))
    return predictions


@pytest.mark.parametrize("count", LENGTHS)
def test_the_same_frames_in_every_slot(count):
    ours = list(key_windows(iter(range(count))))
    expected = published_windows(count)
    assert [w.items for w in ours] == expected[: len(ours)]
    assert ours[0].known == min(count, 32)
    for i, window in enumerate(ours[1:], 1):
        assert window.known == min(count - 22 * i, 32)
    # What is left out would only have changed frames behind the end.
    assert len(expected) - len(ours) == (1 if count % 22 in (1, 2) and count > 2 else 0)


@pytest.mark.parametrize("count", LENGTHS)
def test_the_same_depth_of_every_frame(count):
    everything = published_windows(count)
    rng = np.random.default_rng(count)
    # Every pixel of every slot of every window is another number, and many fall below
    # zero once they are aligned.
    predictions = [
        rng.uniform(0.5, 2) * (depth - 1.3 + rng.normal(0, 0.2, depth.shape))
        for depth in planted(everything)
    ]
    predictions = [depth.astype(np.float32) for depth in predictions]
    expected = published_stitching(predictions, count)
    known = [w.known for w in key_windows(iter(range(count)))]
    ours = list(stitch(iter(zip(predictions, known, strict=False))))
    assert len(ours) == count
    np.testing.assert_allclose(np.stack(ours), expected, atol=2e-5)
    assert count < 40 or (expected[32:] == 0).any()


@pytest.mark.parametrize("count", [33, 70, 300])
def test_a_planted_scale_and_shift_are_removed(count):
    windows = list(key_windows(iter(range(count))))
    predictions = planted([w.items for w in windows])
    ours = np.stack(
        list(stitch((p, w.known) for p, w in zip(predictions, windows, strict=True)))
    )
    truth = np.stack([scene(frame) for frame in range(count)])
    residual = np.abs(ours - truth).max() / np.ptp(truth)
    assert residual < 1e-4
    # The planting is no small one.
    raw = np.abs(predictions[1] - np.stack([scene(f) for f in windows[1].items]))
    assert raw.max() / np.ptp(truth) > 0.2


def test_noise_does_not_carry_the_scale_away():
    count = 300
    windows = list(key_windows(iter(range(count))))
    rng = np.random.default_rng(1)
    predictions = [
        p + rng.normal(0, 0.01, p.shape).astype(np.float32)
        for p in planted([w.items for w in windows])
    ]
    ours = np.stack(
        list(stitch((p, w.known) for p, w in zip(predictions, windows, strict=True)))
    )
    truth = np.stack([scene(frame) for frame in range(count)])
    bias = (ours - truth).reshape(count, -1).mean(axis=1)
    assert np.abs(bias).max() / np.ptp(truth) < 0.01


def test_a_flat_window_is_shifted_and_not_blown_up():
    flat = [np.full((32, H, W), v, np.float32) for v in (2.0, 5.0)]
    ours = list(stitch(iter([(flat[0], 32), (flat[1], 10)])))
    np.testing.assert_allclose(np.stack(ours), 2.0)


def test_a_window_comes_as_soon_as_its_frames_are_there():
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
    assert len(KEYS) == 10
