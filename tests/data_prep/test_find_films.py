"""Finds video files in folders and by patterns."""

import pytest

from data_prep.films import find_films
from stereojax.cli import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.mkv", "a.srt", ".b.mkv", "in/c.MP4", "in/deep/d.mp4", "in/x.txt"):
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "films"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("", ["a.mkv", "in/c.MP4", "in/deep/d.mp4"]),
        ("*", ["a.mkv"]),
        ("in/c*", ["in/c.MP4"]),
        ("*/c*", ["in/c.MP4"]),
        ("a.srt", ["a.srt"]),  # a file that is named is used whatever its suffix
    ],
)
def test_folders_and_patterns_find_video_files_only(folder, pattern, names):
    films = find_films(str(folder / pattern) if pattern else str(folder))
    assert films == [str(folder / name) for name in names]


@pytest.mark.parametrize("pattern", ["*.srt", "nothing*", "a**b.mp4", "**/*.mp4"])
def test_an_input_without_films_is_an_error_of_one_line(folder, pattern):
    with pytest.raises(InputError, match=r"^--input=.*(no video file there|folder)"):
        find_films(str(folder / pattern))
