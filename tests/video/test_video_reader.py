"""Reading any frame range gives the same frames as decoding from the start."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import linear, picture, planes, write_film

from stereojax import cli
from stereojax.video.color.rgb import ToRgb, with_default_tags
from stereojax.video.reading import decoding
from stereojax.video.reading.index import index_video
from stereojax.video.reading.reader import Reader, read_frames

ROLLERCOASTER = Path(__file__).parents[2] / "../shared/data/rollercoaster.mp4"

OPEN_GOP = "open-gop=1:keyint=10:bframes=3:b-pyramid=normal:scenecut=0"
B_FRAMES = {"bf": "2", "g": "10"}
VP9 = {"g": "10", "deadline": "realtime", "cpu-used": "8"}
FILMS = {
    "closed.mp4": dict(options={"bf": "3", "g": "10"}),
    "open.mp4": dict(options={"x264-params": OPEN_GOP}),
    "open.mkv": dict(options={"x264-params": OPEN_GOP}),
    "open.ts": dict(options={"x264-params": OPEN_GOP}),
    "refresh.mp4": dict(options={"x264-params": "intra-refresh=1:keyint=10"}),
    "hevc.mp4": dict(
        codec="libx265",
        options={"x265-params": "keyint=10:open-gop=1:bframes=3:log-level=none"},
    ),
    "mpeg4.mp4": dict(codec="mpeg4", options=B_FRAMES),
    "mpeg4.avi": dict(codec="mpeg4", options=B_FRAMES),
    "mpeg2.ts": dict(codec="mpeg2video", options=B_FRAMES),
    "mpeg2.mpg": dict(codec="mpeg2video", options=B_FRAMES),
    "vp9.webm": dict(codec="libvpx-vp9", options=VP9),
    "wmv.asf": dict(codec="wmv2", options={"g": "10"}),
    "flash.flv": dict(options=B_FRAMES),
    "fragmented.mp4": dict(
        options=B_FRAMES, container_options={"movflags": "frag_keyframe+empty_moov"}
    ),
    "raw.h264": dict(options=B_FRAMES),
    "lossless.mkv": dict(codec="ffv1"),
    "variable.mkv": dict(
        options=B_FRAMES,
        times=np.cumsum(np.arange(36) % 5 * 7 + 1).tolist(),
        time_base=Fraction(1, 1000),
    ),
}


@pytest.mark.parametrize("name", FILMS)
def test_reading_from_any_frame_equals_decoding_from_the_start(tmp_path, name):
    path = write_film(tmp_path / name, 36, **FILMS[name])
    check_every_start(path)


@pytest.mark.skipif(not ROLLERCOASTER.exists(), reason="rollercoaster.mp4 is missing")
def test_real_footage():
    check_every_start(ROLLERCOASTER, every=7)


def check_every_start(path, every=1):
    index = index_video(path)
    expected = [planes(f) for f in linear(path)]
    assert len(index) == len(expected)
    for start in range(0, len(index), every):
        frames = list(read_frames(index, start, min(start + 3, len(index))))
        assert [f.index for f in frames] == list(
            range(start, min(start + 3, len(index)))
        )
        for frame in frames:
            for a, b in zip(planes(frame.decoded), expected[frame.index], strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seek", ["a second late", "between keyframes"])
def test_inexact_seeks_are_retried(tmp_path, monkeypatch, seek):
    path = write_film(tmp_path / "a.mp4", 36, codec="mpeg4", options=B_FRAMES)
    index = index_video(path)
    ticks = []

    def inexact_seek(container, stream, tick):
        ticks.append(tick)
        if seek == "a second late":
            container.seek(tick + 12288, stream=stream)
        else:
            # `any_frame` seeks by decoding time, to the frame after the keyframe. The
            # first decoded frame is 24, but its references are missing.
            container.seek(tick, stream=stream, any_frame=True)
        return True

    monkeypatch.setattr(decoding, "_seek", inexact_seek)
    expected = planes(linear(path)[24])
    frame = next(read_frames(index, 24, 25))
    assert len(ticks) > 1
    assert all(map(np.array_equal, planes(frame.decoded), expected))


def test_decoding_starts_at_the_nearest_keyframe(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4", 60, options=B_FRAMES)
    index = index_video(path)
    decoded = []
    decode_one = decoding._decode_one
    monkeypatch.setattr(
        decoding, "_decode_one", lambda *a: decoded.append(1) or decode_one(*a)
    )
    next(read_frames(index, 52, 53))
    assert len(decoded) < 25


def test_consecutive_ranges_need_no_seek(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4", 40, options=B_FRAMES)
    index = index_video(path)
    expected = list(read_frames(index, 0, 40))
    opened, open_video = [], decoding.open_video
    monkeypatch.setattr(
        decoding, "open_video", lambda path: opened.append(path) or open_video(path)
    )
    with Reader(index) as reader:
        for start, stop in ((0, 7), (7, 20), (20, 33), (5, 9)):
            frames = list(reader.read(start, stop))
            for frame in frames:
                np.testing.assert_array_equal(frame.image, expected[frame.index].image)
            assert [f.index for f in frames] == list(range(start, stop))
    assert len(opened) == 2


def test_a_range_can_be_closed_before_its_end(tmp_path):
    path = write_film(tmp_path / "a.mp4", 40, options=B_FRAMES)
    index = index_video(path)
    with Reader(index) as reader:
        frames = reader.read(3, 30)
        assert [next(frames).index, next(frames).index] == [3, 4]
        frames.close()
        assert [f.index for f in reader.read(5, 7)] == [5, 6]
        assert [f.index for f in reader.read(30, 31)] == [30]


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 2), (0, 13)])
def test_frames_out_of_range(tmp_path, start, stop):
    index = index_video(write_film(tmp_path / "a.mp4", 12))
    with pytest.raises(ValueError, match="expected 0 <= start <= stop <= 12"):
        list(read_frames(index, start, stop))
    assert list(read_frames(index, 12, 12)) == []


def test_file_that_changed_after_indexing_is_an_error(tmp_path):
    path = write_film(tmp_path / "a.mp4", 24)
    index = index_video(path)
    write_film(path, 12)
    with pytest.raises(cli.RunError, match=r"frame 12.*changed") as error:
        list(read_frames(index, 0, 24))
    assert str(path) in str(error.value)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("size", [(64, 48), (35, 21)])
def test_images_are_upright(tmp_path, rotation, mirrored, size):
    upright = picture(5, *size)
    # Rotating the stored picture, then mirroring it, gives `upright`.
    stored = upright[:, ::-1] if mirrored else upright
    stored = np.rot90(stored, rotation // 90)
    path = write_film(
        tmp_path / "a.mov",
        [stored] * 2,
        codec="png",
        pixel_format="rgb24",
        rotation=rotation,
        flip=mirrored,
    )
    index = index_video(path)
    assert (index.info.width, index.info.height) == size
    for frame in read_frames(index, 0, 2):
        np.testing.assert_array_equal(frame.image, upright)
        assert (frame.decoded.height, frame.decoded.width) == stored.shape[:2]


CODED = {
    "8 bit": ("libx264", "yuv420p", np.uint8),
    "10 bit": ("libx265", "yuv420p10le", np.uint16),
    "10 bit 4:2:2": ("libx264", "yuv422p10le", np.uint16),
    "4:4:4": ("libx264", "yuv444p", np.uint8),
    "prores": ("prores_ks", "yuv422p10le", np.uint16),
    "gray": ("ffv1", "gray", np.uint8),
    "deep gray": ("ffv1", "gray16le", np.uint16),
    "rgb": ("ffv1", "gbrp16le", np.uint16),
    "motion jpeg": ("mjpeg", "yuvj420p", np.uint8),
    "alpha": ("ffv1", "yuva420p", np.uint8),
}


@pytest.mark.parametrize("name", CODED)
@pytest.mark.parametrize("size", [(64, 48), (52, 34)])
def test_images_of_every_depth_and_format(tmp_path, name, size):
    codec, pixel_format, dtype = CODED[name]
    images = [picture(i, *size) for i in range(3)]
    if "gray" in name:
        images = [np.repeat(image[..., 1:2], 3, axis=-1) for image in images]
    options = {"crf": "8"} if codec.startswith("libx264") else {}
    options |= {"q": "2"} if codec == "mjpeg" else {}
    container = "a.mov" if codec == "prores_ks" else "a.mkv"
    path = write_film(
        tmp_path / container,
        images,
        codec=codec,
        pixel_format=pixel_format,
        options=options,
    )
    index = index_video(path)
    for frame, image in zip(read_frames(index, 0, 3), images, strict=True):
        assert frame.image.dtype == dtype
        assert frame.image.shape == image.shape
        found = frame.image / (1 if dtype == np.uint8 else 257)
        assert np.abs(found - image).mean() < 6


@pytest.mark.parametrize("size", [(63, 48), (64, 47), (33, 25), (2, 2)])
@pytest.mark.parametrize("codec", ["libx264", "ffv1", "mpeg4"])
def test_odd_sizes(tmp_path, size, codec):
    images = [picture(i, *size) for i in range(3)]
    pixel_format = "yuv444p" if codec == "libx264" else "yuv420p"
    path = write_film(
        tmp_path / "a.mkv",
        images,
        codec=codec,
        pixel_format=pixel_format,
        options={"qmax": "3"} if codec == "mpeg4" else {},
    )
    index = index_video(path)
    assert (index.info.width, index.info.height) == size
    limit = 25 if size == (2, 2) else 6  # 4:2:0 has one chroma sample here
    for frame, image in zip(read_frames(index, 0, 3), images, strict=True):
        assert frame.image.shape == image.shape
        assert np.abs(frame.image.astype(float) - image).mean() < limit


def test_hdr_is_not_tone_mapped(tmp_path):
    images = {}
    for name, primaries, transfer in (("pq", 9, 16), ("hlg", 9, 18), ("sdr", 1, 1)):
        tags = dict(color_primaries=primaries, color_trc=transfer, color_range=1)
        path = write_film(
            tmp_path / f"{name}.mkv",
            1,
            codec="ffv1",
            pixel_format="yuv444p10le",
            tags=tags | {"colorspace": 9},
        )
        index = index_video(path)
        color = index.info.color
        tagged = (color.primaries, color.transfer, color.matrix)
        assert tagged == (primaries, transfer, 9)
        frame = next(read_frames(index, 0, 1))
        assert frame.decoded.color_trc == transfer
        images[name] = frame.image
    np.testing.assert_array_equal(images["pq"], images["sdr"])
    np.testing.assert_array_equal(images["hlg"], images["sdr"])


def test_the_matrix_of_an_untagged_video_depends_on_its_height(tmp_path):
    path = write_film(tmp_path / "a.mkv", [picture(0, 32, 720)], codec="ffv1")
    index = index_video(path)
    frame = next(read_frames(index, 0, 1))
    expected = ToRgb(with_default_tags(index.info.color, 720))(linear(path)[0])
    np.testing.assert_array_equal(frame.image, expected)
    other = ToRgb(with_default_tags(index.info.color, 576))(linear(path)[0])
    assert np.abs(frame.image.astype(int) - other).max() > 5
