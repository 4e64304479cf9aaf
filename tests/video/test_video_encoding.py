"""The choice of codec, pixel format, colours and options, and its errors."""

import dataclasses
from fractions import Fraction
from pathlib import Path

import av
import pytest

from stereojax.cli import InputError
from stereojax.stage_types import Color, VideoInfo
from stereojax.video.writing.codecs import CODECS
from stereojax.video.writing.encoding import choose_encoding
from stereojax.video.writing.formats import planar_format, same_planes


def film(width=960, height=540, pixel_format="yuv420p", bit_depth=8, **fields):
    info = VideoInfo(
        path=Path("film.mp4"),
        width=width,
        height=height,
        frame_rate=Fraction(24),
        time_base=Fraction(1, 24),
        duration=1.0,
        pixel_format=pixel_format,
        bit_depth=bit_depth,
    )
    return dataclasses.replace(info, **fields)


HDR = Color(
    primaries=9,
    transfer=16,
    matrix=9,
    mastering_display="G(13250,34500)B(7500,3000)R(34000,16000)"
    "WP(15635,16450)L(10000000,50)",
    content_light="1000,400",
)


def test_h264_up_to_4096_pixels_per_side_and_hevc_above():
    assert choose_encoding(film(1920, 1080), "full_sbs").codec == "h264"
    assert choose_encoding(film(2048, 1080), "full_sbs").codec == "h264"
    assert choose_encoding(film(2050, 1080), "full_sbs").codec == "hevc"
    assert choose_encoding(film(3840, 2160), "half_sbs").codec == "h264"
    assert choose_encoding(film(3840, 2160), "full_tb").codec == "hevc"
    assert choose_encoding(film(), "full_sbs", container=".webm").codec == "av1"


def test_high_bit_depth_is_kept_and_uses_hevc():
    ten = choose_encoding(film(pixel_format="yuv420p10le", bit_depth=10), "full_sbs")
    assert (ten.codec, ten.pixel_format) == ("hevc", "yuv420p10le")
    twelve = choose_encoding(film(pixel_format="yuv422p12le", bit_depth=12), "full_sbs")
    assert (twelve.codec, twelve.pixel_format) == ("hevc", "yuv420p12le")
    assert "--pixel_format" in twelve.notes[0]
    eight = choose_encoding(film(color=HDR), "full_sbs")
    assert (eight.codec, eight.pixel_format) == ("hevc", "yuv420p10le")


def test_color_tags_follow_the_source_or_its_size():
    assert choose_encoding(film(color=HDR), "full_sbs").color == HDR
    sd = choose_encoding(film(720, 576), "full_sbs").color
    hd = choose_encoding(film(1280, 720), "full_sbs").color
    assert (sd.primaries, sd.transfer, sd.matrix) == (6, 6, 6)
    assert (hd.primaries, hd.transfer, hd.matrix) == (1, 1, 1)
    full = film(pixel_format="yuvj420p", color=Color(5, 6, 5, full_range=True))
    assert choose_encoding(full, "full_sbs").color == full.color


def test_rgb_source_gets_a_matrix_for_a_yuv_output():
    source = film(pixel_format="gbrp", color=Color(1, 13, 0, full_range=True))
    lossy = choose_encoding(source, "full_sbs")
    assert lossy.pixel_format == "yuv420p"
    assert (lossy.color.matrix, lossy.color.full_range) == (6, False)
    lossless = choose_encoding(source, "full_sbs", codec="ffv1")
    assert lossless.pixel_format == "bgr0"
    assert lossless.color.matrix == 0


def test_hdr10_metadata_is_in_the_units_of_each_encoder():
    hevc = dict(choose_encoding(film(color=HDR), "full_sbs").options)["x265-params"]
    assert f"master-display={HDR.mastering_display}:" in hevc
    assert "max-cll=1000,400" in hevc
    av1 = choose_encoding(film(color=HDR), "full_sbs", codec="av1")
    assert dict(av1.options)["svtav1-params"] == (
        "mastering-display=G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)"
        "WP(0.31270,0.32900)L(1000.00000,0.00500):content-light=1000,400"
    )


def test_odd_sizes_use_444_with_a_note():
    odd = choose_encoding(film(101, 75), "full_sbs")
    assert (odd.width, odd.height, odd.pixel_format) == (202, 75, "yuv444p")
    assert "202x75" in odd.notes[0]
    assert choose_encoding(film(101, 76), "full_sbs").pixel_format == "yuv420p"
    assert choose_encoding(film(101, 75), "right", codec="av1").notes == ()


def test_anaglyph_has_full_color_resolution():
    assert choose_encoding(film(), "anaglyph").pixel_format == "yuv444p"
    lossless = choose_encoding(film(), "anaglyph", codec="ffv1")
    assert lossless.pixel_format == "yuv444p"
    ten = film(pixel_format="yuv420p10le", bit_depth=10)
    assert choose_encoding(ten, "anaglyph").pixel_format == "yuv444p10le"
    for flags in ({"codec": "av1"}, {"pixel_format": "yuv420p"}):
        with pytest.raises(InputError, match="--layout=anaglyph"):
            choose_encoding(film(), "anaglyph", **flags)


