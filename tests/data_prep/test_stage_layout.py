"""Which layout a film has, and which films are no stereo films."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import stereo_films

from data_prep.film_summary import Refused
from data_prep.stages.layout import FindLayout
from data_prep.stages.layout_name import Named, read_name
from data_prep.stages.packing import Packing, is_half
from data_prep.stages.sampling import Sampling, spread
from stereojax.cli import RunError
from stereojax.stage_types import Shot
from stereojax.video.reading.probe import probe

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Film.3D.HSBS.1080p.mkv", Named(True, True)),
        ("Film.3D.Half-SBS.mkv", Named(True, True)),
        ("film_LRF_Full_SBS.mp4", Named(True, False)),
        ("film_LR.mp4", Named(True, None)),
        ("film_RLF_cross.mkv", Named(True, False, True)),
        ("film_TBF_fulltb.mkv", Named(False, False)),
        ("film_TB.mkv", Named(False, None)),
        ("Film.3D.H-OU.mkv", Named(False, None)),
        ("Film.3D.Half-OU.mkv", Named(False, True)),
        ("holiday.mp4", Named()),
        ("The.OU.film.sbs.mkv", Named(True, None)),
        ("Film.3D.FSBS.BT.2020.mkv", Named(True, False)),
        ("film_TB_bt709_x265.mkv", Named(False, None)),
        ("film_BT_TB.mkv", Named(False, None, True)),
        ("film_SBS_RL.mkv", Named(True, None, True)),
        ("film_RLF.mkv", Named(True, False, True)),
        ("Cross.Country.SBS.mkv", Named(True, None)),
        ("RL_Stine_SBS.mkv", Named(True, None)),
        ("BT_at_night_FSBS.mkv", Named(True, False)),
        ("film_redcyan_dubois.mp4", Named(unusable="anaglyph")),
        ("film_180x180_LR.mp4", Named(unusable="vr")),
    ],
)
def test_names(name, said):
    assert read_name(Path(name)) == said


@pytest.mark.parametrize(
    ("size", "beside", "half"),
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
def test_squeezed_views_are_told_by_their_shape(size, beside, half):
    assert is_half(*size, beside, Fraction(1)) is half


def test_a_squeezed_view_with_wide_pixels_is_as_it_says():
    # 1920x1080 that a player shows 32:9.
    assert not is_half(1920, 1080, True, Fraction(2))


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("right_first", [True, False])
def test_packing_takes_views_apart(beside, right_first):
    left, right = (np.full((6, 8, 3), v, np.uint8) for v in (10, 20))
    views = (right, left) if right_first else (left, right)
    picture = np.concatenate(views, axis=1 if beside else 0)
    packing = Packing(beside, half=True, right_first=right_first)
    for found, view in zip(packing.split(picture), (left, right), strict=True):
        np.testing.assert_array_equal(found, view)
    aspect = packing.pixel_aspect(Fraction(1))
    assert aspect == (Fraction(2) if beside else Fraction(1, 2))


def found(path: Path, **options) -> Packing:
    info = probe(path)
    return FindLayout(**options)(info, Sampling(4)(info))


@pytest.mark.parametrize("layout", ["full_sbs", "half_sbs", "full_tb", "half_tb"])
def test_the_pictures_alone_tell_the_layout(layout, tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(left, right, layout)
    path = stereo_films.write(tmp_path / "film.mkv", pictures, crf=20)
    assert found(path).name == layout


def test_the_user_overrules_the_shape(tmp_path):
    left, right, _ = stereo_films.scene()
    path = stereo_films.write(tmp_path / "f.mkv", stereo_films.pack(left, right))
    assert found(path, layout="half_sbs").name == "half_sbs"
    with pytest.raises(Refused, match=r"not a stereo film.*top and bottom"):
        found(path, layout="tb")


def test_a_name_or_a_tag_puts_the_right_view_first(tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(right, left)
    named = stereo_films.write(tmp_path / "film_RLF_cross.mkv", pictures)
    tagged = stereo_films.write(
        tmp_path / "film.mkv", pictures, stereo_mode="right_left"
    )
    for path in (named, tagged):
        assert found(path).name == "full_sbs_right_first"


def test_a_layout_that_is_given_keeps_the_tag_s_order_of_eyes(tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(right, left)
    path = stereo_films.write(tmp_path / "film.mkv", pictures, stereo_mode="right_left")
    assert found(path, layout="sbs").name == "full_sbs_right_first"
    pictures = stereo_films.pack(left, right)
    other = stereo_films.write(
        tmp_path / "other.mkv", pictures, stereo_mode="bottom_top"
    )
    assert found(other, layout="sbs").name == "full_sbs"


def test_words_of_a_title_exclude_no_layout(tmp_path):
    left, right, _ = stereo_films.scene()
    pictures = stereo_films.pack(left, right)
    for name in ("Ou.est.le.lion.mkv", "film_BT_TB.mkv"):
        path = stereo_films.write(tmp_path / name, pictures)
        assert found(path).name == "full_sbs"
    tagged = stereo_films.write(
        tmp_path / "Ou.mkv", pictures[..., ::-1, :, :], stereo_mode="left_right"
    )
    assert found(tagged).name == "full_sbs"


def test_a_film_without_a_picture_is_no_plain_film(tmp_path):
    left, right, _ = stereo_films.scene()
    path = tmp_path / "film.mp4"
    info = probe(stereo_films.write(path, stereo_films.pack(left, right), crf=30))
    whole = path.read_bytes()
    start, stop = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
    path.write_bytes(whole[:start] + bytes(stop - start) + whole[stop:])
    with pytest.raises(RunError, match=r"film\.mp4: no picture of it can be"):
        Sampling(4)(info)


def test_swapped_eyes_are_refused_or_swapped(tmp_path):
    for sets in ("room", "street"):
        left, right, _ = stereo_films.scene(frames=3, sets=(sets,))
        pictures = stereo_films.pack(right, left)
        path = stereo_films.write(tmp_path / f"{sets}.mkv", pictures, crf=20)
        with pytest.raises(Refused, match="the eyes are swapped") as error:
            found(path)
        assert error.value.name == "swapped_eyes"
        swapped = found(path, swapped_eyes="swap")
        assert swapped.name == "full_sbs_right_first"


@pytest.mark.parametrize("moved", [0, 11, -11])
def test_one_picture_twice_is_fake(moved, tmp_path):
    left, _, _ = stereo_films.scene()
    pictures = stereo_films.pack(*stereo_films.plant(left, left, moved))
    path = stereo_films.write(tmp_path / "film_Full_SBS.mp4", pictures, crf=23)
    with pytest.raises(Refused, match="fake stereo: both views are one picture") as e:
        found(path)
    assert e.value.name == "fake_stereo"
    assert (f"moved by {moved} px" in str(e.value)) == (moved != 0)


def test_an_ordinary_film_is_refused_whatever_its_name(tmp_path):
    left, _, _ = stereo_films.scene()
    for name in ("film.mkv", "film_SBS.mkv", "film_TB.mkv"):
        path = stereo_films.write(tmp_path / name, left, crf=20)
        with pytest.raises(Refused, match="not a stereo film") as error:
            found(path)
        assert error.value.name == "mono"
        assert name in str(error.value)
        assert "data_mono" in str(error.value)


def test_a_film_of_nothing_is_believed_only_with_a_name(tmp_path):
    black = np.zeros((4, 90, 320, 3), np.uint8)
    named = stereo_films.write(tmp_path / "film_SBS.mkv", black)
    assert found(named).beside
    plain = stereo_films.write(tmp_path / "film.mkv", black)
    with pytest.raises(Refused, match="not a stereo film"):
        found(plain)


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        ("film_redcyan.mkv", None, "anaglyph"),
        ("film_180x180_LR.mkv", None, "vr"),
        ("film.mkv", "row_interleaved_lr", "unknown_layout"),
    ],
)
def test_what_cannot_be_taken_apart(name, mode, reason, tmp_path):
    left, right, _ = stereo_films.scene()
    tags = {"stereo_mode": mode} if mode else {}
    pictures = stereo_films.pack(left, right)
    path = stereo_films.write(tmp_path / name, pictures, **tags)
    with pytest.raises(Refused) as error:
        found(path)
    assert error.value.name == reason
    assert found(path, layout="sbs").name == "full_sbs"


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared films are not here")
def test_real_eyes_swapped(tmp_path):
    with av.open(str(DATA / "office_stereo_sbs.mp4")) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    right_first = [np.concatenate([f[:, 1280:], f[:, :1280]], axis=1) for f in frames]
    path = stereo_films.write(tmp_path / "film.mp4", right_first[::5], crf=20)
    with pytest.raises(Refused, match="the eyes are swapped"):
        found(path)


def test_samples_come_from_all_over_the_film(tmp_path):
    pictures = [np.full((48, 64, 3), 4 * i, np.uint8) for i in range(60)]
    path = stereo_films.write(tmp_path / "film.mp4", pictures, crf=10)
    samples = Sampling(6)(probe(path))
    values = [round(float(s.mean()) / 4) for s in samples]
    assert values == pytest.approx([5, 15, 25, 35, 45, 55], abs=2)


def test_a_stream_without_length_is_sampled_from_its_start(tmp_path):
    pictures = [np.full((48, 64, 3), 3 * i, np.uint8) for i in range(60)]
    path = tmp_path / "film.h264"  # no container, no length, no seeking
    stereo_films.write(path, pictures, crf=10)
    samples = Sampling(6)(probe(path))
    values = [round(float(s.mean()) / 3) for s in samples]
    assert values == pytest.approx([0, 24, 48], abs=2)


def test_frames_spread_over_a_shot():
    assert spread(Shot(0, 100, 160), 3) == [110, 130, 150]
    assert spread(Shot(0, 7, 9), 6) == [7, 8]
