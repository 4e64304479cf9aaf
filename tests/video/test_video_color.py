"""Color conversion against the formulas of ITU-T H.273 in float64."""

import dataclasses
import itertools

import av
import numpy as np
import pytest
from clips import linear, picture, planes, write_film

from stereojax.stage_types import Color
from stereojax.video.color import rgb
from stereojax.video.color.pixel_formats import bit_depth
from stereojax.video.color.rgb import FromRgb, ToRgb

KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def top_of(bits):
    return 255 if bits == 8 else 65535


def samples(frame):
    """Returns the code values of each plane, (h, w)."""
    dtype = np.uint8 if bit_depth(frame.format.name) == 8 else np.uint16
    return [p.view(dtype).astype(np.int64) for p in planes(frame)]


def fill(frame, values):
    """Writes (h, w) code values to each plane and returns the frame."""
    for plane, value in zip(frame.planes, values, strict=True):
        lines = np.zeros((plane.height, plane.line_size), np.uint8)
        data = np.ascontiguousarray(value).view(np.uint8)
        lines[:, : data.shape[1]] = data
        plane.update(lines.tobytes())
    return frame


def oracle(codes, matrix, full, bits):
    """Converts (..., 3) code values to R'G'B' in [0, 1] by H.273 section 8.3."""
    kr, kb = KR_KB[matrix]
    scale = 2.0 ** (bits - 8)
    if full:
        y = codes[..., 0] / (2**bits - 1)
        cb, cr = ((codes[..., i] - 128 * scale) / (2**bits - 1) for i in (1, 2))
    else:
        y = (codes[..., 0] - 16 * scale) / (219 * scale)
        cb, cr = ((codes[..., i] - 128 * scale) / (224 * scale) for i in (1, 2))
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.stack([r, g, b], axis=-1), 0, 1)


@pytest.mark.parametrize("matrix", KR_KB)
@pytest.mark.parametrize(
    ("grid", "bits", "full"),
    [
        *itertools.product(["420", "422", "444"], [8, 10, 12], [False, True]),
        ("j420", 8, True),
        ("j444", 8, True),
    ],
)
def test_to_rgb_follows_the_formula(matrix, grid, bits, full):
    rng = np.random.default_rng(0)
    dtype = np.uint8 if bits == 8 else np.uint16
    frame = av.VideoFrame(64, 64, f"yuv{grid}p" + ("" if bits == 8 else f"{bits}le"))
    reader = ToRgb(Color(matrix=matrix, full_range=full))
    for _ in range(8):
        codes = np.empty((64, 64, 3))
        codes[..., 0] = rng.integers(0, 2**bits, (64, 64))
        codes[..., 1:] = rng.integers(
            0, 2**bits, 2
        )  # constant chroma needs no resampling
        if "444" in grid:
            codes[...] = rng.integers(0, 2**bits, (64, 64, 3))
        values = [codes[: p.height, : p.width, i] for i, p in enumerate(frame.planes)]
        fill(frame, [v.astype(dtype) for v in values])
        image = reader(frame)
        expected = oracle(codes, matrix, full, bits) * top_of(bits)
        assert image.dtype == dtype
        # Rounded once; 8-bit values are rounded to 16 bits first.
        assert np.abs(image - expected).max() <= (0.51 if bits == 8 else 0.6)


