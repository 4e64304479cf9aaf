"""Files that stand for films, and a quick way to make records of them.

For tests of the job around the films; what is made of real ones has its own tests.
"""

import dataclasses
import hashlib
from pathlib import Path

from record_samples import record

from data_prep.film_summary import Refused, Sample, Summary
from data_prep.work_store import RecordWriter, write_summary
from stereojax.records.pictures import read_rgb, to_png


def write_films(folder: Path, **counts) -> Path:
    """`name=n`: name.mp4, of which n records are made."""
    folder.mkdir(exist_ok=True)
    for name, count in counts.items():
        (folder / f"{name}.mp4").write_text(f"{name} {count}")
    return folder


def save(store, key, records, ended):
    """Into a `VideoStore`, all that belongs to a film at once."""
    with store.building(key) as folder:
        with RecordWriter(folder) as writer:
            for one in records:
                writer.write(one)
        write_summary(folder, ended)


class FakeProcess:
    """Takes the place of `data_prep.process.process`, and counts its calls."""

    def __init__(self):
        self.calls: list[str] = []

    def __call__(self, path, settings, save, progress=None):
        self.calls.append(path.name)
        name, count = path.read_text().split()
        if name.startswith("broken"):
            raise ValueError("the decoder\nchoked")
        if name.startswith("mono"):
            raise Refused("mono", f"{path}: not a stereo film")
        samples = [Sample(9, 999, 8, dropped="psnr", psnr=12.0)]
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
                stored = tuple(to_png(read_rgb(data)) for data in one.right)
                one = dataclasses.replace(one, warped=stored, occlusion=one.disparity)
            save(one)
            samples.append(Sample(0, 10 * i, len(one), psnr=30.0))
        return Summary(
            path.name, "h", "stereo", "sbs", 90, (90,), tuple(samples), {"match": 0.1}
        )
