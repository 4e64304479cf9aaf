"""A record keeps what it is given, and decodes only what is asked for."""

import dataclasses

import numpy as np
import pytest
from record_samples import pictures, provenance, record

from stereojax.records import decode, encode_record
from stereojax.records.disparity import Steps, quantize


def psnr(a, b):
    return -10 * np.log10(np.mean((a / 255.0 - b / 255.0) ** 2))


def test_views_come_back_nearly_and_disparity_to_a_64th():
    left, right, disparity = pictures()
    frames = decode(encode_record(left, right, disparity, provenance()))
    assert psnr(frames.left, left) > 40
    assert psnr(frames.right, right) > 40
    assert np.abs(frames.disparity - disparity).max() <= 1 / 64
    assert np.array_equal(frames.disparity, quantize(disparity))


def test_color_is_not_subsampled_and_channels_keep_their_order():
    left = np.zeros((1, 32, 32, 3), np.uint8)
    left[:, :, ::2] = (250, 30, 10)  # a red column beside a black one
    frames = decode(
        encode_record(left, left, np.zeros((1, 32, 32), np.float32), provenance())
    )
    assert np.abs(frames.left.astype(int) - left).max() < 30


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 100.0), (-40.0, 40.0), (0.01, 0.02), (-3000.0, 9000.0)]
)
def test_steps_reach_all_disparities_and_are_exact(low, high):
    disparity = np.linspace(low, high, 999, dtype=np.float32)
    disparity[[3, 500]] = np.nan, np.inf
    steps = Steps.of(disparity)
    once = steps.decode(steps.encode(disparity))
    assert np.array_equal(np.isnan(once), ~np.isfinite(disparity))
    error = np.abs(once - disparity.astype(float))[np.isfinite(disparity)]
    assert error.max() <= steps.scale / 2
    assert steps.scale == 1 / 32 or high - low > 2000
    assert np.array_equal(steps.decode(steps.encode(once)), once, equal_nan=True)


def test_disparity_that_is_nowhere_and_absurd():
    assert np.isnan(quantize(np.full((2, 3), np.nan, np.float32))).all()
    with pytest.raises(ValueError, match="no picture's"):
        Steps.of(np.full(3, 1e9, np.float32))


@pytest.mark.parametrize("outside", [-1.0, 2048.0, 1e5])
def test_disparity_beyond_the_steps_is_an_error_and_does_not_wrap(outside):
    disparity = np.array([0, outside, np.nan, 2047], np.float32)
    with pytest.raises(ValueError, match=rf"{outside:g} px: expected 0 to 2047\.9"):
        Steps(1 / 32, 0.0).encode(disparity)
    assert Steps(1 / 32, 0.0).encode(np.float32([-0.01, 2047.9])).tolist() == [0, 65533]


def test_decodes_the_asked_frames_in_the_asked_order_and_no_others():
    whole = record(frames=5)
    everything = decode(whole)
    # The others cannot be decoded at all.
    views = {
        name: tuple(p if i in (1, 3) else b"" for i, p in enumerate(pictures))
        for name in ("left", "right", "disparity")
        if (pictures := getattr(whole, name))
    }
    part = decode(dataclasses.replace(whole, **views), [3, 1])
    assert np.array_equal(part.left, everything.left[[3, 1]])
    assert np.array_equal(part.right, everything.right[[3, 1]])
    assert np.array_equal(part.disparity, everything.disparity[[3, 1]])
    assert decode(whole, []).left.shape == (0, 48, 64, 3)
    for frame in (5, -1):
        with pytest.raises(IndexError, match=f"frame {frame} of a record of 5"):
            decode(whole, [frame])


def test_what_is_stored_besides():
    left, right, disparity = pictures()
    warped = np.random.default_rng(0).random(left.shape, np.float32)
    stored = encode_record(
        left,
        right,
        disparity,
        provenance(),
        warped=warped,
        occlusion=warped[..., 0],
    )
    frames = decode(stored, [2])
    assert np.abs(frames.warped[0] / 255 - warped[2]).max() <= 0.5001 / 255
    assert np.abs(frames.occlusion[0] - warped[2, ..., 0]).max() <= 0.501 / 65535
    assert decode(record()).warped is None


def test_what_is_no_record():
    left, right, disparity = pictures()
    with pytest.raises(ValueError, match="at least one frame"):
        encode_record(left[:0], right[:0], disparity[:0], provenance())
    whole = record()
    with pytest.raises(ValueError, match="3 frames of right, 4 of left"):
        dataclasses.replace(whole, right=whole.right[1:])
    with pytest.raises(ValueError, match="are no picture"):
        decode(dataclasses.replace(whole, left=(b"nonsense",) * 4))
    with pytest.raises(ValueError, match="right of frame 0 is"):
        decode(dataclasses.replace(whole, right=record(height=40).right))


def test_a_key_names_film_shot_and_frame():
    keys = {
        provenance(**change).key
        for change in ({}, {"shot": 4}, {"first_frame": 121}, {"source_hash": "ff" * 9})
    }
    assert len(keys) == 4