@pytest.mark.parametrize("matrix", KR_KB)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_from_rgb_follows_the_formula(matrix, full, bits):
    rng = np.random.default_rng(0)
    dtype = np.uint8 if bits == 8 else np.uint16
    image = rng.integers(0, top_of(bits) + 1, (64, 64, 3)).astype(dtype)
    name = {8: "yuv444p", 10: "yuv444p10le", 12: "yuv444p12le"}[bits]
    frame = FromRgb(name, Color(matrix=matrix, full_range=full))(image)
    codes = np.stack(samples(frame), axis=-1)
    back = oracle(codes, matrix, full, bits) * top_of(bits)
    # Half a code value in each of Y, Cb and Cr, through the matrix's largest row.
    step = top_of(bits) / ((2**bits - 1) if full else 219 * 2 ** (bits - 8))
    half = 0.5 + 0.5 / 2 ** (16 - bits)  # rounded to 16 bits, then to `bits`
    assert np.abs(back - image).max() <= (half + half * 1.9) * step + 1
    # Gray depends on Y alone, which is exact to half a code value.
    gray = np.repeat(image[..., :1], 3, axis=-1)
    luma = samples(FromRgb(name, Color(matrix=matrix, full_range=full))(gray))
    low, span = (0, 2**bits - 1) if full else (16 << (bits - 8), 219 << (bits - 8))
    expected = low + gray[..., 0] / top_of(bits) * span
    assert np.abs(luma[0] - expected).max() <= half + 0.001
    for chroma in luma[1:]:
        assert (chroma == 1 << (bits - 1)).all()


FORMATS = [
    "yuv420p yuvj420p yuv422p yuv444p yuv411p yuva420p nv12",
    "yuv420p10le yuv422p10le yuv444p10le yuv420p12le p010le",
    "gray gray10le gray16le",
    "rgb24 bgr24 rgba gbrp gbrap gbrp10le gbrp16le rgb48le rgba64le",
]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", " ".join(FORMATS).split())
@pytest.mark.parametrize("size", [(16, 16), (17, 13), (1, 1)])
def test_flat_color_round_trip_in_every_format(name, full, size):
    if name == "p010le":
        size = (16, 16)  # swscale corrupts odd sizes; no software decoder uses it
    color = Color(1, 1, 1, full or name == "yuvj420p")
    bits = bit_depth(name)
    dtype = np.uint8 if bits == 8 else np.uint16
    rng = np.random.default_rng(0)
    for share in rng.uniform(0.1, 0.9, (6, 3)):
        if "gray" in name:
            share[:] = share[0]
        value = np.round(share * top_of(bits)).astype(dtype)
        image = np.broadcast_to(value, (size[1], size[0], 3)).copy()
        frame = FromRgb(name, color)(image)
        assert (frame.width, frame.height, frame.format.name) == (*size, name)
        back = ToRgb(color)(frame)
        assert back.shape == image.shape
        assert back.dtype == dtype
        steps = 3.1 if name == "yuv411p" else 2.0  # 4:1:1 is converted by swscale only
        step = top_of(bits) / (2**bits - 1)
        assert np.abs(back.astype(int) - image).max() <= steps * step


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_chroma_siting_is_applied(siting, name):
    bits = bit_depth(name)
    dtype = np.uint8 if bits == 8 else np.uint16
    unit = 1 << (bits - 8)
    y = np.full((32, 64), 120 * unit, dtype)
    ramp = np.broadcast_to(64 + 4 * np.arange(32), (16, 32)) * unit
    level = np.full((16, 32), 128 * unit)
    frame = fill(
        av.VideoFrame(64, 32, name), [y, level.astype(dtype), ramp.astype(dtype)]
    )
    image = ToRgb(Color(1, 1, 1, siting=siting))(frame)
    x = np.arange(64)
    at_luma = 64 + 4 * (x - (0.5 if siting == "center" else 0)) / 2
    codes = np.stack([np.full(64, 120.0), np.full(64, 128.0), at_luma], axis=-1) * unit
    expected = oracle(codes, 1, False, bits)[..., 0] * top_of(bits)
    inner = slice(8, -8)  # the ramp ends at the picture's border
    error = np.abs(image[16, inner, 0] - expected[inner])
    assert error.max() <= 1.0 * top_of(bits) / 255


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le", "yuv422p10le", "yuv444p"])
def test_round_trip_through_rgb_is_nearly_lossless(name, siting):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :160]
    color = Color(1, 1, 1, siting=siting)
    image = np.stack(
        [128 + 60 * np.sin(x / 9 + k) * np.cos(y / 7 - k) for k in range(3)], axis=-1
    )
    image += rng.normal(0, 4, (96, 160, 1))
    depth = 1 if bit_depth(name) == 8 else 257
    image = (image * depth).astype(np.uint8 if depth == 1 else np.uint16)
    first = FromRgb(name, color)(image)
    second = FromRgb(name, color)(ToRgb(color)(first))
    top = (1 << bit_depth(name)) - 1
    for number, (a, b) in enumerate(zip(samples(first), samples(second), strict=True)):
        error = np.mean((a - b) ** 2)
        psnr = np.inf if error == 0 else 10 * np.log10(top**2 / error)
        if number == 0:
            assert psnr > 65, psnr  # with 16-bit chroma no luma sample is off by two
            assert np.abs(a - b).max() <= 1
        else:
            assert psnr > 50, psnr


