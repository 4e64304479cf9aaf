"""The fill benchmark: small films, every source, the claim on a real pair."""

import itertools
import json
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks import measure
from benchmarks.fill import __main__ as fill
from benchmarks.fill.cases import REPORTED_ON, TUNED_ON, inner_hole
from benchmarks.fill.double import clip_case
from benchmarks.fill.films import film_cases
from benchmarks.fill.methods import FILLS, OURS, framewise, grown
from benchmarks.fill.pairs import match, video_cases
from benchmarks.fill.pictures import largest_holes
from benchmarks.fill.scores import MEASURES, score
from benchmarks.fill.wires import wires_case

OFFICE = Path(__file__).parents[2] / "../shared/data/office_stereo_sbs.mp4"
SIMPLE = ("row extension", "Telea", "Navier-Stokes")


def project_and_best_simple(rows: list[dict]) -> tuple[float, float]:
    """Returns the PSNR of the project's fill, and the best PSNR of simple fills."""
    psnr = {row["method"]: row["dB"] for row in rows}
    return psnr[OURS], max(psnr[name] for name in SIMPLE)


@pytest.fixture(scope="module")
def wires():
    return wires_case("tuned on", 0, 240, reach=0, scored=5)


def truth_fill(case):
    """Returns a fill that answers with the true right view."""
    return lambda inputs, frames: case.right[list(frames)]


