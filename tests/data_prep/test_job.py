"""The job around the films: done once, whole or not there, and told in numbers."""

import dataclasses
import json
import sys

import numpy as np
import pytest
from fake_films import FakeProcess, write_films

pytest.importorskip("apache_beam")
pytest.importorskip("tensorflow_datasets")

from data_prep import beam, film_task, mono_film, process, shards, work_store
from data_prep import prepare as prepare_module
from data_prep.beam import Runner
from data_prep.prepare import prepare
from stereojax.cli import InputError, RunError
from stereojax.inference.choose_depth import DepthChoice
from stereojax.records import decode, open_records, to_example
from stereojax.records.tfrecord import TFRecordWriter, scan
from stereojax.settings.data import DataSettings

SETTINGS = DataSettings(
    width=64, height=64, shortest=1, shard_megabytes=1, validation_percent=40.0
)


@pytest.fixture(autouse=True)
def made(monkeypatch, tmp_path):
    monkeypatch.setenv("STEREOJAX_CACHE", str(tmp_path / "cache"))
    fake = FakeProcess()
    monkeypatch.setattr(process, "process", fake)
    return fake


@pytest.fixture
def films(tmp_path):
    return write_films(tmp_path / "films", a=4, b=3, c=5, d=2, e=1)


def run(films, output, settings=SETTINGS, **given):
    # In this process: in another, nothing is patched.
    return prepare(str(films), str(output), settings, Runner(), isolated=False, **given)


def contents(output):
    """Every shard of a dataset, by name: its records, in order."""
    found = {}
    for split in ("train", "validation"):
        pattern = output / "stereo_pairs" / "1.0.0" / f"*-{split}.*-of-*"
        for path in sorted(pattern.parent.glob(pattern.name)):
            source = open_records(path)
            found[path.name] = [source.example(i) for i in range(len(source))]
    return found


def test_every_record_is_in_the_dataset_once_and_films_are_not_split(films, tmp_path):
    report = run(films, tmp_path / "out")
    by_split = {}
    for split in ("train", "validation"):
        source = open_records(tmp_path / "out", split)
        records = [source[i] for i in range(len(source))]
        assert len(records) == report["splits"][split]["records"]
        by_split[split] = [r.provenance for r in records]
    names = {s: {p.source for p in found} for s, found in by_split.items()}
    assert not names["train"] & names["validation"]
    assert names["train"] | names["validation"] == {f"{n}.mp4" for n in "abcde"}
    keys = [p.key for found in by_split.values() for p in found]
    assert len(keys) == len(set(keys)) == 15


def test_films_of_one_folder_stay_together_where_asked_for(tmp_path, made):
    for number in range(4):
        names = {f"{eye}{number}": 1 for eye in "abc"}
        (tmp_path / "films").mkdir(exist_ok=True)
        write_films(tmp_path / "films" / f"title{number}", **names)
    folders = dataclasses.replace(SETTINGS, group="folder")
    run(tmp_path / "films", tmp_path / "out", folders)
    found = {}
    for split in ("train", "validation"):
        source = open_records(tmp_path / "out", split)
        names = [source[i].provenance.source for i in range(len(source))]
        found[split] = {name[1] for name in names}
    assert not found["train"] & found["validation"]
    assert found["train"] | found["validation"] == set("0123")
    calls = len(made.calls)
    run(tmp_path / "films", tmp_path / "out")
    assert len(made.calls) == calls  # it decides nothing about the films


def test_counters_are_saved_and_finished_films_are_not_made_again(
    films, tmp_path, made
):
    first = run(films, tmp_path / "out")["counters"]
    assert (first["films_processed"], first["films_reused"]) == (5, 0)
    assert (first["kept"], first["dropped_psnr"], first["shots"]) == (15, 5, 5)
    assert len(made.calls) == 5
    before = contents(tmp_path / "out")
    again = run(films, tmp_path / "out")
    assert (again["counters"]["films_processed"], again["shards_written"]) == (0, 0)
    assert again["counters"]["films_reused"] == 5
    assert len(made.calls) == 5
    assert contents(tmp_path / "out") == before
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == again


