"""Finds the layout of stereo films, and refuses other films."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import stereo_films

from data_prep.film_summary import RefusalError
from data_prep.stages.layout import FindLayout
from data_prep.stages.layout_name import NamedLayout, read_layout_name
from data_prep.stages.packing import Packing, is_half
from data_prep.stages.sampling import SampleFrames, spread_frames
from stereojax.cli import RunError
from stereojax.stage_types import Shot
from stereojax.video.reading.probe import probe

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("Film.3D.HSBS.1080p.mkv", NamedLayout(True, True)),
        ("Film.3D.Half-SBS.mkv", NamedLayout(True, True)),
        ("film_LRF_Full_SBS.mp4", NamedLayout(True, False)),
        ("film_LR.mp4", NamedLayout(True, None)),
        ("film_RLF_cross.mkv", NamedLayout(True, False, True)),
        ("film_TBF_fulltb.mkv", NamedLayout(False, False)),
        ("film_TB.mkv", NamedLayout(False, None)),
        ("Film.3D.H-OU.mkv", NamedLayout(False, None)),
        ("Film.3D.Half-OU.mkv", NamedLayout(False, True)),
        ("holiday.mp4", NamedLayout()),
        ("The.OU.film.sbs.mkv", NamedLayout(True, None)),
        ("Film.3D.FSBS.BT.2020.mkv", NamedLayout(True, False)),
        ("film_TB_bt709_x265.mkv", NamedLayout(False, None)),
        ("film_BT_TB.mkv", NamedLayout(False, None, True)),
        ("film_SBS_RL.mkv", NamedLayout(True, None, True)),
        ("film_RLF.mkv", NamedLayout(True, False, True)),
        ("Cross.Country.SBS.mkv", NamedLayout(True, None)),
        ("RL_Stine_SBS.mkv", NamedLayout(True, None)),
        ("BT_at_night_FSBS.mkv", NamedLayout(True, False)),
        ("film_redcyan_dubois.mp4", NamedLayout(unusable="anaglyph")),
        ("film_180x180_LR.mp4", NamedLayout(unusable="vr")),
    ],
)
def test_layout_words_in_file_names(name, layout):
    assert read_layout_name(Path(name)) == layout


@pytest.mark.parametrize(
    ("size", "side_by_side", "half"),
    [
        ((3840, 1080), True, False),
        ((1920, 1080), True, True),
        ((1920, 800), True, True),
        ((3840, 800), True, False),
        ((1280, 480), True, False),
        ((1920, 2160), False, False),
        ((1920, 1600), False, False),
        ((1920, 1080), False, True),
        ((1920, 800), False, True),
    ],
)
def test_squeezed_views_are_recognized_by_their_shape(size, side_by_side, half):
    assert is_half(*size, side_by_side, Fraction(1)) is half


def test_views_with_wide_pixels_are_not_squeezed():
    # 1920x1080 that players show at 32:9.
    assert not is_half(1920, 1080, True, Fraction(2))


@pytest.mark.parametrize("side_by_side", [True, False])
@pytest.mark.parametrize("right_first", [True, False])
def test_packing_splits_the_views(side_by_side, right_first):
    left, right = (np.full((6, 8, 3), v, np.uint8) for v in (10, 20))
    views = (right, left) if right_first else (left, right)
    picture = np.concatenate(views, axis=1 if side_by_side else 0)
    packing = Packing(side_by_side, half=True, right_first=right_first)
    for split, view in zip(packing.split(picture), (left, right), strict=True):
        np.testing.assert_array_equal(split, view)
    aspect = packing.pixel_aspect(Fraction(1))
    assert aspect == (Fraction(2) if side_by_side else Fraction(1, 2))


def find_layout(path: Path, **options) -> Packing:
    info = probe(path)
    return FindLayout(**options)(info, SampleFrames(4)(info))


@pytest.mark.parametrize("layout", ["full_sbs", "half_sbs", "full_tb", "half_tb"])
def test_the_layout_is_found_from_pictures_alone(layout, tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(left, right, layout)
    path = stereo_films.write(tmp_path / "film.mkv", pictures, crf=20)
    assert find_layout(path).name == layout


def test_the_layout_setting_overrules_the_shape(tmp_path):
    left, right, _ = stereo_films.scene()
    path = stereo_films.write(tmp_path / "f.mkv", stereo_films.pack(left, right))
    assert find_layout(path, layout="half_sbs").name == "half_sbs"
    with pytest.raises(RefusalError, match=r"not a stereo film.*top and bottom"):
        find_layout(path, layout="tb")


def test_a_name_or_a_tag_puts_the_right_view_first(tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(right, left)
    named = stereo_films.write(tmp_path / "film_RLF_cross.mkv", pictures)
    tagged = stereo_films.write(
        tmp_path / "film.mkv", pictures, stereo_mode="right_left"
    )
    for path in (named, tagged):
        assert find_layout(path).name == "full_sbs_right_first"


def test_the_layout_setting_keeps_the_order_of_eyes_of_the_tag(tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(right, left)
    path = stereo_films.write(tmp_path / "film.mkv", pictures, stereo_mode="right_left")
    assert find_layout(path, layout="sbs").name == "full_sbs_right_first"
    pictures = stereo_films.pack(left, right)
    other = stereo_films.write(
        tmp_path / "other.mkv", pictures, stereo_mode="bottom_top"
    )
    assert find_layout(other, layout="sbs").name == "full_sbs"


def test_layout_words_in_titles_exclude_no_layout(tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(left, right)
    for name in ("Ou.est.le.lion.mkv", "film_BT_TB.mkv"):
        path = stereo_films.write(tmp_path / name, pictures)
        assert find_layout(path).name == "full_sbs"
    tagged = stereo_films.write(
        tmp_path / "Ou.mkv", pictures[..., ::-1, :, :], stereo_mode="left_right"
    )
    assert find_layout(tagged).name == "full_sbs"


def test_a_film_without_a_decodable_picture_is_an_error(tmp_path):
    left, right, _ = stereo_films.scene()
    path = tmp_path / "film.mp4"
    info = probe(stereo_films.write(path, stereo_films.pack(left, right), crf=30))
    content = path.read_bytes()
    start, stop = content.index(b"mdat") + 4, content.index(b"moov") - 4
    path.write_bytes(content[:start] + bytes(stop - start) + content[stop:])
    with pytest.raises(RunError, match=r"film\.mp4: no picture of it can be"):
        SampleFrames(4)(info)


def test_swapped_eyes_are_refused_or_swapped(tmp_path):
    for sets in ("room", "street"):
        left, right, _ = stereo_films.scene(frames=3, sets=(sets,))
        pictures = stereo_films.pack(right, left)
        path = stereo_films.write(tmp_path / f"{sets}.mkv", pictures, crf=20)
        with pytest.raises(RefusalError, match="the eyes are swapped") as error:
            find_layout(path)
        assert error.value.name == "swapped_eyes"
        swapped = find_layout(path, swapped_eyes="swap")
        assert swapped.name == "full_sbs_right_first"


@pytest.mark.parametrize("moved", [0, 11, -11])
def test_two_equal_views_are_refused_as_fake_stereo(moved, tmp_path):
    left, _, _ = stereo_films.scene()
    pictures = stereo_films.pack(*stereo_films.plant(left, left, moved))
    path = stereo_films.write(tmp_path / "film_Full_SBS.mp4", pictures, crf=23)
    with pytest.raises(
        RefusalError, match="fake stereo: both views are one picture"
    ) as e:
        find_layout(path)
    assert e.value.name == "fake_stereo"
    assert (f"moved by {moved} px" in str(e.value)) == (moved != 0)


def test_an_ordinary_film_is_refused_with_any_name(tmp_path):
    left, _, _ = stereo_films.scene()
    for name in ("film.mkv", "film_SBS.mkv", "film_TB.mkv"):
        path = stereo_films.write(tmp_path / name, left, crf=20)
        with pytest.raises(RefusalError, match="not a stereo film") as error:
            find_layout(path)
        assert error.value.name == "mono"
        assert name in str(error.value)
        assert "data_mono" in str(error.value)


def test_a_black_film_is_stereo_only_by_its_name(tmp_path):
    black = np.zeros((4, 90, 320, 3), np.uint8)
    named = stereo_films.write(tmp_path / "film_SBS.mkv", black)
    assert find_layout(named).side_by_side
    unnamed = stereo_films.write(tmp_path / "film.mkv", black)
    with pytest.raises(RefusalError, match="not a stereo film"):
        find_layout(unnamed)


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        ("film_redcyan.mkv", None, "anaglyph"),
        ("film_180x180_LR.mkv", None, "vr"),
        ("film.mkv", "row_interleaved_lr", "unknown_layout"),
    ],
)
def test_layouts_that_cannot_be_split_are_refused(name, mode, reason, tmp_path):
    left, right, _ = stereo_films.scene()
    tags = {"stereo_mode": mode} if mode else {}
    pictures = stereo_films.pack(left, right)
    path = stereo_films.write(tmp_path / name, pictures, **tags)
    with pytest.raises(RefusalError) as error:
        find_layout(path)
    assert error.value.name == reason
    assert find_layout(path, layout="sbs").name == "full_sbs"


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared films")
def test_swapped_eyes_of_a_real_film_are_refused(tmp_path):
    with av.open(str(DATA / "office_stereo_sbs.mp4")) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    right_first = [np.concatenate([f[:, 1280:], f[:, :1280]], axis=1) for f in frames]
    path = stereo_films.write(tmp_path / "film.mp4", right_first[::5], crf=20)
    with pytest.raises(RefusalError, match="the eyes are swapped"):
        find_layout(path)


def test_samples_are_spread_over_the_film(tmp_path):
    pictures = [np.full((48, 64, 3), 4 * i, np.uint8) for i in range(60)]
    path = stereo_films.write(tmp_path / "film.mp4", pictures, crf=10)
    samples = SampleFrames(6)(probe(path))
    values = [round(float(s.mean()) / 4) for s in samples]
    assert values == pytest.approx([5, 15, 25, 35, 45, 55], abs=2)


def test_a_stream_without_duration_is_sampled_from_its_start(tmp_path):
    pictures = [np.full((48, 64, 3), 3 * i, np.uint8) for i in range(60)]
    path = tmp_path / "film.h264"  # no container, no duration, no seeking
    stereo_films.write(path, pictures, crf=10)
    samples = SampleFrames(6)(probe(path))
    values = [round(float(s.mean()) / 3) for s in samples]
    assert values == pytest.approx([0, 24, 48], abs=2)


def test_frames_are_spread_over_a_shot():
    assert spread_frames(Shot(0, 100, 160), 3) == [110, 130, 150]
    assert spread_frames(Shot(0, 7, 9), 6) == [7, 8]
