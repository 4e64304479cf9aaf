"""The splat benchmark: equal results of the peers, the table, CUDA's source."""

import json
import math
import re

import numpy as np
import pytest

from benchmarks import cuda_atomics, measure, splat_peers
from benchmarks import splat as benchmark
from stereojax.splat import forward_splat
from stereojax.splat.workloads import scene


def test_peers_give_the_same_result():
    image, disparity = scene((2, 9, 70), -4, 9)
    runners, missing = splat_peers.peers(image, disparity)
    splat = forward_splat(image, disparity, sharpness=math.log2(1.414))
    planar = np.moveaxis(np.asarray(splat.warped), -1, 0)
    assert runners.keys() | missing.keys() == splat_peers.PEERS.keys()
    for name, run in runners.items():
        result = run()
        warped, occlusion = map(np.asarray, result or run.result())
        expected = planar if len(warped) == 3 else np.asarray(splat.warped)
        warped, occlusion = warped.reshape(expected.shape), occlusion.reshape(2, 9, 70)
        np.testing.assert_allclose(warped, expected, atol=2e-4, err_msg=name)
        np.testing.assert_allclose(occlusion, splat.occlusion, atol=1e-5, err_msg=name)


def test_a_small_run_from_the_command_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(benchmark.MORE_SIZES, "tiny", (8, 40))
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    arguments = "--sizes tiny --ranges 5 --seconds 0 --output small"
    benchmark.main(arguments.split())
    written = json.loads((tmp_path / "small.json").read_text())
    assert written["machine"]["platform"] == "cpu"
    all_rows = written["results"]
    for row in all_rows:
        if row["implementation"] in ("xla", "xla_gather", "xla_scatter"):
            assert row["repeatable"] and row["temp_MB"] > 0
    modes = [r["compositing"] for r in all_rows if r["implementation"] == "xla"]
    assert modes == ["published", "coverage"]
    # The later rows replace the earlier ones: these are of coverage compositing.
    rows = {row["implementation"]: row for row in all_rows}
    for name in ("xla", "xla_gather", "xla_scatter"):
        row = rows[name]
        assert row["repeatable"] and row["ms"] > 0 and 0 < row["roofline"] < 1
        assert row["Mpx/s"] == pytest.approx(320 / row["ms"] / 1e3)
    printed = capsys.readouterr().out
    assert rows["xla_scatter"]["note"].startswith("default (cpu: small")
    assert "pallas_gpu" not in rows
    assert "tiny, 5 px: xla_scatter (published) is" in printed
    assert "tiny, 5 px: xla_scatter (coverage) is" in printed


def test_results_that_change_are_not_repeatable():
    calls = iter(range(9))
    assert benchmark.repeatable(lambda: np.zeros(3, np.float32))
    # All values are equal, but one zero has another sign.
    zeros = (np.float32([0.0, -0.0 if call == 3 else 0.0]) for call in calls)
    assert not benchmark.repeatable(lambda: next(zeros))


def test_the_cuda_source_compiles_to_two_taps_of_five_atomics():
    try:
        text = cuda_atomics.to_ptx().decode()
    except cuda_atomics.Unavailable as error:
        pytest.skip(str(error))
    assert re.search(r"\.visible \.entry (splat|finish)", text)
    assert len(re.findall(r"(atom|red)\.global\.add\.f32", text)) in (5, 10)
