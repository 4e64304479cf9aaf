"""Small files that stand in for films, and a fast replacement of `extract_records`.

For tests of the job; tests of real films are in test_process_*.py.
"""

import dataclasses
import hashlib
from pathlib import Path

from record_samples import record

from data_prep.film_summary import FilmSummary, RefusalError, SequenceSummary
from data_prep.work_store import RecordWriter, write_summary
from stereojax.records import open_records, to_example
from stereojax.records.pictures import decode_rgb, encode_png
from stereojax.settings.data import DataSettings

SETTINGS = DataSettings(
    width=64, height=64, shortest=1, shard_megabytes=1, validation_percent=40.0
)


def write_films(folder: Path, **counts) -> Path:
    """Writes name.mp4 for each `name=n`; `FakeProcess` makes n records of it."""
    folder.mkdir(exist_ok=True)
    for name, count in counts.items():
        (folder / f"{name}.mp4").write_text(f"{name} {count}")
    return folder


def save(store, key, records, outcome):
    """Writes a film's records and outcome into a `WorkStore`."""
    with store.film_folder(key) as folder:
        with RecordWriter(folder) as writer:
            for one in records:
                writer.write(one)
        write_summary(folder, outcome)


class FakeProcess:
    """Replaces `film_task.extract_records`, and lists the films of its calls."""

    def __init__(self):
        self.calls: list[str] = []

    def __call__(self, path, settings, save, progress=None):
        self.calls.append(path.name)
        name, count = path.read_text().split()
        if name.startswith("broken"):
            raise ValueError("the decoder\nchoked")
        if name.startswith("mono"):
            raise RefusalError("mono", f"{path}: not a stereo film")
        samples = [SequenceSummary(9, 999, 8, dropped="psnr", psnr=12.0)]
        for i in range(int(count)):
            one = record(
                frames=2 + i % 2,
                height=settings.height,
                width=settings.width,
                seed=i,
                source=path.name,
                source_hash=hashlib.blake2b(path.read_bytes()).hexdigest(),
                first_frame=10 * i,
            )
            if settings.store_warped:
                stored = tuple(encode_png(decode_rgb(data)) for data in one.right)
                one = dataclasses.replace(one, warped=stored, occlusion=one.disparity)
            save(one)
            samples.append(SequenceSummary(0, 10 * i, len(one), psnr=30.0))
        return FilmSummary(
            path.name, "h", "stereo", "sbs", 90, (90,), tuple(samples), {"match": 0.1}
        )


def run(films, output, settings=SETTINGS, **options):
    """Runs the job without a subprocess, in which `FakeProcess` would not be seen."""
    from data_prep.beam import Runner
    from data_prep.prepare import prepare

    return prepare(
        str(films), str(output), settings, Runner(), isolated=False, **options
    )


def contents(output):
    """Returns the serialized records of every shard of a dataset, by shard name."""
    records = {}
    for split in ("train", "validation"):
        pattern = output / "stereo_pairs" / "1.0.0" / f"*-{split}.*-of-*"
        for path in sorted(pattern.parent.glob(pattern.name)):
            source = open_records(path)
            records[path.name] = [to_example(source[i]) for i in range(len(source))]
    return records
