"""Video properties, and the one-line errors for files without a video."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import picture, write_film, write_sound_only

from stereojax import cli
from stereojax.stage_types import Color
from stereojax.video.reading.probe import probe


def test_ordinary_video(tmp_path):
    info = probe(write_film(tmp_path / "a.mp4", 12, rate=Fraction(30000, 1001)))
    assert (info.width, info.height, info.rotation, info.mirrored) == (64, 48, 0, False)
    assert info.frame_rate == Fraction(30000, 1001)
    assert info.time_base == Fraction(1, 30000)
    assert info.duration == pytest.approx(12 * 1001 / 30000, abs=1e-3)
    assert (info.pixel_format, info.bit_depth) == ("yuv420p", 8)
    assert info.sample_aspect == 1
    assert info.color == Color()


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotated_video_has_its_displayed_size(tmp_path, rotation):
    path = write_film(tmp_path / "a.mp4", 2, rotation=rotation, aspect=Fraction(4, 3))
    info = probe(path)
    assert info.rotation == rotation
    transposed = rotation != 180
    assert (info.width, info.height) == ((48, 64) if transposed else (64, 48))
    assert info.sample_aspect == (Fraction(3, 4) if transposed else Fraction(4, 3))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_mirrored_video(tmp_path, rotation):
    info = probe(write_film(tmp_path / "a.mp4", 2, rotation=rotation, flip=True))
    assert (info.rotation, info.mirrored) == (rotation, True)


def test_hdr10_color_tags(tmp_path):
    mastering = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    params = f"log-level=none:master-display={mastering}:max-cll=1000,400:hdr10=1"
    info = probe(
        write_film(
            tmp_path / "a.mkv",
            [picture(0, 64, 64)],
            codec="libx265",
            pixel_format="yuv420p10le",
            tags=dict(color_primaries=9, color_trc=16, colorspace=9, color_range=1),
            options={"x265-params": params, "chroma_sample_location": "topleft"},
        )
    )
    assert info.bit_depth == 10
    assert info.color == Color(9, 16, 9, False, "topleft", mastering, "1000,400")


@pytest.mark.parametrize(
    ("codec", "pixel_format", "color_range", "full"),
    [
        ("libx264", "yuv420p", 2, True),
        ("libx264", "yuv420p", 1, False),
        ("mjpeg", "yuvj420p", 2, True),
        ("ffv1", "gray", 0, True),
        ("png", "rgb24", 0, True),
    ],
)
def test_color_range(tmp_path, codec, pixel_format, color_range, full):
    tags = {"color_range": color_range} if color_range else {}
    path = write_film(
        tmp_path / "a.mkv" if codec != "png" else tmp_path / "a.mov",
        2,
        codec=codec,
        pixel_format=pixel_format,
        tags=tags,
    )
    assert probe(path).color.full_range is full


@pytest.mark.parametrize("location", ["left", "center", "topleft", "top"])
def test_chroma_siting(tmp_path, location):
    options = {"chroma_sample_location": location}
    path = write_film(tmp_path / "a.mp4", 1, options=options)
    assert probe(path).color.siting == location


@pytest.mark.parametrize("codec", ["ffv1", "libvpx-vp9", "mpeg2video"])
def test_untagged_chroma_siting_is_left(tmp_path, codec):
    assert probe(write_film(tmp_path / "a.mkv", 2, codec=codec)).color.siting == "left"


def test_cover_picture_is_not_the_video_stream(tmp_path):
    info = probe(write_film(tmp_path / "a.mp4", 3, cover=True))
    assert (info.width, info.height) == (64, 48)


def test_raw_stream_has_its_tagged_rate(tmp_path):
    assert probe(write_film(tmp_path / "a.h264", 5, rate=24)).frame_rate == 24


def only_a_cover(path):
    from av.stream import Disposition
    from clips import write_sound

    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=44100)
        art = out.add_stream("png", rate=1)
        art.width, art.height, art.pix_fmt = 32, 32, "rgb24"
        art.disposition = Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(picture(0, 32, 32), "rgb24")
        for packet in [*art.encode(frame), *art.encode()]:
            out.mux(packet)
        write_sound(out, sound, 1)


def unknown_codec(path):
    write_film(path, 2, codec="mjpeg", pixel_format="yuvj420p")
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"ZZZZ"))


def no_first_frame(path):
    write_film(path, 3, container_options={"movflags": "faststart"})
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    path.write_bytes(data[:start] + bytes(len(data) - start))


def header_cut_off(path):
    data = write_film(path, 12).read_bytes()
    path.write_bytes(data[: data.index(b"moov")])


def strange_matrix(path):
    write_film(path, 2, tags={"colorspace": 14})


BAD = {
    "nowhere.mp4": (None, "no such file"),
    "folder.mp4": (lambda p: p.mkdir(), "directory"),
    "empty.mp4": (lambda p: p.touch(), "empty"),
    "noise.mp4": (lambda p: p.write_bytes(bytes(range(256)) * 40), "not a video"),
    "notes.txt": (lambda p: p.write_text("not a film\n" * 40), "text"),
    "cut.mp4": (header_cut_off, "moov"),
    "sound.m4a": (write_sound_only, "no video stream, only audio"),
    "song.mp4": (only_a_cover, "no video stream"),
    "new.avi": (unknown_codec, "no decoder"),
    "zeros.mp4": (no_first_frame, "not one frame"),
    "ictcp.mp4": (strange_matrix, "matrix 14"),
}


@pytest.mark.parametrize("name", BAD)
def test_file_without_a_video_raises_one_line_error(tmp_path, name):
    make, expected = BAD[name]
    path = tmp_path / name
    if make:
        make(path)
    with pytest.raises(cli.InputError, match=expected) as error:
        probe(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_name_with_a_colon_is_not_a_protocol(tmp_path, monkeypatch):
    write_film(tmp_path / "a.mp4", 1).rename(tmp_path / "http:1.mp4")
    monkeypatch.chdir(tmp_path)
    assert probe(Path("http:1.mp4")).width == 64


def test_siting_is_found_for_a_matrix_that_swscale_rejects(tmp_path):
    options = {"chroma_sample_location": "topleft"}
    path = write_film(tmp_path / "a.mp4", 1, tags={"color_range": 1}, options=options)
    # Sets the YCgCo tag without converting the samples.
    tagged = tmp_path / "b.mp4"
    with av.open(str(path)) as film, av.open(str(tagged), "w") as out:
        stream = out.add_stream("libx264", options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = 8
        for frame in film.decode(video=0):
            frame.colorspace = 8
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    color = probe(tagged).color
    assert (color.matrix, color.siting) == (8, "topleft")
