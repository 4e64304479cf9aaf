"""The dataset as TFDS and `open_records` read it."""

import dataclasses

import numpy as np
import pytest
from fake_films import SETTINGS, run

pytest.importorskip("apache_beam")
pytest.importorskip("tensorflow_datasets")

from stereojax.records import decode_record, open_records, to_example

pytestmark = pytest.mark.usefixtures("extractions")


def test_tfds_and_open_records_read_equal_records(films, tmp_path):
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
    for i, (raw_example, example) in enumerate(zip(raw, decoded, strict=True)):
        record = source[i]
        frames = decode_record(record)
        for name in skip:
            assert tuple(raw_example[name].numpy()) == getattr(record, name)
        # TensorFlow's inverse cosine transform for JPEG is faster and less exact.
        error = np.abs(example["left"].numpy().astype(int) - frames.left)
        assert (error.mean() < 1.5) and (error.max() <= 8)
        steps = example["disparity"].numpy()[..., 0].astype(np.float32)
        pixels = steps * example["disparity_scale"].numpy()
        pixels += example["disparity_offset"].numpy()
        assert np.array_equal(pixels, frames.disparity)
        # PNG is lossless: both decoders agree exactly.
        assert np.array_equal(example["warped"].numpy(), frames.warped)
        holes = example["occlusion"].numpy()[..., 0] / np.float32(65535)
        assert np.array_equal(holes, frames.occlusion)
        for name, value in dataclasses.asdict(record.provenance).items():
            value_read = example["provenance"][name].numpy()
            assert (
                value_read.decode() if isinstance(value_read, bytes) else value_read
            ) == value
        count += 1
    assert count == len(source) > 0


def test_tfds_and_open_records_read_array_record_at_random(films, tmp_path):
    import tensorflow_datasets as tfds

    run(films, tmp_path / "one")
    run(
        films,
        tmp_path / "out",
        dataclasses.replace(SETTINGS, file_format="array_record"),
    )
    tfds_source = tfds.data_source(
        "stereo_pairs", data_dir=tmp_path / "out", split="train"
    )
    records = open_records(tmp_path / "out", "train")
    tfrecords = open_records(tmp_path / "one", "train")
    assert len(tfds_source) == len(records) == len(tfrecords)
    for i in (len(records) - 1, 0):
        assert to_example(records[i]) == to_example(tfrecords[i])
        frames = decode_record(records[i])
        assert np.array_equal(np.stack(tfds_source[i]["left"]), frames.left)
        key = tfds_source[i]["provenance"]["source_hash"].decode()
        assert key == records[i].provenance.source_hash
