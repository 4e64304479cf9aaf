"""Files of records: random access, damage, caches, datasets."""

import json
import os
import pickle
import struct

import numpy as np
import pytest
from record_samples import read_all, record

from stereojax.cli import InputError, RunError
from stereojax.records import open_records, shard, to_example
from stereojax.records.tfrecord import TFRecordWriter, masked_crc, scan_offsets


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STEREOJAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "records"


RECORDS = [record(frames=1 + i % 3, seed=i, first_frame=100 * i) for i in range(7)]


def write(path, records):
    with TFRecordWriter(path) as writer:
        for one in records:
            writer.write(to_example(one))


@pytest.fixture
def files(tmp_path):
    tmp_path = tmp_path / "out" / "1.0.0"
    tmp_path.mkdir(parents=True)
    for i, part in enumerate((RECORDS[:3], RECORDS[3:4], RECORDS[4:])):
        write(tmp_path / f"pairs-train.tfrecord-0000{i}-of-00003", part)
    return tmp_path


def test_records_are_read_in_any_order(files):
    source = open_records(files / "pairs-train.tfrecord-*")
    assert len(source) == 7
    for i in (6, 0, 3, 2, 4, 1, 5):
        assert source[i] == RECORDS[i]
        assert source[np.int64(i)] == RECORDS[i]
    for i in (7, -1):
        with pytest.raises(IndexError, match=f"record {i} of .*, which has 7"):
            source[i]


def test_tensorflow_reads_and_writes_the_same_files(files, tmp_path):
    tf = pytest.importorskip("tensorflow")
    path = tmp_path / "tensorflow.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for one in RECORDS:
            writer.write(to_example(one))
    source = open_records(path)
    assert [source[i] for i in range(7)] == RECORDS
    paths = sorted(str(f) for f in files.glob("*-of-00003"))
    read = [item.numpy() for item in tf.data.TFRecordDataset(paths)]
    assert read == [to_example(one) for one in RECORDS]


def test_the_checksum_of_a_published_example():
    # RFC 3720 B.4: CRC-32C of 32 zero bytes; TFRecord rotates it and adds a constant.
    crc = 0x8A9136AA
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc(bytes(32)) == masked


def flip(path, at, bit=1):
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(data)


@pytest.mark.parametrize("part", ["data", "checksum", "length", "length checksum"])
def test_one_flipped_bit_is_detected_and_the_record_named(files, part):
    path = files / "pairs-train.tfrecord-00002-of-00003"
    start, stop = (int(n) for n in scan_offsets(path)[1:3])
    at = {
        "data": start + 500,
        "checksum": stop - 2,
        "length": start,
        "length checksum": start + 9,
    }[part]
    flip(path, at)
    with pytest.raises(RunError) as error:
        open_records(path)[1]
    assert f"{path}: record 1 is damaged" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_flipped_bit_is_detected_with_cached_offsets_too(files):
    path = files / "pairs-train.tfrecord-00000-of-00003"
    source = open_records(path)
    stat = path.stat()
    flip(path, int(scan_offsets(path)[2]) + 300)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert source[1] == RECORDS[1]
    with pytest.raises(RunError, match="record 2 is damaged"):
        open_records(path)[2]


def test_cached_offsets_of_another_file_are_replaced_after_one_scan(
    files, cache, monkeypatch
):
    path = files / "pairs-train.tfrecord-00000-of-00003"
    open_records(path)
    (file,) = cache.iterdir()
    offsets = np.load(file)
    offsets[1:-1] += 7  # of a file of the same size and time
    np.save(file, offsets)
    source, scanned = open_records(path), []
    monkeypatch.setattr(
        shard, "scan_offsets", lambda p: scanned.append(p) or scan_offsets(p)
    )
    assert [source[i] for i in range(3)] == RECORDS[:3]
    assert len(scanned) == 1
    assert open_records(path)[1] == RECORDS[1]
    assert len(scanned) == 1  # the cache is correct again


@pytest.mark.parametrize("cut", [5, 300])
def test_a_file_cut_short_is_an_error(files, cut):
    path = files / "pairs-train.tfrecord-00002-of-00003"
    last = int(scan_offsets(path)[2])
    path.write_bytes(path.read_bytes()[: last + cut])
    with pytest.raises(RunError, match=r"00002-of-00003: record 2"):
        open_records(path)


def test_data_that_is_no_record_is_an_error(tmp_path):
    path = tmp_path / "x.tfrecord"
    with TFRecordWriter(path) as writer:
        writer.write(b"something else")
    with pytest.raises(RunError, match=r"x\.tfrecord: record 0: not a"):
        open_records(path)[0]


def test_offsets_are_scanned_once_until_the_file_changes(files, cache, monkeypatch):
    pattern = files / "pairs-train.tfrecord-*"
    open_records(pattern)
    assert len(list(cache.iterdir())) == 3
    scanned = []
    monkeypatch.setattr(
        shard, "scan_offsets", lambda p: scanned.append(p) or scan_offsets(p)
    )
    source = open_records(pattern)
    assert (len(source), source[5], scanned) == (7, RECORDS[5], [])
    changed = files / "pairs-train.tfrecord-00001-of-00003"
    write(changed, RECORDS[:2])
    assert len(open_records(pattern)) == 8
    assert scanned == [str(changed)]


