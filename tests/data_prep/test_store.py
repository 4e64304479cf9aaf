"""The work folder: whole films or nothing, under keys of content and settings."""

import dataclasses

import pytest
from fake_films import save
from record_samples import record

from data_prep import work_store as module
from data_prep.film_summary import Sample, Summary
from data_prep.outcome import Refusal
from data_prep.work_store import (
    RECORDS,
    RecordWriter,
    VideoStore,
    key_of,
    write_summary,
)
from stereojax.records import from_example
from stereojax.records.tfrecord import read_all
from stereojax.settings.data import DataSettings


def summary(source="film.mkv"):
    kept = Sample(0, 5, 9, psnr=30.5, disparities=(1, 2), thumbnail=b"\xff\xd8")
    dropped = Sample(1, 40, 9, "psnr", 20.0, statistics={"p99": 12.0})
    return Summary(
        source,
        "ab" * 32,
        "stereo",
        "full_sbs",
        60,
        (20, 40),
        (kept, dropped),
        {"a": 1.5},
    )


def written(store, key):
    return [from_example(data) for data in read_all(store.root / key / RECORDS)]


def test_what_is_saved_is_there_and_finished(tmp_path):
    store = VideoStore(tmp_path / "work")
    records = [record(seed=i, first_frame=10 * i) for i in range(3)]
    assert not store.is_done("k")
    save(store, "k", iter(records), summary())
    assert store.is_done("k")
    assert written(store, "k") == records
    assert store.outcome("k") == summary()
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["k"]


def test_a_refusal_is_an_end_too(tmp_path):
    store = VideoStore(tmp_path)
    refusal = Refusal("film.mkv", "ab" * 32, "mono", "film.mkv: one eye only")
    save(store, "k", [], refusal)
    assert store.outcome("k") == refusal
    assert written(store, "k") == []


def test_a_film_that_fails_half_way_stays_unfinished(tmp_path):
    store = VideoStore(tmp_path)
    with pytest.raises(RuntimeError, match="half way"), store.building("k") as folder:
        with RecordWriter(folder) as writer:
            writer.write(record())
        raise RuntimeError("half way")
    assert not store.is_done("k")
    assert not list(tmp_path.iterdir())
    forgotten = pytest.raises(FileNotFoundError, match=r"summary\.json")
    with forgotten, store.building("k") as folder, RecordWriter(folder):
        pass
    assert not store.is_done("k")


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path):
    store = VideoStore(tmp_path)
    save(store, "whole", [record()], summary())
    (tmp_path / ".dead.part-1234").mkdir()
    (tmp_path / ".dead.part-1234" / "records.tfrecord").write_bytes(b"half")
    (tmp_path / ".results-1234.json").write_text("{}")
    store.sweep()
    assert [p.name for p in tmp_path.iterdir()] == ["whole"]


def test_two_workers_with_one_film_leave_one_result(tmp_path):
    store = VideoStore(tmp_path)
    with store.building("k") as folder:
        with RecordWriter(folder) as writer:
            writer.write(record(seed=1))
        write_summary(folder, summary("slow.mkv"))
        save(store, "k", [record(seed=2)], summary("quick.mkv"))
    assert store.outcome("k") == summary("quick.mkv")
    assert written(store, "k") == [record(seed=2)]


def test_a_key_changes_with_content_and_with_what_decides_the_records(monkeypatch):
    settings = DataSettings()
    other = {
        key_of("a" * 64, settings, "/x/film.mkv"),
        key_of("b" * 64, settings, "/x/film.mkv"),
        key_of("a" * 64, dataclasses.replace(settings, min_psnr=26.0), "/x/film.mkv"),
        key_of("a" * 64, dataclasses.replace(settings, layout="sbs"), "/x/film.mkv"),
        key_of("a" * 64, settings, "/x/film_redcyan.mkv"),  # refused by its name
        key_of("a" * 64, settings, "/x/film.mkv", "depth weights"),
    }
    assert len(other) == 6
    afterwards = dataclasses.replace(
        settings, validation_percent=9.0, file_format="array_record"
    )
    plain = key_of("a" * 64, settings, "/x/film.mkv")
    assert key_of("a" * 64, afterwards, "/x/film.mkv") == plain
    assert key_of("a" * 64, settings, "gs://y/other.mp4") == plain
    monkeypatch.setattr(module, "VERSION", 999)
    assert key_of("a" * 64, settings, "/x/film.mkv") not in other