def test_the_whole_benchmark_on_small_films(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    fill.main(
        ["--quick", "--width", "160", "--reach", "1", "--cameras", "own",
         "--sources", "films,wires", "--pictures", str(tmp_path / "p")]
    )  # fmt: skip
    results = json.loads((tmp_path / "fill_quick.json").read_text())["results"]
    sources = {(row["set"], row["source"]) for row in results["means"]}
    assert len(sources) == 2 * 4
    assert {name for name, _ in sources} == {TUNED_ON.name, REPORTED_ON.name}
    for row in results["means"]:
        measures = set(MEASURES) - {"features"}
        if "wires" not in row["source"]:
            measures = {name for name in measures if "px" not in name}
        assert measures <= set(row)
        assert all(np.isfinite(row[name]) for name in measures)
    groups = itertools.groupby(
        results["means"], lambda row: (row["set"], row["source"])
    )
    for _, rows in groups:
        assert [row["method"] for row in rows] == list(FILLS)
    assert len(list((tmp_path / "p").glob("*.png"))) == len(sources)
    assert "dB against" in capsys.readouterr().out


def test_the_sets_share_no_film():
    for name in ("seeds", "clips", "videos"):
        assert not set(getattr(TUNED_ON, name)) & set(getattr(REPORTED_ON, name))


def test_the_projects_fill_beats_simple_ones_on_a_real_pair():
    if not OFFICE.exists():
        pytest.skip(f"{OFFICE.name} is not next to the repository")
    cases = video_cases("reported on", OFFICE, frames=2, scored=1, factors=(3,))
    rows = fill.means(fill.score_cases(cases))
    assert rows[0]["shots"] == 2
    psnr, best = project_and_best_simple(rows)
    assert psnr > best


def test_a_fill_that_returns_the_truth_is_perfect(wires):
    measures, filled = score(wires, truth_fill(wires))
    np.testing.assert_array_equal(filled, wires.right)
    assert measures["dB"] == np.inf and measures["SSIM"] == pytest.approx(1, abs=1e-5)
    zero = ("ghost", "ghost in hole", "flicker", "wire px", "wire max px", "rough px")
    assert all(measures[name] == 0 for name in zero)
    assert measures["edge px"] == 0


def test_each_measure_gets_worse_with_its_own_defect(wires):
    hole = wires.hole()[..., None]

    def scores_after(change):
        right = wires.right.copy()
        change(right)
        return score(wires, lambda inputs, frames: right[list(frames)])[0]

    def off_by_a_tenth(right):
        right += np.where(hole, np.where(right > 0.5, -0.1, 0.1), 0)

    assert scores_after(off_by_a_tenth)["dB"] == pytest.approx(20, abs=1e-3)

    def striped(right):
        right[:, :, ::2] += np.float32(0.2) * hole[:, :, ::2]

    assert scores_after(striped)["ghost in hole"] > 10

    def flickering(right):
        right[1] += np.float32(0.2) * hole[1]

    assert scores_after(flickering)["flicker"] > 5

    near, far = wires.silhouettes.near, wires.silhouettes.far

    def widened(right):
        line = near - far
        opacity = ((right - far) * line).sum(-1) / (line**2).sum(-1)
        # One more pixel of full opacity on the right of every edge.
        wide = np.clip(opacity + np.roll(opacity, 1, 2), 0, 1)[..., None]
        right[:] = wide * near + (1 - wide) * far

    measures = scores_after(widened)
    assert measures["wire px"] == pytest.approx(1, abs=0.01)
    assert measures["wire max px"] == pytest.approx(1, abs=0.01)


def test_wires_of_the_true_view_have_their_widths(wires):
    known = wires.silhouettes
    for width, (rows, columns) in zip((1, 2, 3, 5, 8), known.wires, strict=True):
        view, far = wires.right[:, rows, columns], known.far[:, rows, columns]
        line = known.near - far
        share = ((view - far) * line).sum(-1) / (line**2).sum(-1)
        np.testing.assert_allclose(share.sum(-1), width, atol=1e-3)


def test_the_splat_of_exact_disparity_shows_the_true_wall(wires):
    inputs, hole = wires.inputs, wires.inputs.hole
    opacity = np.abs(wires.right - wires.silhouettes.far).max(-1)
    wall = ~hole & (opacity == 0)
    error = np.abs(inputs.warped - wires.right).max(-1)
    assert np.median(error[wall]) < 0.02
    # Disparity of the right view: the wall's or a wire's, unknown in the hole.
    assert np.isnan(inputs.warped_disparity[hole]).all()
    np.testing.assert_allclose(
        np.nanmin(inputs.warped_disparity), -0.004 * 240, atol=1e-3
    )
    assert np.nanmax(inputs.warped_disparity) <= inputs.disparity.max() + 1e-3


def test_growth_lowers_ghosts_and_psnr(wires):
    case = wires_case("tuned on", 0, 480, reach=0, scored=1)
    plain, wide = (score(case, FILLS[name])[0] for name in (OURS, "grown 1 px"))
    assert wide["ghost in hole"] < 0.5 * plain["ghost in hole"]
    assert wide["edge px"] < plain["edge px"]
    assert wide["dB"] < plain["dB"]
    same = score(case, framewise(grown(0)))[0]
    assert same["dB"] == plain["dB"]


def test_a_fill_gets_neighbour_frames_and_returns_the_scored_ones():
    case = next(film_cases("tuned on", 1, "travel", 160, reach=2, scored=2))
    assert case.scored == (2, 3) and len(case.inputs.left) == 6
    seen = []

    def temporal(inputs, frames):
        seen.append((len(inputs.left), tuple(frames)))
        return inputs.warped[list(frames)]

    _, filled = score(case, temporal)
    assert seen[-1] == (6, (2, 3))
    np.testing.assert_array_equal(filled, case.inputs.warped[2:4])


def test_monocular_like_depth_is_near_the_exact_one_but_not_equal():
    exact, rough = film_cases("tuned on", 0, "still", 160, reach=1, scored=2)
    np.testing.assert_array_equal(exact.right, rough.right)
    error = np.abs(exact.inputs.disparity - rough.inputs.disparity)
    spread = np.ptp(exact.inputs.disparity)
    assert 0 < np.median(error) < 0.05 * spread
    # Scale and shift change from frame to frame.
    steps = np.median(rough.inputs.disparity - exact.inputs.disparity, axis=(1, 2))
    assert np.ptp(steps) > 1e-3 * spread


def test_a_2d_film_projected_twice_is_its_own_truth(tmp_path):
    rng = np.random.default_rng(0)
    texture = rng.integers(60, 120, (96, 220, 3), np.uint8)
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", 24)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "bgr0"
        for t in range(12):
            frame = texture[:, 2 * t : 2 * t + 160].copy()
            frame[40:, 60:90] = (250, 200, 30)  # stands on the ground
            picture = av.VideoFrame.from_ndarray(frame, "rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    case = clip_case("tuned on", path, 160, reach=1, scored=2)
    assert case.right.shape == (4, 96, 160, 3) and case.scored == (1, 2)
    assert case.hole().mean() > 0.001
    known = ~case.inputs.hole
    error = np.abs(case.inputs.warped - case.right).mean(-1)
    assert np.median(error[known]) < 0.08  # blur and 4:2:0 of fine noise


def test_strips_at_the_sides_are_not_scored():
    hole = np.zeros((2, 30), bool)
    hole[0, :6] = hole[0, 12:15] = hole[0, 20:25] = hole[0, 27:] = True
    hole[1, 3:5] = True
    inner = inner_hole(hole)
    # Columns 25 and 26 are fragments in the right strip.
    np.testing.assert_array_equal(np.flatnonzero(inner[0]), range(12, 15))
    np.testing.assert_array_equal(np.flatnonzero(inner[1]), [3, 4])


def test_crops_show_the_largest_holes_first():
    hole = np.zeros((100, 200), bool)
    hole[40:60, 150:160] = True
    hole[70:80, 20:26] = True
    corners = largest_holes(hole, 40, 3)
    assert len(corners) == 2
    (y, x), (y2, x2) = corners
    assert 20 <= y <= 40 and 120 <= x <= 150
    assert 40 <= y2 <= 70 and x2 <= 20


def test_matching_finds_a_known_shift():
    rng = np.random.default_rng(0)
    wide = np.repeat(rng.integers(0, 255, (60, 170, 1), np.uint8), 3, axis=2)
    pair = match(wide[:, :160], wide[:, 5:165])
    middle = pair.disparity[10:-10, 40:-10]
    assert np.abs(middle - 5).max() < 0.2