def test_an_unusable_cache_is_ignored(files, cache):
    pattern = files / "pairs-train.tfrecord-*"
    open_records(pattern)
    for file in cache.iterdir():
        file.write_bytes(b"not numpy")
    assert open_records(pattern)[6] == RECORDS[6]
    no_folder = files / "a_file"
    no_folder.write_bytes(b"")
    assert open_records(pattern, cache_dir=no_folder)[6] == RECORDS[6]


def test_a_pickled_copy_reads_the_same_records(files):
    source = open_records(files / "pairs-train.tfrecord-*")
    copy = pickle.loads(pickle.dumps(source))
    assert (repr(copy), copy[4]) == (repr(source), RECORDS[4])
    assert len(pickle.dumps(source)) < 2000


def test_grain_reads_from_a_source(files):
    grain = pytest.importorskip("grain")
    source = open_records(files / "pairs-train.tfrecord-*")
    keys = [r.provenance.key for r in RECORDS]
    dataset = (
        grain.MapDataset.source(source)
        .shuffle(seed=1)
        .map(lambda one: one.provenance.key)
        .batch(7)
    )
    (batch,) = list(dataset.to_iter_dataset())
    assert list(batch) != keys
    assert sorted(batch) == sorted(keys)
    loader = grain.DataLoader(
        data_source=source,
        sampler=grain.samplers.SequentialSampler(7),
        worker_count=0,
    )
    assert list(loader) == RECORDS


def dataset(folder, counts, split="train", **changes):
    entry = {
        "name": split,
        "shardLengths": [str(n) for n in counts],
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    }
    info = {"name": "pairs", "fileFormat": "tfrecord", "splits": [entry]} | changes
    (folder / "dataset_info.json").write_text(json.dumps(info))


def test_a_dataset_is_found_in_its_folder_or_the_parent(files):
    dataset(files, [3, 1, 3])
    (files / ".next").mkdir()
    dataset(files / ".next", [9])
    for folder in (files, files.parent):
        source = open_records(folder, "train")
        assert [source[i] for i in range(7)] == RECORDS
    with pytest.raises(InputError, match="split test is not one of train"):
        open_records(files, "test")


def test_a_shard_with_fewer_records_than_dataset_info_is_an_error(files):
    dataset(files, [3, 2, 2])
    source = open_records(files, "train")
    with pytest.raises(RunError, match=r"00001-of-00003: record 1 is missing"):
        source[4]


def test_missing_files_datasets_and_splits_are_errors(files, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no such folder or file"):
        open_records(tmp_path / "nothing*")
    with pytest.raises(InputError, match="no dataset here"):
        open_records(tmp_path / "empty", "train")
    with pytest.raises(InputError, match="the folder of their dataset"):
        open_records(files / "pairs*", "train")
    dataset(files, [3, 1, 3, 1])
    with pytest.raises(InputError, match="no such file of records"):
        open_records(files, "train")[7]
    (files / "dataset_info.json").write_text("{}")
    with pytest.raises(InputError, match=r"dataset_info\.json: not what TFDS writes"):
        open_records(files, "train")


def test_an_absurd_length_is_an_error_without_an_allocation(tmp_path):
    path = tmp_path / "x.tfrecord"
    length = struct.pack("<Q", 1 << 60)
    path.write_bytes(length + struct.pack("<I", masked_crc(length)))
    with pytest.raises(RunError, match="record 0 ends at byte"):
        read_all(path)


def test_remote_files_are_read(files, monkeypatch):
    memory = pytest.importorskip("fsspec.implementations.memory")
    from etils.epath import backend, gpath

    class Bucket(memory.MemoryFileSystem):
        """Names without a leading slash, as in object stores."""

        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(path.removeprefix("s3://"))

        def glob(self, path, **options):
            return [p.lstrip("/") for p in super().glob(path, **options)]

    bucket = Bucket()
    # With TensorFlow installed, etils would use TensorFlow's file system instead.
    monkeypatch.setattr(gpath, "_is_tf_installed", lambda: False)
    monkeypatch.setattr(backend.fsspec_backend, "_get_filesystem", lambda _: bucket)
    for file in files.glob("*-of-00003"):
        bucket.pipe_file(f"s3://bucket/data/{file.name}", file.read_bytes())
    source = open_records("s3://bucket/data/pairs-train.tfrecord-*")
    assert [source[i] for i in range(7)] == RECORDS


def test_array_record_is_read_at_random_and_damage_detected(tmp_path):
    module = pytest.importorskip("array_record.python.array_record_module")
    path = tmp_path / "pairs-train.array_record-00000-of-00001"
    writer = module.ArrayRecordWriter(str(path), "group_size:1")
    for one in RECORDS:
        writer.write(to_example(one))
    writer.close()
    dataset(tmp_path, [7], fileFormat="array_record")
    source = pickle.loads(pickle.dumps(open_records(tmp_path, "train")))
    assert [source[i] for i in range(7)] == RECORDS
    flip(path, path.stat().st_size // 2)
    with pytest.raises(RunError, match=r"array_record-00000-of-00001: record \d"):
        [open_records(tmp_path, "train")[i] for i in range(7)]
