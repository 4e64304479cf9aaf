"""The temporal fill of a film: the same in any order, bounded memory, one shot."""

from pathlib import Path

import numpy as np
import pytest
from films import small_film

from stereojax.depth.files.depth_file import join_segments, write_segment
from stereojax.inference.film_depth import FilmDepth
from stereojax.inference.frame_source import FilmSource
from stereojax.inference.temporal_window import TemporalFill
from stereojax.inpaint.fill import BackgroundFill
from stereojax.inpaint.temporal_fill import REACH
from stereojax.pipeline import RenderLook
from stereojax.settings import InferSettings
from stereojax.stage_types import FrameRange, VideoIndex
from stereojax.video.reading.index import index_video
from stereojax.video.reading.reader import Reader

FRAMES = 40  # two shots of 20
SEGMENT = 7


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> FilmSource:
    """A film with its exact disparity as depth."""
    folder = tmp_path_factory.mktemp("film")
    film, paths = small_film(folder, seed=0, frames=FRAMES)
    index = index_video(paths.left)
    assert len(index.shots) == 2
    depth = [frame.disparity for frame in film.render()]
    return FilmSource(
        index, FilmDepth.measure(depth_file(folder, depth, index), index, (1.0, 99.0))
    )


def depth_file(folder: Path, depth: list[np.ndarray], index: VideoIndex):
    part = folder / "part.mkv"
    write_segment(part, depth, np.arange(len(depth)) / 24)
    return join_segments(
        [part],
        folder / "depth.mkv",
        units="relative",
        model="exact",
        per_frame_scale=False,
        source_hash="",
        video_width=index.info.width,
        video_height=index.info.height,
        shots=[],
    )


def look_of(source: FilmSource) -> RenderLook:
    settings = InferSettings(divergence=8.0, edge_dilate=0.0)
    return RenderLook.from_settings(settings, source.info.width)


def segments_of(source: FilmSource) -> list[FrameRange]:
    return [
        FrameRange(shot.index, start, min(start + SEGMENT, shot.stop))
        for shot in source.index.shots
        for start in range(shot.start, shot.stop, SEGMENT)
    ]


def rendered(source, fill, frames: FrameRange) -> np.ndarray:
    """Returns the right views of `frames`."""
    with Reader(source.index) as reader:
        return np.concatenate(
            [
                np.asarray(batch.render(look_of(source), fill).right)[
                    : len(batch.frames)
                ]
                for batch in source.read(frames, reader)
            ]
        )


def temporal(source: FilmSource) -> TemporalFill:
    return TemporalFill(source, look_of(source), BackgroundFill())


@pytest.fixture(scope="module")
def in_order(source) -> dict[FrameRange, np.ndarray]:
    fill = temporal(source)
    return {frames: rendered(source, fill, frames) for frames in segments_of(source)}


def test_other_frames_change_the_picture(source, in_order):
    background = BackgroundFill()
    changed = [
        (rendered(source, background, frames) != views).any()
        for frames, views in in_order.items()
    ]
    assert sum(changed) > len(changed) / 2


def test_a_run_that_begins_anywhere_renders_the_same(source, in_order):
    """A resumed run skips segments; a contact sheet reads frames in any order."""
    for frames in list(in_order)[1::3]:
        fresh = rendered(source, temporal(source), frames)
        np.testing.assert_array_equal(fresh, in_order[frames])
    backwards = temporal(source)
    for frames in list(reversed(in_order))[::2]:
        views = rendered(source, backwards, frames)
        np.testing.assert_array_equal(views, in_order[frames])


def test_a_few_frames_of_the_same_shot_are_held(source):
    fill = temporal(source)
    for frames in segments_of(source):
        rendered(source, fill, frames)
        shot = source.index.shots[frames.shot]
        expected = range(
            max(shot.start, frames.start - REACH), min(shot.stop, frames.stop + REACH)
        )
        assert sorted(fill.frames) == list(expected)


def test_release_of_the_last_frame_closes_the_film(source):
    fill = temporal(source)
    rendered(source, fill, segments_of(source)[0])
    fill.release(SEGMENT)
    assert fill.frames and fill.reader is not None
    fill.release(FRAMES)
    assert not fill.frames and fill.reader is None
