"""The work folder: complete films only, keyed by content and settings."""

import dataclasses

import pytest
from fake_films import save
from record_samples import read_all, record

from data_prep import work_store as module
from data_prep.film_summary import FilmSummary, Refusal, SequenceSummary
from data_prep.work_store import (
    RECORDS,
    RecordWriter,
    WorkStore,
    film_key,
    write_summary,
)
from stereojax.records import from_example
from stereojax.settings.data import DataSettings


def summary(source="film.mkv"):
    kept = SequenceSummary(
        0, 5, 9, psnr=30.5, disparities=(1, 2), thumbnail=b"\xff\xd8"
    )
    dropped = SequenceSummary(1, 40, 9, "psnr", 20.0, statistics={"p99": 12.0})
    return FilmSummary(
        source,
        "ab" * 32,
        "stereo",
        "full_sbs",
        60,
        (20, 40),
        (kept, dropped),
        {"a": 1.5},
    )


def read_records(store, key):
    return [from_example(data) for data in read_all(store.root / key / RECORDS)]


def test_a_saved_film_is_finished_and_reads_back(tmp_path):
    store = WorkStore(tmp_path / "work")
    records = [record(seed=i, first_frame=10 * i) for i in range(3)]
    assert not store.is_done("k")
    save(store, "k", iter(records), summary())
    assert store.is_done("k")
    assert read_records(store, "k") == records
    assert store.outcome("k") == summary()
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["k"]


def test_a_refused_film_is_finished(tmp_path):
    store = WorkStore(tmp_path)
    refusal = Refusal("film.mkv", "ab" * 32, "mono", "film.mkv: one eye only")
    save(store, "k", [], refusal)
    assert store.outcome("k") == refusal
    assert read_records(store, "k") == []


def test_a_film_that_fails_stays_unfinished(tmp_path):
    store = WorkStore(tmp_path)
    with (
        pytest.raises(RuntimeError, match="half way"),
        store.film_folder("k") as folder,
    ):
        with RecordWriter(folder) as writer:
            writer.write(record())
        raise RuntimeError("half way")
    assert not store.is_done("k")
    assert not list(tmp_path.iterdir())
    no_summary = pytest.raises(FileNotFoundError, match=r"summary\.json")
    with no_summary, store.film_folder("k") as folder, RecordWriter(folder):
        pass
    assert not store.is_done("k")


def test_only_leftovers_of_killed_processes_are_removed(tmp_path):
    store = WorkStore(tmp_path)
    save(store, "finished", [record()], summary())
    (tmp_path / ".dead.part-1234").mkdir()
    (tmp_path / ".dead.part-1234" / "records.tfrecord").write_bytes(b"half")
    (tmp_path / ".results-1234.json").write_text("{}")
    store.remove_partial()
    assert [p.name for p in tmp_path.iterdir()] == ["finished"]


def test_the_first_of_two_workers_with_one_film_wins(tmp_path):
    store = WorkStore(tmp_path)
    with store.film_folder("k") as folder:
        with RecordWriter(folder) as writer:
            writer.write(record(seed=1))
        write_summary(folder, summary("slow.mkv"))
        save(store, "k", [record(seed=2)], summary("quick.mkv"))
    assert store.outcome("k") == summary("quick.mkv")
    assert read_records(store, "k") == [record(seed=2)]


def test_a_key_changes_with_content_and_with_settings_that_affect_records(monkeypatch):
    settings = DataSettings()
    keys = {
        film_key("a" * 64, settings, "/x/film.mkv"),
        film_key("b" * 64, settings, "/x/film.mkv"),
        film_key("a" * 64, dataclasses.replace(settings, min_psnr=26.0), "/x/film.mkv"),
        film_key("a" * 64, dataclasses.replace(settings, layout="sbs"), "/x/film.mkv"),
        film_key("a" * 64, settings, "/x/film_redcyan.mkv"),  # refused by its name
        film_key("a" * 64, settings, "/x/film.mkv", "depth weights"),
    }
    assert len(keys) == 6
    afterwards = dataclasses.replace(
        settings, validation_percent=9.0, file_format="array_record"
    )
    plain = film_key("a" * 64, settings, "/x/film.mkv")
    assert film_key("a" * 64, afterwards, "/x/film.mkv") == plain
    assert film_key("a" * 64, settings, "gs://y/other.mp4") == plain
    monkeypatch.setattr(module, "VERSION", 999)
    assert film_key("a" * 64, settings, "/x/film.mkv") not in keys
