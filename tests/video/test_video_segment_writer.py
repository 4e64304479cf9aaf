"""Encoded segments: pictures, tags, quality, and errors."""

import dataclasses
from fractions import Fraction
from pathlib import Path

import av
import clips
import numpy as np
import pytest

from stereojax.cli import RunError
from stereojax.stage_types import Color, VideoInfo
from stereojax.video.color.rgb import ToRgb
from stereojax.video.reading.probe import probe
from stereojax.video.stereo import stereo_tags
from stereojax.video.stereo.layouts import pack
from stereojax.video.writing.encoding import choose_encoding
from stereojax.video.writing.segment_writer import SegmentWriter

WIDTH, HEIGHT, FRAMES = 64, 36, 6
HDR = Color(
    primaries=9,
    transfer=16,
    matrix=9,
    mastering_display="G(13250,34500)B(7500,3000)R(34000,16000)"
    "WP(15635,16450)L(10000000,50)",
    content_light="1000,400",
)


def film(width=WIDTH, height=HEIGHT, pixel_format="yuv420p", bit_depth=8, **fields):
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


def pictures(encoding, count=FRAMES, bits=8):
    width, height = encoding.width, encoding.height
    images = [clips.picture(i, width, height) for i in range(count)]
    return [i.astype(np.uint16) * 257 for i in images] if bits > 8 else images


def write(path, encoding, images, coded=None):
    with SegmentWriter(path, encoding) as writer:
        for i, image in enumerate(images):
            writer.write(image, coded[i] if coded else None)
    return path


def psnr(image, expected):
    top = np.iinfo(image.dtype).max
    error = image.astype(float) / top - expected / np.iinfo(expected.dtype).max
    return 10 * np.log10(1 / max(np.mean(error**2), 1e-12))


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "ffv1"])
def test_every_codec_reproduces_the_pictures(tmp_path, codec, bits):
    name = "yuv420p" if bits == 8 else "yuv420p10le"
    info = film(pixel_format=name, bit_depth=bits)
    encoding = choose_encoding(info, "full_sbs", codec=codec)
    images = pictures(encoding, bits=bits)
    path = write(tmp_path / "a.mkv", encoding, images)

    decoded = clips.linear(path)
    assert [f.format.name for f in decoded] == [name] * FRAMES
    to_rgb = ToRgb(encoding.color)
    # The test pictures have color detail that 4:2:0 cannot hold.
    assert min(map(psnr, map(to_rgb, decoded), images)) > 32
    found = probe(path)
    assert (found.width, found.height) == (2 * WIDTH, HEIGHT)
    assert found.color == encoding.color
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "ffv1"])
def test_equal_pictures_give_equal_files(tmp_path, codec):
    encoding = choose_encoding(film(), "full_sbs", codec=codec)
    images = pictures(encoding, 12)
    first = write(tmp_path / "a.mkv", encoding, images).read_bytes()
    second = write(tmp_path / "b.mkv", encoding, images).read_bytes()
    assert first == second
    changed = write(tmp_path / "c.mkv", encoding, images[::-1]).read_bytes()
    assert first != changed


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le", "yuv444p", "yuvj420p"])
@pytest.mark.parametrize("layout", ["full_sbs", "full_tb", "cross_eyed"])
def test_lossless_left_view_equals_the_source_bit_for_bit(tmp_path, layout, name):
    bits = 10 if "10" in name else 8
    info = film(pixel_format=name, bit_depth=bits)
    encoding = choose_encoding(info, layout, codec="ffv1")
    rng = np.random.default_rng(0)
    # Noise in every sample, which a conversion through RGB would change.
    coded = [noise(name, rng) for _ in range(3)]
    path = write(tmp_path / "a.mkv", encoding, pictures(encoding, 3, bits), coded)

    x, y = encoding.left_corner
    for source, frame in zip(coded, clips.linear(path), strict=True):
        for before, after in zip(
            clips.planes(source), clips.planes(frame), strict=True
        ):
            height, width = before.shape
            left = x * after.shape[1] // frame.width
            top = y * after.shape[0] // frame.height
            np.testing.assert_array_equal(
                after[top : top + height, left : left + width], before
            )


def noise(name, rng):
    frame = av.VideoFrame(WIDTH, HEIGHT, name)
    for plane in frame.planes:
        data = rng.integers(0, 256, plane.buffer_size, dtype=np.uint8)
        if "10" in name:
            data[1::2] &= 3
        plane.update(data)
    return frame


