"""A second run of the job: it reuses finished films and shards, and repairs damage."""

import dataclasses
import json

import pytest
from fake_films import SETTINGS, contents, run, write_films

pytest.importorskip("apache_beam")
pytest.importorskip("tensorflow_datasets")

from data_prep import film_task, mono_film, shards
from stereojax.cli import RunError
from stereojax.inference.choose_depth import DepthChoice
from stereojax.records import open_records
from stereojax.records.tfrecord import TFRecordWriter, scan_offsets

pytestmark = pytest.mark.usefixtures("extractions")


def test_counters_are_saved_and_finished_films_are_reused(films, tmp_path, extractions):
    first = run(films, tmp_path / "out")["counters"]
    assert (first["films_processed"], first["films_reused"]) == (5, 0)
    assert (first["kept"], first["dropped_psnr"], first["shots"]) == (15, 5, 5)
    assert len(extractions.calls) == 5
    before = contents(tmp_path / "out")
    again = run(films, tmp_path / "out")
    assert (again["counters"]["films_processed"], again["shards_written"]) == (0, 0)
    assert again["counters"]["films_reused"] == 5
    assert len(extractions.calls) == 5
    assert contents(tmp_path / "out") == before
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == again


def test_a_run_stopped_while_processing_films_is_resumed(
    films, tmp_path, extractions, monkeypatch
):
    undisturbed = tmp_path / "undisturbed"
    run(films, undisturbed)
    extractions.calls.clear()

    class Killed(BaseException):
        pass

    def extract_then_die(path, settings, save, progress):
        if len(extractions.calls) == 2:
            extractions(path, settings, save)
            raise Killed
        return extractions(path, settings, save)

    monkeypatch.setattr(film_task, "extract_records", extract_then_die)
    with pytest.raises(BaseException, match="Killed"):
        run(films, tmp_path / "out")
    assert not (tmp_path / "out" / "stereo_pairs").exists()
    monkeypatch.setattr(film_task, "extract_records", extractions)
    extractions.calls.clear()
    report = run(films, tmp_path / "out")
    assert report["counters"]["films_reused"] == 2
    assert len(extractions.calls) == 3
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_a_run_stopped_while_writing_shards_is_resumed(films, tmp_path, monkeypatch):
    small = dataclasses.replace(SETTINGS, width=320, height=320)
    run(films, tmp_path / "undisturbed", small)
    names = list(contents(tmp_path / "undisturbed"))
    assert len(names) >= 3
    written = []

    class FullDisk(TFRecordWriter):
        def write(self, data):
            if len(written) == 8:
                raise OSError("disk full")
            written.append(data)
            super().write(data)

    monkeypatch.setattr(shards, "TFRecordWriter", FullDisk)
    with pytest.raises(RunError, match="disk full"):
        run(films, tmp_path / "out", small)
    root = tmp_path / "out" / "stereo_pairs"
    assert not (root / "1.0.0").exists()
    (staging,) = root.iterdir()
    done = sorted(p.name for p in staging.iterdir())
    assert 0 < len(done) < len(names) and set(done) < set(names)
    # A killed writer leaves its partial file.
    (staging / f".{names[-1]}.part-dead1234").write_bytes(b"half")
    monkeypatch.setattr(shards, "TFRecordWriter", TFRecordWriter)
    report = run(films, tmp_path / "out", small)
    assert report["shards_written"] == len(names) - len(done)
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")
    assert [p.name for p in root.iterdir()] == ["1.0.0"]
    assert not [p.name for p in (root / "1.0.0").iterdir() if p.name.startswith(".")]


def test_another_film_replaces_the_dataset(films, tmp_path, extractions):
    run(films, tmp_path / "out")
    before = {s: len(open_records(tmp_path / "out", s)) for s in ("train",)}
    write_films(films, f=6, g=6)
    report = run(films, tmp_path / "out")
    assert report["counters"]["films_processed"] == 2
    total = sum(s["records"] for s in report["splits"].values())
    assert total == 27 > before["train"]
    assert sum(map(len, contents(tmp_path / "out").values())) == 27


def test_a_deleted_shard_is_written_again(films, tmp_path, extractions):
    run(films, tmp_path / "out")
    before = contents(tmp_path / "out")
    name = max(before)
    (tmp_path / "out" / "stereo_pairs" / "1.0.0" / name).unlink()
    run(films, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    assert len(extractions.calls) == 5


def test_a_damaged_record_in_the_work_folder_is_named(films, tmp_path):
    run(films, tmp_path / "out")
    path = max((tmp_path / "out" / "work").glob("*/records.tfrecord"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    changed = dataclasses.replace(SETTINGS, validation_percent=10.0)
    words = rf"{path}: record \d is damaged.*delete {path.parent} and"
    with pytest.raises(RunError, match=words):
        run(films, tmp_path / "out", changed)


@pytest.mark.parametrize("damage", ["cut", "shorter", "missing", "length"])
def test_a_damaged_film_in_the_work_folder_is_processed_again(
    films, tmp_path, extractions, damage
):
    run(films, tmp_path / "out")
    before = contents(tmp_path / "out")
    path = max(
        (tmp_path / "out" / "work").glob("*/records.tfrecord"),
        key=lambda p: p.stat().st_size,
    )
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:-100])
    elif damage == "shorter":  # by one record
        path.write_bytes(data[: scan_offsets(path)[-2]])
    elif damage == "length":
        path.write_bytes(bytes([data[0] ^ 4]) + data[1:])
    else:
        path.unlink()
    extractions.calls.clear()
    counters = run(films, tmp_path / "out")["counters"]
    assert extractions.calls == ["c.mp4"]
    assert (counters["films_processed"], counters["films_reused"]) == (1, 4)
    assert contents(tmp_path / "out") == before
    assert path.read_bytes() == data


def test_other_weights_of_a_depth_model_process_the_films_again(
    films, tmp_path, extractions, monkeypatch
):
    weights = ["one"]

    def load(name):
        return DepthChoice("net", f"net {weights[-1]}")

    monkeypatch.setattr(mono_film, "load_depth_model", load)
    mono = dataclasses.replace(SETTINGS, kind="mono")
    for count in (5, 5):
        report = run(films, tmp_path / "out", mono)
        assert len(extractions.calls) == count
    assert report["settings"]["depth_model"] == "net"
    weights.append("other")
    run(films, tmp_path / "out", mono)
    assert len(extractions.calls) == 10
