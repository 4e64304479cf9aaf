"""The frame index: times, cuts, keyframes, ranges, warnings, and its file."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from clips import linear, picture, shorten, write_film

from stereojax import cli
from stereojax.stage_types import Shot
from stereojax.video.reading.index import index_video
from stereojax.video.reading.index_file import load_index, save_index
from stereojax.video.reading.timeline import Timeline

MS = Fraction(1, 1000)
B_FRAMES = {"bf": "3", "g": "12"}


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_times_of_a_variable_frame_rate(tmp_path, name):
    times = [0, 40, 50, 400, 401, 1000, 1100]
    path = write_film(
        tmp_path / name, len(times), times=times, time_base=MS, options=B_FRAMES
    )
    index = index_video(path)
    assert [round(t * index.info.time_base * 1000) for t in index.pts] == times
    assert index.pts.dtype == np.int64
    assert not index.damaged


def test_index_has_times_keyframes_and_hash_and_reports_progress(tmp_path):
    path = write_film(tmp_path / "a.mp4", 30, options=B_FRAMES)
    ticks = []
    index = index_video(path, progress=ticks.append)
    assert ticks == [1] * 30
    assert len(index) == 30
    assert index.last_duration * index.info.time_base == Fraction(1, 24)
    digest = hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest()
    assert index.source_hash == digest
    frames = linear(path)
    assert index.keyframes.tolist() == [f.pts for f in frames if f.key_frame]
    assert index.pts.tolist() == [f.pts for f in frames]


def test_single_frame_is_one_shot(tmp_path):
    index = index_video(write_film(tmp_path / "a.mp4", 1))
    assert index.shots == (Shot(0, 0, 1),)
    assert index.last_duration > 0


@pytest.mark.parametrize("lengths", [[20, 13, 30, 9], [7, 24, 7], [20, 2], [40]])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_hard_cuts_are_found_at_their_frame(tmp_path, lengths, codec):
    scenes = np.repeat(np.arange(len(lengths)), lengths)
    images = [picture(i, 96, 64, scene) for i, scene in enumerate(scenes)]
    index = index_video(write_film(tmp_path / "a.mkv", images, codec=codec))
    stops = np.cumsum(lengths).tolist()
    starts = [0, *stops[:-1]]
    assert [(s.start, s.stop) for s in index.shots] == list(
        zip(starts, stops, strict=True)
    )
    assert [s.index for s in index.shots] == list(range(len(lengths)))


@pytest.mark.parametrize("length", [1, 2])
def test_flash_is_not_a_cut(tmp_path, length):
    images = [picture(i, 96, 64) for i in range(40)]
    images[20 : 20 + length] = [np.full_like(images[0], 255)] * length
    # Lossless: traces of the flash in later frames would depend on the encoder.
    index = index_video(write_film(tmp_path / "a.mkv", images, codec="ffv1"))
    assert index.shots == (Shot(0, 0, 40),)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    scenes = np.repeat([0, 1, 2], 24)
    images = [picture(i, 96, 64, scene) for i, scene in enumerate(scenes)]
    folder = tmp_path_factory.mktemp("film")
    return write_film(folder / "a.mp4", images, options=B_FRAMES)


class TestRange:
    @pytest.mark.parametrize("start", [0.0, 0.25, 1.0, 1.4, 2.9])
    def test_range_is_a_part_of_the_full_index(self, film, start):
        whole = index_video(film)
        part = index_video(film, start_s=start, duration_s=0.5)
        first = round(start * 24)
        first += first < start * 24
        stop = min(72, first + 12)
        np.testing.assert_array_equal(part.pts, whole.pts[first:stop])
        assert part.source_hash == whole.source_hash
        assert part.shots[0].start == 0
        assert part.shots[-1].stop == len(part)
        assert set(part.keyframes) <= set(whole.keyframes)
        assert part.keyframes[0] <= part.pts[0]
        assert part.last_duration == whole.last_duration

    def test_shots_count_from_the_range_start(self, film):
        part = index_video(film, start_s=0.5, duration_s=1.0)
        assert part.shots == (Shot(0, 0, 12), Shot(1, 12, 24))

    def test_range_has_at_least_one_frame(self, film):
        assert len(index_video(film, start_s=1.0, duration_s=0.001)) == 1

    def test_range_after_the_end_is_an_error(self, film):
        with pytest.raises(cli.InputError, match=r"0:01:30.*0:00:03") as error:
            index_video(film, start_s=90.0, duration_s=1.0)
        assert str(film) in str(error.value)

    def test_stream_without_timestamps(self, tmp_path):
        path = write_film(tmp_path / "a.h264", 60, options={"g": "12"})
        part = index_video(path, start_s=1.0, duration_s=0.5)
        whole = index_video(path)
        np.testing.assert_array_equal(part.pts, whole.pts[24:36])
        assert not len(whole.keyframes)  # without timestamps there are no seek targets


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_longer_than_the_video_is_not_damage(tmp_path, name):
    index = index_video(write_film(tmp_path / name, 24, sound_s=3))
    assert len(index) == 24
    assert not index.damaged


def test_change_of_picture_size_is_an_error(tmp_path):
    small = write_film(tmp_path / "a.ts", 12)
    large = write_film(tmp_path / "b.ts", [picture(i, 96, 64) for i in range(12)])
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(cli.InputError, match=r"64x48.*96x64.*after frame 12"):
        index_video(both)


def test_times_increase_when_timestamps_restart(tmp_path):
    path = write_film(tmp_path / "a.ts", 24, options=B_FRAMES)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(path.read_bytes() * 2)
    index = index_video(twice)
    assert len(index) == 48
    np.testing.assert_array_equal(np.diff(index.pts), 3750)
    assert not len(index.keyframes)  # each timestamp occurs twice


def test_timeline():
    def place(raws):
        timeline = Timeline(Fraction(25), Fraction(1, 100))
        return [(timeline.time_of(raw), timeline.exact) for raw in raws]

    # A missing time, a duplicate, one slightly too early: neighbours bound each.
    assert place([100, None, 108, 108, 107, 120]) == [
        (100, True),
        (104, False),
        (108, True),
        (109, False),
        (110, False),
        (120, True),
    ]
    # Timestamps restart: their spacing is kept.
    assert place([100, 104, 0, 4, 8]) == [
        (100, True),
        (104, True),
        (108, False),
        (112, False),
        (116, False),
    ]


def test_index_file_round_trip(tmp_path):
    path = write_film(
        tmp_path / "a.mp4", 20, rate=Fraction(30000, 1001), options=B_FRAMES
    )
    index = index_video(path)
    index_path = tmp_path / "index.json"
    save_index(index, index_path)
    assert [p.name for p in tmp_path.iterdir() if "index" in p.name] == ["index.json"]
    loaded = load_index(index_path, path)
    assert loaded.info == index.info
    assert (loaded.source_hash, loaded.shots) == (index.source_hash, index.shots)
    assert loaded.last_duration == index.last_duration
    for name in ("pts", "keyframes"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(index, name))
        assert getattr(loaded, name).dtype == np.int64


@pytest.mark.parametrize("content", ["", "{}", "[1, 2]", '{"version": 99}'])
def test_invalid_index_file_is_an_error(tmp_path, content):
    path = tmp_path / "index.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"index\.json: not an index"):
        load_index(path, tmp_path / "a.mp4")


def test_range_of_a_truncated_file_is_an_error_only_if_it_includes_the_cut(tmp_path):
    options = {"g": "12"}
    whole = write_film(
        tmp_path / "a.mp4",
        60,
        options=options,
        container_options={"movflags": "faststart"},
    )
    cut = shorten(whole, tmp_path / "cut.mp4", 0.7)
    assert len(index_video(cut, start_s=0.0, duration_s=0.5)) == 12
    with pytest.raises(cli.RunError, match="allow_truncated"):
        index_video(cut, start_s=0.5, duration_s=3.0)


@pytest.mark.parametrize(
    ("film", "note"),
    [
        (dict(codec="ffv1"), "no color matrix is tagged; read as BT.601"),
        (dict(images=[picture(0, 32, 720)]), "read as BT.709"),
        (dict(options={"x264-params": "tff=1"}), "interlaced"),
        (dict(tags={"colorspace": 1}), None),
        (dict(codec="ffv1", pixel_format="gbrp16le"), None),
    ],
)
def test_unusual_properties_are_logged(tmp_path, caplog, film, note):
    index_video(write_film(tmp_path / "a.mkv", **{"images": 3, **film}))
    lines = [r.getMessage() for r in caplog.records]
    if note:
        assert any(note in line and "a.mkv" in line for line in lines), lines
    else:
        assert not lines