def test_ycgco_round_trip():
    image = picture(0)
    frame = FromRgb("yuv444p", Color(matrix=8, full_range=True))(image)
    y, cg, co = (plane.astype(float) for plane in samples(frame))
    r, g, b = (image[..., i].astype(float) for i in range(3))
    assert np.abs(y - (r + 2 * g + b) / 4).max() <= 0.51
    assert np.abs(cg - 128 - (2 * g - r - b) / 4).max() <= 0.51
    assert np.abs(co - 128 - (r - b) / 2).max() <= 0.51
    back = ToRgb(Color(matrix=8, full_range=True))(frame)
    assert np.abs(back.astype(int) - image).max() <= 2


def test_alpha_is_dropped_not_blended():
    rgba = np.full((4, 4, 4), 200, np.uint8)
    rgba[..., 3] = 0
    frame = av.VideoFrame.from_ndarray(rgba, "rgba")
    assert (ToRgb(Color())(frame) == 200).all()


def test_palette_frames(tmp_path):
    path = write_film(tmp_path / "a.gif", 3, codec="gif", pixel_format="rgb8")
    for frame in linear(path):
        assert frame.format.has_palette or frame.format.is_rgb
        expected = frame.to_ndarray(format="rgb24")
        np.testing.assert_array_equal(ToRgb(Color())(frame), expected)


def test_frames_are_tagged():
    image = picture(0).astype(np.uint16) * 257
    color = Color(9, 16, 9, False)
    frame = FromRgb("yuv420p10le", color)(image)
    tags = (frame.color_primaries, frame.color_trc, frame.colorspace)
    assert (*tags, frame.color_range) == (9, 16, 9, 1)
    full = FromRgb("yuv420p", dataclasses.replace(color, matrix=1))(picture(0))
    assert full.colorspace == 1


@pytest.mark.parametrize("transfer", [3, 16, 18])
def test_unrelated_tags_are_ignored(transfer):
    frame = FromRgb("yuv420p", Color(1, 1, 1))(picture(0))
    expected = ToRgb(Color(1, 1, 1))(frame)
    frame.color_trc, frame.color_primaries, frame.colorspace = transfer, 3, 3
    np.testing.assert_array_equal(ToRgb(Color(1, 1, 1))(frame), expected)


def test_untagged_fields_follow_the_height():
    assert rgb.with_default_tags(Color(), 720) == Color(1, 1, 1)
    assert rgb.with_default_tags(Color(), 719) == Color(6, 6, 6)
    tagged = Color(9, 16, 9, True)
    assert rgb.with_default_tags(tagged, 480) == tagged
    assert rgb.with_default_tags(Color(9, 2, 9), 1080) == Color(9, 1, 9)
    # Matrix 0 (RGB) cannot convert Y'CbCr, and 3 is reserved.
    assert rgb.with_default_tags(Color(1, 13, 0), 1080) == Color(1, 13, 1)
    assert rgb.with_default_tags(Color(3, 3, 3), 480) == Color(6, 6, 6)