@pytest.mark.parametrize(
    ("layout", "corner"),
    [
        ("full_sbs", (0, 0)),
        ("full_tb", (0, 0)),
        ("cross_eyed", (960, 0)),
        ("left_right_files", (0, 0)),
        ("half_sbs", None),
        ("anaglyph", None),
        ("right", None),
    ],
)
def test_left_planes_are_copied_in_full_layouts(layout, corner):
    assert choose_encoding(film(), layout).left_corner == corner


def test_left_planes_are_not_copied_if_formats_differ():
    def corner(layout="full_sbs", **fields):
        return choose_encoding(film(**fields), layout).left_corner

    assert corner(rotation=90) is None
    assert corner(mirrored=True) is None
    assert corner(pixel_format="yuv422p") is None  # written as 4:2:0
    assert corner(width=961) is None  # a chroma sample would belong to both views
    assert corner(height=541) is None  # written as 4:4:4
    assert corner("full_tb", height=541) is None
    assert corner("full_tb", width=961) is None
    assert corner(pixel_format="yuvj420p") == (0, 0)
    assert corner(pixel_format="yuva420p") == (0, 0)


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv411p", "gray", "bgr0"])
def test_ffv1_keeps_the_format_of_the_source(name):
    bits = 10 if "10" in name else 8
    source = film(pixel_format=name, bit_depth=bits)
    assert choose_encoding(source, "full_sbs", codec="ffv1").pixel_format == name


def test_ffv1_has_an_equivalent_of_every_decoder_format():
    formats = {f.name for f in av.codec.Codec("ffv1", "w").video_formats}
    seen = set()
    for name in ("rgb24", "pal8", "rgb48be", "gbrap", "nv12", "p010le", "yuyv422"):
        seen.add(planar_format(name))
    for name in ("yuv440p", "yuv440p10le", "yuv410p", "gray10be", "ya8", "yuva444p9le"):
        seen.add(planar_format(name))
    assert seen <= formats
    assert planar_format("nv12") == "yuv420p"
    assert planar_format("p010le") == "yuv420p10le"
    assert planar_format("rgb24") == "bgr0"


def test_which_formats_have_the_same_planes():
    assert same_planes("yuv420p", "yuv420p")
    assert same_planes("yuvj420p", "yuv420p")
    assert same_planes("yuva420p", "yuv420p")
    assert not same_planes("nv12", "yuv420p")
    assert not same_planes("yuv420p10be", "yuv420p10le")
    assert not same_planes("yuv422p", "yuv420p")
    assert not same_planes("gbrp", "yuv444p")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"codec": "mpeg4"}, "--codec=mpeg4: expected one of h264, hevc, av1, ffv1"),
        ({"codec": "h264", "container": ".webm"}, "--codec=h264: .webm files cannot"),
        ({"codec": "ffv1", "container": ".mov"}, "--codec=ffv1: .mov files cannot"),
        ({"codec": "av1", "container": ".mov"}, "--codec=av1: .mov files cannot"),
        ({"container": ".avi"}, "--output: a file of type .avi cannot be written"),
        ({"container": ""}, r"--output: a file of type \(none\)"),
        ({"crf": 52.0}, "--crf=52: h264 takes 0"),
        ({"crf": -1.0}, "--crf=-1: h264 takes 0"),
        ({"crf": float("nan")}, "--crf=nan: h264 takes 0"),
        ({"crf": 3.0, "codec": "ffv1"}, "--crf=3: ffv1 is lossless"),
        ({"crf": 20.5, "codec": "av1"}, "--crf=20.5: av1 takes whole numbers"),
        ({"pixel_format": "yuv9000"}, "--pixel_format=yuv9000: h264 takes yuv420p"),
        ({"pixel_format": "nv12"}, "--pixel_format=nv12: h264 takes yuv420p"),
        ({"pixel_format": "yuv420p12le"}, "--pixel_format=yuv420p12le: h264 takes"),
    ],
)
def test_an_impossible_choice_is_a_one_line_error_that_names_the_flag(flags, message):
    with pytest.raises(InputError, match=message) as error_info:
        choose_encoding(film(), "full_sbs", **flags)
    assert "\n" not in str(error_info.value)


def test_subsampled_format_is_refused_for_odd_sizes():
    with pytest.raises(InputError, match="202x75"):
        choose_encoding(film(101, 75), "full_sbs", pixel_format="yuv420p")


@pytest.mark.parametrize("codec", CODECS)
def test_quality_and_format_can_be_chosen(codec):
    crf = None if codec == "ffv1" else 30.0
    encoding = choose_encoding(
        film(), "full_sbs", codec=codec, crf=crf, pixel_format="yuv420p10le"
    )
    assert encoding.pixel_format == "yuv420p10le"
    assert dict(encoding.options).get("crf") == ("30" if crf else None)
