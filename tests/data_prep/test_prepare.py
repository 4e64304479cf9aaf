"""The data preparation job: its records, its report and its errors."""

import dataclasses
import json
import sys

import pytest
from fake_films import SETTINGS, contents, run, write_films

pytest.importorskip("apache_beam")
pytest.importorskip("tensorflow_datasets")

from data_prep import film_task, work_store
from data_prep import prepare as prepare_module
from stereojax.cli import InputError, RunError
from stereojax.records import open_records

pytestmark = pytest.mark.usefixtures("extractions")


def test_every_record_is_written_once_and_films_are_in_one_split(films, tmp_path):
    report = run(films, tmp_path / "out")
    by_split = {}
    for split in ("train", "validation"):
        source = open_records(tmp_path / "out", split)
        records = [source[i] for i in range(len(source))]
        assert len(records) == report["splits"][split]["records"]
        by_split[split] = [r.provenance for r in records]
    names = {s: {p.source for p in origins} for s, origins in by_split.items()}
    assert not names["train"] & names["validation"]
    assert names["train"] | names["validation"] == {f"{n}.mp4" for n in "abcde"}
    keys = [p.key for origins in by_split.values() for p in origins]
    assert len(keys) == len(set(keys)) == 15


def test_films_of_one_folder_are_in_one_split_with_group_folder(tmp_path, extractions):
    for number in range(4):
        names = {f"{eye}{number}": 1 for eye in "abc"}
        (tmp_path / "films").mkdir(exist_ok=True)
        write_films(tmp_path / "films" / f"title{number}", **names)
    folders = dataclasses.replace(SETTINGS, group="folder")
    run(tmp_path / "films", tmp_path / "out", folders)
    titles = {}
    for split in ("train", "validation"):
        source = open_records(tmp_path / "out", split)
        names = [source[i].provenance.source for i in range(len(source))]
        titles[split] = {name[1] for name in names}
    assert not titles["train"] & titles["validation"]
    assert titles["train"] | titles["validation"] == set("0123")
    calls = len(extractions.calls)
    run(tmp_path / "films", tmp_path / "out")
    assert len(extractions.calls) == calls  # the group does not affect the records


def test_a_broken_film_is_reported_and_the_others_are_processed(
    films, tmp_path, extractions, capsys
):
    undisturbed = run(films, tmp_path / "undisturbed")
    write_films(films, broken=1, mono=1)
    (films / "copy_of_a.mp4").write_bytes((films / "a.mp4").read_bytes())
    (films / "empty.mp4").symlink_to(films / "nowhere")
    report = run(films, tmp_path / "out")
    messages = capsys.readouterr().err
    assert "broken.mp4: ValueError: the decoder choked" in messages
    assert "mono.mp4: not a stereo film" in messages
    assert "duplicate: the same film as" in messages
    counters = report["counters"]
    assert counters["films_failed"] == 2
    assert (counters["films_refused"], counters["refused_mono"]) == (1, 1)
    assert counters["films_duplicate"] == 1
    assert counters["kept"] == undisturbed["counters"]["kept"]
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")
    extractions.calls.clear()
    run(films, tmp_path / "out")
    # Failed films are processed again, refused ones are not.
    assert extractions.calls == ["broken.mp4"]


def test_nothing_kept_is_an_error_and_writes_no_dataset(tmp_path):
    films = write_films(tmp_path / "films", mono=1, mono2=1)
    with pytest.raises(InputError, match="nothing was kept of 2 films: films_refused"):
        run(films, tmp_path / "out")
    (films / "mono2.mp4").unlink()
    with pytest.raises(InputError, match=r"mono\.mp4: not a stereo film$"):
        run(films, tmp_path / "out")
    (films / "copy.mp4").write_bytes((films / "mono.mp4").read_bytes())
    with pytest.raises(InputError, match="nothing was kept of 2 films: films_refused"):
        run(films, tmp_path / "out")
    films = write_films(tmp_path / "others", none=0, broken=1)
    with pytest.raises(RunError, match="films_failed 1, dropped_psnr 1"):
        run(films, tmp_path / "out")
    assert not (tmp_path / "out" / "stereo_pairs").exists()
    assert (tmp_path / "out" / "report.json").exists()
    with pytest.raises(InputError, match="no video file"):
        run(tmp_path / "nothing", tmp_path / "out")


def test_a_dataset_is_not_replaced_by_one_of_fewer_films(films, tmp_path):
    output = tmp_path / "out"
    run(films, output)
    before, report = contents(output), (output / "report.json").read_text()
    (films / "c.mp4").unlink()
    others = write_films(tmp_path / "others", z=3)
    for fewer in (films, others):
        with pytest.raises(InputError, match=r"1\.0\.0: a dataset .*--overwrite"):
            run(fewer, output)
        assert contents(output) == before
        assert (output / "report.json").read_text() == report
    with pytest.raises(InputError, match=r"1 of its 5 films were .*films/c\.mp4"):
        run(films, output)
    run(others, output, overwrite=True)
    assert sum(map(len, contents(output).values())) == 3
    (output / "stereo_pairs" / "1.0.0" / "plan.json").unlink()
    with pytest.raises(InputError, match="its films are not listed"):
        run(films, output)


def test_the_report_is_written_before_the_shards(films, tmp_path, monkeypatch):
    def fail(*arguments):
        raise RunError("disk full")

    monkeypatch.setattr(prepare_module, "write_shards", fail)
    with pytest.raises(RunError, match="disk full"):
        run(films, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["counters"]["films_processed"] == 5


def test_unexpected_errors_of_single_films_do_not_stop_the_others(
    films, tmp_path, monkeypatch
):
    digest = film_task.Digest

    def fail_to_read(path):
        if path.name == "b.mp4":
            raise ValueError("a bad sector")
        return digest(path)

    outcome = work_store.WorkStore.outcome
    keys = []

    def read_or_fail(self, key):
        ended = outcome(self, key)
        if ended and ended.source == "c.mp4":
            keys.append(key)
            return None
        if ended and ended.source == "d.mp4":
            raise RuntimeError("the network is gone")
        return ended

    monkeypatch.setattr(film_task, "Digest", fail_to_read)
    monkeypatch.setattr(work_store.WorkStore, "outcome", read_or_fail)
    report = run(films, tmp_path / "out")
    assert report["counters"]["films_failed"] == 3
    messages = {f["path"].rpartition("/")[2]: f["message"] for f in report["films"]}
    assert messages["b.mp4"].endswith("b.mp4: ValueError: a bad sector")
    assert "has no summary" in messages["c.mp4"] and keys
    assert messages["d.mp4"].endswith("d.mp4: RuntimeError: the network is gone")
    assert report["counters"]["kept"] == 5


def test_settings_and_packages_are_checked_before_the_films(
    films, tmp_path, extractions, monkeypatch
):
    def check_refused(words, settings, output=tmp_path / "out"):
        with pytest.raises(InputError, match=words):
            run(films, output, dataclasses.replace(SETTINGS, **settings))

    for name in ("nonsense", "file"):
        check_refused(name, {"kind": "mono", "depth_model": name})
    check_refused(
        "local folders only", {"file_format": "array_record"}, "gs://bucket/out"
    )
    monkeypatch.setitem(sys.modules, "array_record", None)
    check_refused("array_record is not installed", {"file_format": "array_record"})
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    check_refused("tensorflow_datasets is not installed", {})
    assert not extractions.calls
