"""Damaged files raise a one-line error; complete files in any format do not."""

import re
import struct

import numpy as np
import pytest
from clips import linear, picture, planes, shorten, write_film

from stereojax import cli
from stereojax.video.reading.index import index_video
from stereojax.video.reading.reader import read_frames

FRAMES = 48
SHORT_GOPS = {"g": "12", "bf": "2", "crf": "20"}
VP9 = {"deadline": "realtime", "cpu-used": "8"}
KINDS = {
    "front.mp4": dict(container_options={"movflags": "faststart"}),
    "sound.mp4": dict(container_options={"movflags": "faststart"}, sound_s=2),
    "fragmented.mp4": dict(container_options={"movflags": "frag_keyframe+empty_moov"}),
    "a.mkv": dict(),
    "hevc.mkv": dict(codec="libx265"),
    "a.webm": dict(codec="libvpx-vp9", options={"g": "12", **VP9}),
    "a.avi": dict(codec="mpeg4", options={"g": "12", "bf": "2", "qmax": "4"}),
    "a.flv": dict(),
    "a.asf": dict(codec="msmpeg4", options={"g": "12", "qmax": "4"}),
}


def noisy_pictures():
    """Pictures with so many bytes that a cut at any byte falls within video data."""
    rng = np.random.default_rng(0)
    for i in range(FRAMES):
        noise = rng.integers(-40, 40, (64, 96, 3))
        yield np.clip(picture(i, 96, 64) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Returns a function that writes each kind of file at its first use."""
    folder, written = tmp_path_factory.mktemp("films"), {}

    def get(name):
        if name not in written:
            kind = {"options": SHORT_GOPS, **KINDS[name]}
            written[name] = write_film(folder / name, noisy_pictures(), **kind)
        return written[name]

    return get


@pytest.mark.parametrize("name", KINDS)
def test_complete_file_is_not_damaged(films, name):
    index = index_video(films(name))
    assert len(index) == FRAMES
    assert not index.damaged


@pytest.mark.parametrize("share", [0.4, 0.9])
@pytest.mark.parametrize("name", KINDS)
def test_truncated_file_raises_one_line_error(films, tmp_path, name, share):
    cut = shorten(films(name), tmp_path / name, share)
    with pytest.raises(
        cli.RunError, match=r"after 0:00:0[01]\.\d+.*--allow_trunc"
    ) as e:
        index_video(cut)
    assert str(cut) in str(e.value)
    assert "\n" not in str(e.value)

    index = index_video(cut, allow_truncated=True)
    assert index.damaged
    assert share * FRAMES / 3 < len(index) < FRAMES
    assert index.shots[-1].stop == len(index)
    # All decodable frames equal those of the complete file, except the last ones, which
    # may reference lost frames; and reading may start at any frame.
    complete = {f.pts: planes(f) for f in linear(films(name))}
    frames = list(read_frames(index, 0, len(index)))
    equal = [
        all(map(np.array_equal, planes(f.decoded), complete[int(index.pts[f.index])]))
        for f in frames
    ]
    assert all(equal[:-3])
    last = next(read_frames(index, len(index) - 1, len(index)))
    np.testing.assert_array_equal(last.image, frames[-1].image)


def test_file_without_its_last_frame(films, tmp_path):
    path = films("front.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(cli.RunError):
        index_video(cut)
    index = index_video(cut, allow_truncated=True)
    assert FRAMES - 3 <= len(index) < FRAMES
    assert len(list(read_frames(index, 0, len(index)))) == len(index)


def test_file_without_trailing_sound_or_index_is_complete(films, tmp_path):
    path = write_film(
        tmp_path / "a.mp4",
        12,
        sound_s=5,
        container_options={"movflags": "faststart"},
    )
    assert len(index_video(shorten(path, tmp_path / "b.mp4", 0.9))) == 12
    data = films("a.mkv").read_bytes()
    seek_table = data.rindex(b"\x1c\x53\xbb\x6b")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: seek_table + 30])
    assert not index_video(cut).damaged


def test_file_cut_between_two_clusters(tmp_path):
    options = {"cluster_size_limit": "12000"}
    path = write_film(
        tmp_path / "a.mkv",
        noisy_pictures(),
        options=SHORT_GOPS,
        container_options=options,
    )
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"\x1f\x43\xb6\x75")])
    with pytest.raises(cli.RunError):
        index_video(path)


@pytest.mark.parametrize("name", ["front.mp4", "a.mkv", "hevc.mkv", "a.webm", "a.flv"])
def test_file_corrupt_in_the_middle(films, tmp_path, name):
    data = bytearray(films(name).read_bytes())
    middle, size = len(data) // 2, len(data) // 8
    noise = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
    data[middle : middle + size] = noise.tobytes()
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(cli.RunError, match=r"frames are missing after 0:00:0[01]\.\d"):
        index_video(path)
    index = index_video(path, allow_truncated=True)
    assert len(list(read_frames(index, 0, len(index)))) == len(index)


def test_broadcast_recording_may_end_within_a_frame(tmp_path):
    path = write_film(tmp_path / "a.ts", noisy_pictures(), options=SHORT_GOPS)
    cut = tmp_path / "cut.ts"
    cut.write_bytes(path.read_bytes()[: -188 * 3])
    assert len(index_video(cut)) >= FRAMES - 3


@pytest.mark.parametrize("clusters", ["known", "unknown"])
def test_live_recording_has_no_length(tmp_path, clusters):
    path = write_film(
        tmp_path / "a.mkv",
        noisy_pictures(),
        options=SHORT_GOPS,
        container_options={"live": "1", "cluster_size_limit": "12000"},
    )
    data = path.read_bytes()
    assert b"\x18\x53\x80\x67\x01" + b"\xff" * 7 in data
    if clusters == "unknown":
        data, count = re.subn(
            rb"\x1f\x43\xb6\x75[\x40-\x7f].",
            b"\x1f\x43\xb6\x75\x7f\xff",
            data,
            flags=re.S,
        )
        assert count > 1
        path.write_bytes(data)
    assert len(index_video(path)) == FRAMES


@pytest.mark.parametrize("name", ["front.mp4", "a.mkv", "a.avi"])
def test_trailing_bytes_are_ignored(films, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(films(name).read_bytes() + b"ID3 or other trailing bytes....")
    assert len(index_video(path)) == FRAMES


def test_edit_list_that_starts_within_a_group_of_pictures(films, tmp_path):
    data = bytearray(films("front.mp4").read_bytes())
    entry = data.index(b"elst") + 12
    duration, media_time = struct.unpack(">2I", data[entry : entry + 8])
    data[entry : entry + 8] = struct.pack(">2I", duration // 2, media_time + 5 * 512)
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    expected = linear(path)
    assert len(expected) < FRAMES
    index = index_video(path)
    assert not index.damaged
    assert index.pts.tolist() == [f.pts for f in expected]
    for start in (0, 3, 10):
        frame = next(read_frames(index, start, len(index)))
        assert all(map(np.array_equal, planes(frame.decoded), planes(expected[start])))
