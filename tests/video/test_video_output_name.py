"""File names and containers of outputs."""

from pathlib import Path

import pytest

from stereojax.video.stereo.layouts import LAYOUTS
from stereojax.video.writing.output_name import output_name


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("full_sbs", "film_LRF_Full_SBS.mp4"),
        ("half_sbs", "film_LR.mp4"),
        ("full_tb", "film_TBF_fulltb.mp4"),
        ("half_tb", "film_TB.mp4"),
        ("cross_eyed", "film_RLF_cross.mp4"),
        ("anaglyph", "film_redcyan_dubois.mp4"),
        ("right", "film_right.mp4"),
        ("left_right_files", "film.mp4"),
    ],
)
def test_suffixes_are_those_that_players_detect(layout, name):
    assert output_name(Path("folder/film.mp4"), layout) == name


def test_every_layout_has_a_distinct_name():
    assert len({output_name(Path("a.mkv"), layout) for layout in LAYOUTS}) == 8


def test_anaglyph_kind_is_in_the_name():
    assert output_name(Path("a.mkv"), "anaglyph", "gray") == "a_redcyan_gray.mkv"


@pytest.mark.parametrize(
    ("source", "flags", "suffix"),
    [
        ("a.MKV", {}, ".mkv"),
        ("a.mov", {}, ".mov"),
        ("a.webm", {}, ".webm"),
        ("a.avi", {}, ".mkv"),
        ("a.ts", {}, ".mkv"),
        ("a.part1.mp4", {}, ".mp4"),
        ("a.mov", {"codec": "av1"}, ".mkv"),
        ("a.mov", {"codec": "hevc"}, ".mov"),
        ("a.webm", {"codec": "h264"}, ".mkv"),
        ("a.webm", {"codec": "av1"}, ".webm"),
        ("a.webm", {"layout": "anaglyph"}, ".mkv"),
    ],
)
def test_container_is_kept_if_it_holds_codec_and_layout(source, flags, suffix):
    name = output_name(Path(source), **{"layout": "full_sbs", **flags})
    assert Path(name).suffix == suffix
    assert name.startswith(Path(source).stem)