def test_one_broken_film_is_told_and_stops_nothing(films, tmp_path, made, capsys):
    whole = run(films, tmp_path / "whole")
    write_films(films, broken=1, mono=1)
    (films / "copy_of_a.mp4").write_bytes((films / "a.mp4").read_bytes())
    (films / "empty.mp4").symlink_to(films / "nowhere")
    report = run(films, tmp_path / "out")
    told = capsys.readouterr().err
    assert "broken.mp4: ValueError: the decoder choked" in told
    assert "mono.mp4: not a stereo film" in told
    assert "duplicate: the same film as" in told
    counters = report["counters"]
    assert counters["films_failed"] == 2
    assert (counters["films_refused"], counters["refused_mono"]) == (1, 1)
    assert counters["films_duplicate"] == 1
    assert counters["kept"] == whole["counters"]["kept"]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    made.calls.clear()
    run(films, tmp_path / "out")
    assert made.calls == ["broken.mp4"]  # a refusal is final, a failure is not


def test_nothing_kept_is_an_error_and_leaves_no_dataset(tmp_path):
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


def test_films_stopped_in_the_middle_are_gone_on_with(
    films, tmp_path, made, monkeypatch
):
    whole = tmp_path / "whole"
    run(films, whole)
    made.calls.clear()

    class Killed(BaseException):
        pass

    def killed(path, settings, save, progress):
        if len(made.calls) == 2:
            made(path, settings, save)
            raise Killed
        return made(path, settings, save)

    monkeypatch.setattr(process, "process", killed)
    with pytest.raises(BaseException, match="Killed"):
        run(films, tmp_path / "out")
    assert not (tmp_path / "out" / "stereo_pairs").exists()
    monkeypatch.setattr(process, "process", made)
    made.calls.clear()
    report = run(films, tmp_path / "out")
    assert report["counters"]["films_reused"] == 2
    assert len(made.calls) == 3
    assert contents(tmp_path / "out") == contents(whole)


def test_shards_stopped_in_the_middle_are_gone_on_with(films, tmp_path, monkeypatch):
    small = dataclasses.replace(SETTINGS, width=320, height=320)
    run(films, tmp_path / "whole", small)
    names = list(contents(tmp_path / "whole"))
    assert len(names) >= 3
    wrote = []

    class Full(TFRecordWriter):
        def write(self, data):
            if len(wrote) == 8:
                raise OSError("disk full")
            wrote.append(data)
            super().write(data)

    monkeypatch.setattr(shards, "TFRecordWriter", Full)
    with pytest.raises(RunError, match="disk full"):
        run(films, tmp_path / "out", small)
    root = tmp_path / "out" / "stereo_pairs"
    assert not (root / "1.0.0").exists()
    (beside,) = root.iterdir()
    done = sorted(p.name for p in beside.iterdir())
    assert 0 < len(done) < len(names) and set(done) < set(names)
    # A writer that is killed cannot clean up.
    (beside / f".{names[-1]}.part-dead1234").write_bytes(b"half")
    monkeypatch.setattr(shards, "TFRecordWriter", TFRecordWriter)
    report = run(films, tmp_path / "out", small)
    assert report["shards_written"] == len(names) - len(done)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert [p.name for p in root.iterdir()] == ["1.0.0"]
    assert not [p.name for p in (root / "1.0.0").iterdir() if p.name.startswith(".")]


def test_another_film_makes_the_dataset_anew(films, tmp_path, made):
    run(films, tmp_path / "out")
    before = {s: len(open_records(tmp_path / "out", s)) for s in ("train",)}
    write_films(films, f=6, g=6)
    report = run(films, tmp_path / "out")
    assert report["counters"]["films_processed"] == 2
    total = sum(s["records"] for s in report["splits"].values())
    assert total == 27 > before["train"]
    assert sum(map(len, contents(tmp_path / "out").values())) == 27


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
    with pytest.raises(InputError, match="does not say of which films"):
        run(films, output)


