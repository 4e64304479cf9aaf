"""One pass finds every frame's time, the cuts, and whether the film is all there."""

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
def test_times_of_a_film_of_variable_frame_rate(tmp_path, name):
    times = [0, 40, 50, 400, 401, 1000, 1100]
    path = write_film(
        tmp_path / name, len(times), times=times, time_base=MS, options=B_FRAMES
    )
    index = index_video(path)
    assert [round(t * index.info.time_base * 1000) for t in index.pts] == times
    assert index.pts.dtype == np.int64
    assert not index.damaged


def test_an_index_counts_hashes_and_tells_of_progress(tmp_path):
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


def test_a_film_of_one_frame_is_one_shot(tmp_path):
    index = index_video(write_film(tmp_path / "a.mp4", 1))
    assert index.shots == (Shot(0, 0, 1),)
    assert index.last_duration > 0


@pytest.mark.parametrize("lengths", [[20, 13, 30, 9], [7, 24, 7], [20, 2], [40]])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_hard_cuts_are_found_to_the_frame(tmp_path, lengths, codec):
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
def test_a_flash_of_light_is_no_cut(tmp_path, length):
    images = [picture(i, 96, 64) for i in range(40)]
    images[20 : 20 + length] = [np.full_like(images[0], 255)] * length
    index = index_video(write_film(tmp_path / "a.mkv", images))
    assert index.shots == (Shot(0, 0, 40),)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    scenes = np.repeat([0, 1, 2], 24)
    images = [picture(i, 96, 64, scene) for i, scene in enumerate(scenes)]
    folder = tmp_path_factory.mktemp("film")
    return write_film(folder / "a.mp4", images, options=B_FRAMES)


class TestRange:
    @pytest.mark.parametrize("start", [0.0, 0.25, 1.0, 1.4, 2.9])
    def test_it_is_a_part_of_the_whole(self, film, start):
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

    def test_cuts_count_from_its_start(self, film):
        part = index_video(film, start_s=0.5, duration_s=1.0)
        assert part.shots == (Shot(0, 0, 12), Shot(1, 12, 24))

    def test_it_has_at_least_one_frame(self, film):
        assert len(index_video(film, start_s=1.0, duration_s=0.001)) == 1

    def test_behind_the_end_is_an_error(self, film):
        with pytest.raises(cli.InputError, match=r"0:01:30.*0:00:03") as error:
            index_video(film, start_s=90.0, duration_s=1.0)
        assert str(film) in str(error.value)

    def test_a_stream_without_times(self, tmp_path):
        path = write_film(tmp_path / "a.h264", 60, options={"g": "12"})
        part = index_video(path, start_s=1.0, duration_s=0.5)
        whole = index_video(path)
        np.testing.assert_array_equal(part.pts, whole.pts[24:36])
        assert not len(whole.keyframes)  # there is no time to seek to


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_that_outlasts_the_picture_is_no_damage(tmp_path, name):
    index = index_video(write_film(tmp_path / name, 24, sound_s=3))
    assert len(index) == 24
    assert not index.damaged


def test_the_picture_must_keep_its_size(tmp_path):
    small = write_film(tmp_path / "a.ts", 12)
    large = write_film(tmp_path / "b.ts", [picture(i, 96, 64) for i in range(12)])
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(cli.InputError, match=r"64x48.*96x64.*after frame 12"):
        index_video(both)


def test_a_clock_that_is_set_back_goes_on_rising(tmp_path):
    path = write_film(tmp_path / "a.ts", 24, options=B_FRAMES)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(path.read_bytes() * 2)
    index = index_video(twice)
    assert len(index) == 48
    np.testing.assert_array_equal(np.diff(index.pts), 3750)
    assert not len(index.keyframes)  # each of its times is there twice


def test_timeline():
    def place(raws):
        timeline = Timeline(Fraction(25), Fraction(1, 100))
        return [(timeline.place(raw), timeline.exact) for raw in raws]

    # A missing time, a double, one a little too early: each lies between its own.
    assert place([100, None, 108, 108, 107, 120]) == [
        (100, True),
        (104, False),
        (108, True),
        (109, False),
        (110, False),
        (120, True),
    ]
    # A new recording: its pace is kept.
    assert place([100, 104, 0, 4, 8]) == [
        (100, True),
        (104, True),
        (108, False),
        (112, False),
        (116, False),
    ]


def test_an_index_survives_the_disk(tmp_path):
    path = write_film(
        tmp_path / "a.mp4", 20, rate=Fraction(30000, 1001), options=B_FRAMES
    )
    index = index_video(path)
    saved = tmp_path / "index.json"
    save_index(index, saved)
    assert [p.name for p in tmp_path.iterdir() if "index" in p.name] == ["index.json"]
    found = load_index(saved, path)
    assert found.info == index.info
    assert (found.source_hash, found.shots) == (index.source_hash, index.shots)
    assert found.last_duration == index.last_duration
    for name in ("pts", "keyframes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(index, name))
        assert getattr(found, name).dtype == np.int64


@pytest.mark.parametrize("content", ["", "{}", "[1, 2]", '{"version": 99}'])
def test_a_broken_index_is_an_error(tmp_path, content):
    path = tmp_path / "index.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"index\.json: not an index"):
        load_index(path, tmp_path / "a.mp4")


def test_a_truncated_range_is_an_error_only_where_it_is_truncated(tmp_path):
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
def test_what_is_worth_a_note(tmp_path, caplog, film, note):
    index_video(write_film(tmp_path / "a.mkv", **{"images": 3, **film}))
    lines = [r.getMessage() for r in caplog.records]
    if note:
        assert any(note in line and "a.mkv" in line for line in lines), lines
    else:
        assert not lines
