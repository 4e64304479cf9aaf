"""The comparison with diffusers on tiny networks."""

import json

import torch

from benchmarks import measure, svd_cpu


def test_equal_results_and_times(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    threads = torch.get_num_threads()
    svd_cpu.main(["--sizes", "tiny", "--rounds", "2"])
    torch.set_num_threads(threads)
    rows = json.loads((tmp_path / "svd_cpu.json").read_text())["results"]
    names = [row["network"] for row in rows]
    assert names == ["U-Net", "VAE encode", "VAE decode"]
    for row in rows:
        assert row["difference"] < 1e-4
        assert row["ratio"] == row["diffusers_s"] / row["ours_s"]
        assert row["cpu_ratio"] > 0
