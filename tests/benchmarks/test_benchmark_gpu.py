"""Runs the GPU benchmark on a CPU with small shapes: rows, skips and failures."""

import json
import sys
import time

import pytest

from benchmarks import measure
from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu.items import ITEMS


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "RESULTS", folder)
        gpu.main(["--small"])
    return json.loads((folder / "gpu_cpu_small.json").read_text())["results"]


def test_each_item_has_rows_and_no_note(results):
    assert results.keys() == ITEMS.keys()
    for item in results.values():
        assert item["rows"] and item["note"] is None


def test_every_attention_implementation_runs_or_has_a_note(results):
    rows = {row["form"]: row for row in results["attention"]["rows"]}
    assert "note" in rows.pop("cudnn")
    assert len(rows) == 2
    assert all(row["ms"] > 0 and row["TFLOP/s"] > 0 for row in rows.values())


def test_convolutions_and_copies_have_speeds(results):
    assert all(row["TFLOP/s"] > 0 for row in results["convolution"]["rows"])
    assert all(row["GB/s"] > 0 for row in results["copy"]["rows"])


def test_the_networks_run(results):
    rows = results["networks"]["rows"]
    assert [row["network"] for row in rows] == ["U-Net", "VAE decode"]
    assert all(row["s"] > 0 for row in rows)


def test_a_window_is_filled(results):
    rows = results["window"]["rows"]
    assert [row["what"] for row in rows] == [
        "encode, denoise",
        "encode, denoise, decode",
    ]
    assert all(row["s"] > 0 and row["calls"] == 2 for row in rows)


def test_networks_that_cannot_be_imported_are_skipped(monkeypatch):
    monkeypatch.setitem(sys.modules, "benchmarks.gpu.networks", None)
    monkeypatch.delattr("benchmarks.gpu.networks", raising=False)
    result = gpu.run("networks", True, time.monotonic() + 60)
    assert not result["rows"] and "skipped: the networks cannot" in result["note"]


def test_a_failing_item_keeps_its_rows(monkeypatch):
    def fails(small):
        yield {"a": 1}
        raise ValueError("no\nmore")

    monkeypatch.setitem(ITEMS, "fails", fails)
    result = gpu.run("fails", True, time.monotonic() + 60)
    assert result["rows"] == [{"a": 1}]
    assert result["note"] == "failed: ValueError: no more"
    assert gpu.run("copy", True, 0.0)["note"] == "stopped: out of time"