def test_a_shard_that_was_deleted_is_made_again(films, tmp_path, made):
    run(films, tmp_path / "out")
    before = contents(tmp_path / "out")
    name = max(before)
    (tmp_path / "out" / "stereo_pairs" / "1.0.0" / name).unlink()
    run(films, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    assert len(made.calls) == 5


def test_the_report_does_not_wait_for_the_shards(films, tmp_path, monkeypatch):
    def full(*given):
        raise RunError("disk full")

    monkeypatch.setattr(prepare_module, "write_shards", full)
    with pytest.raises(RunError, match="disk full"):
        run(films, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["counters"]["films_processed"] == 5


def test_a_damaged_record_of_the_work_folder_is_named(films, tmp_path):
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
def test_a_damaged_film_of_the_work_folder_is_made_again(films, tmp_path, made, damage):
    run(films, tmp_path / "out")
    before = contents(tmp_path / "out")
    path = max(
        (tmp_path / "out" / "work").glob("*/records.tfrecord"),
        key=lambda p: p.stat().st_size,
    )
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:-100])
    elif damage == "shorter":  # by a whole record
        path.write_bytes(data[: scan(path)[-2]])
    elif damage == "length":
        path.write_bytes(bytes([data[0] ^ 4]) + data[1:])
    else:
        path.unlink()
    made.calls.clear()
    counters = run(films, tmp_path / "out")["counters"]
    assert made.calls == ["c.mp4"]
    assert (counters["films_processed"], counters["films_reused"]) == (1, 4)
    assert contents(tmp_path / "out") == before
    assert path.read_bytes() == data


def test_whatever_happens_to_one_film_the_others_go_on(films, tmp_path, monkeypatch):
    digest = film_task.Digest

    def unreadable(path):
        if path.name == "b.mp4":
            raise ValueError("a bad sector")
        return digest(path)

    outcome = work_store.VideoStore.outcome
    seen = []

    def vanishing(self, key):
        found = outcome(self, key)
        if found and found.source == "c.mp4":
            seen.append(key)
            return None
        if found and found.source == "d.mp4":
            raise RuntimeError("the network is gone")
        return found

    monkeypatch.setattr(film_task, "Digest", unreadable)
    monkeypatch.setattr(work_store.VideoStore, "outcome", vanishing)
    report = run(films, tmp_path / "out")
    assert report["counters"]["films_failed"] == 3
    told = {f["path"].rpartition("/")[2]: f["message"] for f in report["films"]}
    assert told["b.mp4"].endswith("b.mp4: ValueError: a bad sector")
    assert "has no summary" in told["c.mp4"] and seen
    assert told["d.mp4"].endswith("d.mp4: RuntimeError: the network is gone")
    assert report["counters"]["kept"] == 5


def test_other_weights_of_a_depth_model_are_other_work(
    films, tmp_path, made, monkeypatch
):
    weights = ["one"]

    def choose(name):
        return DepthChoice("net", f"net {weights[-1]}")

    monkeypatch.setattr(mono_film, "depth_of", choose)
    plain = dataclasses.replace(SETTINGS, kind="mono")
    for count in (5, 5):
        report = run(films, tmp_path / "out", plain)
        assert len(made.calls) == count
    assert report["settings"]["depth_model"] == "net"
    weights.append("other")
    run(films, tmp_path / "out", plain)
    assert len(made.calls) == 10


def test_what_is_needed_at_the_end_is_asked_for_at_the_start(
    films, tmp_path, made, monkeypatch
):
    def asked(words, settings, output=tmp_path / "out"):
        with pytest.raises(InputError, match=words):
            run(films, output, dataclasses.replace(SETTINGS, **settings))

    for name in ("nonsense", "file"):
        asked(name, {"kind": "mono", "depth_model": name})
    asked("local folders only", {"file_format": "array_record"}, "gs://bucket/out")
    monkeypatch.setitem(sys.modules, "array_record", None)
    asked("array_record is not installed", {"file_format": "array_record"})
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    asked("tensorflow_datasets is not installed", {})
    assert not made.calls