def test_left_planes_do_not_change_the_right_view(tmp_path):
    encoding = choose_encoding(film(), "full_sbs", codec="ffv1")
    black = np.zeros((HEIGHT, 2 * WIDTH, 3), np.uint8)
    coded = [noise("yuv420p", np.random.default_rng(0))]
    (frame,) = clips.linear(write(tmp_path / "a.mkv", encoding, [black], coded))
    luma, *chroma = clips.planes(frame)
    assert (luma[:, WIDTH:] == 16).all()
    assert all((c[:, WIDTH // 2 :] == 128).all() for c in chroma)


def test_left_frame_of_another_format_uses_rgb(tmp_path):
    encoding = choose_encoding(film(), "full_sbs", codec="ffv1")
    white = np.full((HEIGHT, 2 * WIDTH, 3), 255, np.uint8)
    for other in (
        av.VideoFrame(WIDTH, HEIGHT, "yuv422p"),
        av.VideoFrame(WIDTH - 2, HEIGHT, "yuv420p"),
    ):
        (frame,) = clips.linear(write(tmp_path / "a.mkv", encoding, [white], [other]))
        assert (clips.planes(frame)[0] == 235).all()


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_hdr10_metadata_is_written(tmp_path, codec):
    info = film(pixel_format="yuv420p10le", bit_depth=10, color=HDR)
    encoding = choose_encoding(info, "full_sbs", codec=codec)
    path = write(tmp_path / "a.mkv", encoding, pictures(encoding, 2, 10))
    found = probe(path).color
    assert found.mastering_display == HDR.mastering_display
    assert found.content_light == HDR.content_light
    assert (found.primaries, found.transfer, found.matrix) == (9, 16, 9)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_chroma_siting_is_written(tmp_path, codec):
    info = film(color=Color(1, 1, 1, siting="topleft"))
    encoding = choose_encoding(info, "full_sbs", codec=codec)
    path = write(tmp_path / "a.mkv", encoding, pictures(encoding, 1))
    assert probe(path).color.siting == "topleft"


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "ffv1"])
@pytest.mark.parametrize("layout", ["right", "full_sbs", "half_tb"])
def test_odd_sizes_keep_every_line(tmp_path, codec, layout):
    info = film(width=41, height=27)
    encoding = choose_encoding(info, layout, codec=codec)
    view = clips.picture(0, 41, 27)
    path = write(tmp_path / "a.mkv", encoding, pack(view, view, layout))
    (frame,) = clips.linear(path)
    assert (frame.width, frame.height) == (encoding.width, encoding.height)


@pytest.mark.parametrize(
    ("layout", "mode"),
    [
        ("full_sbs", "left_right"),
        ("half_sbs", "left_right"),
        ("full_tb", "top_bottom"),
        ("half_tb", "top_bottom"),
        ("cross_eyed", None),
        ("right", None),
    ],
)
def test_h264_has_the_frame_packing_sei(tmp_path, layout, mode):
    encoding = choose_encoding(film(), layout)
    path = write(tmp_path / "a.mkv", encoding, pictures(encoding, 1))
    # A raw stream, because decoders pass on the container's tag.
    bare = tmp_path / "bare.h264"
    with av.open(str(path)) as source, av.open(str(bare), "w") as target:
        stream = source.streams.video[0]
        out = target.add_stream_from_template(stream, opaque=True)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = out
                target.mux(packet)
    assert stereo_tags.read_stereo_mode(bare) == mode


def test_encoder_error_is_raised_by_the_next_call(tmp_path):
    encoding = choose_encoding(film(), "full_sbs")
    broken = dataclasses.replace(encoding, options=(("preset", "no such preset"),))
    writer = SegmentWriter(tmp_path / "a.mkv", broken)
    with pytest.raises(RunError, match=r"encoding a\.mkv as h264 yuv420p failed"):
        for image in pictures(encoding, 50):
            writer.write(image)
    with pytest.raises(RunError, match="failed"):
        writer.close()
    assert not list(tmp_path.iterdir())


def test_missing_folder_is_an_error(tmp_path):
    encoding = choose_encoding(film(), "full_sbs")
    with pytest.raises(RunError, match="No such file"):
        write(tmp_path / "gone" / "a.mkv", encoding, pictures(encoding, 2))


def test_aborted_segment_leaves_no_file(tmp_path):
    encoding = choose_encoding(film(), "full_sbs")
    with (
        pytest.raises(KeyError),
        SegmentWriter(tmp_path / "a.mkv", encoding) as writer,
    ):
        writer.write(pictures(encoding, 1)[0])
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_segment_appears_when_it_is_complete(tmp_path):
    encoding = choose_encoding(film(), "full_sbs")
    path = tmp_path / "a.mkv"
    with SegmentWriter(path, encoding) as writer:
        for image in pictures(encoding, 2):
            writer.write(image)
        assert not path.exists()
    assert len(clips.linear(path)) == 2


def test_picture_of_another_size_is_an_error(tmp_path):
    encoding = choose_encoding(film(), "full_sbs")
    with (
        pytest.raises(ValueError, match=r"\(36, 64, 3\), expected"),
        SegmentWriter(tmp_path / "a.mkv", encoding) as writer,
    ):
        writer.write(clips.picture(0, WIDTH, HEIGHT))


def test_default_quality_on_real_footage(tmp_path):
    source = Path(__file__).parents[2] / "../shared/data/rollercoaster.mp4"
    if not source.exists():
        pytest.skip(f"{source.name} is not available")
    info = probe(source)
    encoding = choose_encoding(info, "full_sbs")
    to_rgb = ToRgb(encoding.color)
    frames = clips.linear(source)[:3]
    views = [to_rgb(f) for f in frames]
    packed = [pack(v, np.roll(v, -8, 1), "full_sbs")[0] for v in views]
    path = write(tmp_path / "a.mkv", encoding, packed, frames)
    for frame, view in zip(clips.linear(path), views, strict=True):
        assert psnr(to_rgb(frame)[:, : info.width], view) > 38
