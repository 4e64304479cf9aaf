"""The benchmark runs, its peers splat what ours splats, and its table says so."""

import json
import math

import numpy as np
import pytest

from benchmarks import measure, splat, splat_peers
from stereojax.splat import forward_splat
from stereojax.splat.workloads import scene


def test_peers_splat_the_same_as_ours():
    image, disparity = scene((2, 9, 70), -4, 9)
    runners, missing = splat_peers.peers(image, disparity)
    ours = forward_splat(image, disparity, sharpness=math.log2(1.414))
    planar = np.moveaxis(np.asarray(ours.warped), -1, 0)
    assert len(runners) + len(missing) >= 3
    for name, run in runners.items():
        warped, occlusion = (np.asarray(x) for x in run())
        expected = planar if len(warped) == 3 else np.asarray(ours.warped)
        warped, occlusion = warped.reshape(expected.shape), occlusion.reshape(2, 9, 70)
        np.testing.assert_allclose(warped, expected, atol=2e-4, err_msg=name)
        np.testing.assert_allclose(occlusion, ours.occlusion, atol=1e-5, err_msg=name)


def test_a_small_run_from_the_command_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(splat.SIZES, "tiny", (8, 40))
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    arguments = "--sizes tiny --ranges 5 --seconds 0 --output small"
    splat.main(arguments.split())
    written = json.loads((tmp_path / "small.json").read_text())
    assert written["machine"]["platform"] == "cpu"
    rows = {row["implementation"]: row for row in written["results"]}
    for name in ("default", "xla_gather", "xla_scatter"):
        row = rows[name]
        assert row["repeatable"] and row["ms"] > 0 and 0 < row["roofline"] < 1
        assert row["Mpx/s"] == pytest.approx(320 / row["ms"] / 1e3)
    printed = capsys.readouterr().out
    assert "default" in printed and "tiny, 5 px:" in printed


def test_unrepeatable_bits_are_noticed():
    calls = iter(range(9))
    assert splat.repeatable(lambda: np.zeros(3))
    assert not splat.repeatable(lambda: np.full(3, next(calls) == 3))