def test_tfds_reads_what_our_reader_reads(films, tmp_path):
    import tensorflow_datasets as tfds

    stored = dataclasses.replace(SETTINGS, width=96, store_warped=True)
    run(films, tmp_path / "out", stored)
    source = open_records(tmp_path / "out", "train")
    skip = {name: tfds.decode.SkipDecoding() for name in ("left", "right", "disparity")}
    raw = tfds.load(
        "stereo_pairs", data_dir=tmp_path / "out", split="train", decoders=skip
    )
    folder = tmp_path / "out" / "stereo_pairs" / "1.0.0"
    builder = tfds.builder_from_directory(folder)
    decoded = builder.as_dataset(split="train")
    assert builder.info.splits["train"].num_examples == len(source)
    count = 0
    for i, (bytes_of, theirs) in enumerate(zip(raw, decoded, strict=True)):
        ours = source[i]
        frames = decode(ours)
        for name in skip:
            assert tuple(bytes_of[name].numpy()) == getattr(ours, name)
        # TensorFlow decodes JPEG by a quicker, coarser inverse cosine transform.
        error = np.abs(theirs["left"].numpy().astype(int) - frames.left)
        assert (error.mean() < 1.5) and (error.max() <= 8)
        steps = theirs["disparity"].numpy()[..., 0].astype(np.float32)
        pixels = steps * theirs["disparity_scale"].numpy()
        pixels += theirs["disparity_offset"].numpy()
        assert np.array_equal(pixels, frames.disparity)
        # PNG is the same to everybody.
        assert np.array_equal(theirs["warped"].numpy(), frames.warped)
        holes = theirs["occlusion"].numpy()[..., 0] / np.float32(65535)
        assert np.array_equal(holes, frames.occlusion)
        for name, value in dataclasses.asdict(ours.provenance).items():
            there = theirs["provenance"][name].numpy()
            assert (there.decode() if isinstance(there, bytes) else there) == value
        count += 1
    assert count == len(source) > 0


def test_array_record_is_read_at_random_by_tfds_and_by_us(films, tmp_path):
    import tensorflow_datasets as tfds

    run(films, tmp_path / "one")
    run(
        films,
        tmp_path / "out",
        dataclasses.replace(SETTINGS, file_format="array_record"),
    )
    theirs = tfds.data_source("stereo_pairs", data_dir=tmp_path / "out", split="train")
    ours = open_records(tmp_path / "out", "train")
    same = open_records(tmp_path / "one", "train")
    assert len(theirs) == len(ours) == len(same)
    for i in (len(ours) - 1, 0):
        assert to_example(ours[i]) == same.example(i)
        frames = decode(ours[i])
        assert np.array_equal(np.stack(theirs[i]["left"]), frames.left)
        key = theirs[i]["provenance"]["source_hash"].decode()
        assert key == ours[i].provenance.source_hash


def test_a_second_job_is_kept_out(films, tmp_path):
    from stereojax.storage.work_folder import WorkFolder

    (tmp_path / "out").mkdir()
    refused = pytest.raises(InputError, match="in use by another run")
    with WorkFolder(tmp_path / "out" / "work").locked(), refused:
        run(films, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "words"), [("'", "No closing quotation"), ("runner=x", "no option")]
)
def test_bad_beam_options(films, tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        prepare(str(films), str(tmp_path / "out"), SETTINGS, Runner(options))


def test_workers_are_of_this_machine_only(films, tmp_path):
    runner = Runner("--runner=FlinkRunner --flink_master=nowhere:1", workers=2)
    with pytest.raises(InputError, match="FlinkRunner has an option of its own"):
        prepare(str(films), str(tmp_path / "out"), SETTINGS, runner)


def test_worker_processes_write_their_log_on_this_machine(tmp_path):
    assert beam._worker_log(str(tmp_path)) == tmp_path / "workers.log"
    remote = beam._worker_log("gs://bucket/out/work")
    assert remote.parent.is_dir() and "gs:" not in str(remote)
