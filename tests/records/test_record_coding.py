"""Encoding and decoding of records."""

import dataclasses

import numpy as np
import pytest
from record_samples import pictures, provenance, record

from stereojax.records import decode_record, encode_record
from stereojax.records.disparity import DisparityQuantizer


def psnr(a, b):
    return -10 * np.log10(np.mean((a / 255.0 - b / 255.0) ** 2))


def test_views_decode_above_40_db_and_disparity_within_a_64th():
    left, right, disparity = pictures()
    frames = decode_record(encode_record(left, right, disparity, provenance()))
    assert psnr(frames.left, left) > 40
    assert psnr(frames.right, right) > 40
    assert np.abs(frames.disparity - disparity).max() <= 1 / 64
    quantizer = DisparityQuantizer.covering(disparity)
    rounded = quantizer.decode(quantizer.encode(disparity))
    assert np.array_equal(frames.disparity, rounded)


def test_chroma_is_not_subsampled_and_channels_keep_their_order():
    left = np.zeros((1, 32, 32, 3), np.uint8)
    left[:, :, ::2] = (250, 30, 10)  # a red column beside a black one
    frames = decode_record(
        encode_record(left, left, np.zeros((1, 32, 32), np.float32), provenance())
    )
    assert np.abs(frames.left.astype(int) - left).max() < 30


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 100.0), (-40.0, 40.0), (0.01, 0.02), (-3000.0, 9000.0)]
)
def test_the_quantizer_covers_all_disparities_and_decodes_exactly(low, high):
    disparity = np.linspace(low, high, 999, dtype=np.float32)
    disparity[[3, 500]] = np.nan, np.inf
    quantizer = DisparityQuantizer.covering(disparity)
    once = quantizer.decode(quantizer.encode(disparity))
    assert np.array_equal(np.isnan(once), ~np.isfinite(disparity))
    error = np.abs(once - disparity.astype(float))[np.isfinite(disparity)]
    assert error.max() <= quantizer.scale / 2
    assert quantizer.scale == 1 / 32 or high - low > 2000
    assert np.array_equal(
        quantizer.decode(quantizer.encode(once)), once, equal_nan=True
    )


def test_all_nan_disparity_is_encoded_and_absurd_disparity_refused():
    nan = np.full((2, 3), np.nan, np.float32)
    quantizer = DisparityQuantizer.covering(nan)
    assert np.isnan(quantizer.decode(quantizer.encode(nan))).all()
    with pytest.raises(ValueError, match="not that of a picture"):
        DisparityQuantizer.covering(np.full(3, 1e9, np.float32))


@pytest.mark.parametrize("outside", [-1.0, 2048.0, 1e5])
def test_disparity_outside_the_quantizer_is_an_error(outside):
    disparity = np.array([0, outside, np.nan, 2047], np.float32)
    with pytest.raises(ValueError, match=rf"{outside:g} px: expected 0 to 2047\.9"):
        DisparityQuantizer(1 / 32, 0.0).encode(disparity)
    assert DisparityQuantizer(1 / 32, 0.0).encode(
        np.float32([-0.01, 2047.9])
    ).tolist() == [0, 65533]


def test_only_the_given_frames_are_decoded_in_the_given_order():
    full = record(frames=5)
    everything = decode_record(full)
    # The other frames cannot be decoded.
    views = {
        name: tuple(p if i in (1, 3) else b"" for i, p in enumerate(pictures))
        for name in ("left", "right", "disparity")
        if (pictures := getattr(full, name))
    }
    part = decode_record(dataclasses.replace(full, **views), [3, 1])
    assert np.array_equal(part.left, everything.left[[3, 1]])
    assert np.array_equal(part.right, everything.right[[3, 1]])
    assert np.array_equal(part.disparity, everything.disparity[[3, 1]])
    assert decode_record(full, []).left.shape == (0, 48, 64, 3)
    for frame in (5, -1):
        with pytest.raises(IndexError, match=f"frame {frame} of a record of 5"):
            decode_record(full, [frame])


def test_warped_views_and_occlusions_are_stored():
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
    frames = decode_record(stored, [2])
    assert np.abs(frames.warped[0] / 255 - warped[2]).max() <= 0.5001 / 255
    assert np.abs(frames.occlusion[0] - warped[2, ..., 0]).max() <= 0.501 / 65535
    assert decode_record(record()).warped is None


def test_invalid_records_are_errors():
    left, right, disparity = pictures()
    with pytest.raises(ValueError, match="at least one frame"):
        encode_record(left[:0], right[:0], disparity[:0], provenance())
    valid = record()
    with pytest.raises(ValueError, match="3 frames of right, 4 of left"):
        dataclasses.replace(valid, right=valid.right[1:])
    with pytest.raises(ValueError, match="are not a picture"):
        decode_record(dataclasses.replace(valid, left=(b"nonsense",) * 4))
    with pytest.raises(ValueError, match="right of frame 0 is"):
        decode_record(dataclasses.replace(valid, right=record(height=40).right))


def test_a_key_depends_on_film_shot_and_frame():
    keys = {
        provenance(**change).key
        for change in ({}, {"shot": 4}, {"first_frame": 121}, {"source_hash": "ff" * 9})
    }
    assert len(keys) == 4
