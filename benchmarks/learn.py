"""Measures that training learns: hole PSNR of a small network on held-out scenes.

    python -m benchmarks.learn

Renders synthetic scenes into shards, trains on them by `stereojax.train`'s own loop,
and prints the hole PSNR and SSIM of the sampler's frames on held-out scenes, after the
first and the last update, and those of the background fill. Writes
benchmarks/results/learn.json. Takes a few minutes on two idle CPU cores.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import measure
from stereojax.records import Provenance, encode_record, to_example
from stereojax.records.tfrecord import TFRecordWriter
from stereojax.settings.train import TrainSettings
from stereojax.training.input.clips import Scenes
from stereojax.training.input.sources import HELD_OUT_SEED
from stereojax.training.multihost.preemption import Preemption
from stereojax.training.run import train

KEYS = ("val_psnr", "val_ssim", "val_psnr_background", "val_ssim_background")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--steps", type=int, default=400, help="number of updates")
    add("--scenes", type=int, default=48, help="number of training scenes")
    add("--validation_scenes", type=int, default=8, help="number of held-out scenes")
    add("--workdir", type=Path, help="folder to keep; default: a temporary one")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.workdir or Path(scratch)
        settings = TrainSettings(
            unet="random", vae="patches", image_encoder="random", widths="64",
            frames=2, height=32, width=64, max_stride=2, known_frames=1,
            workers=0, remat="none", steps=args.steps, batch=4, accumulate=1,
            learning_rate=1e-3, log_every=20, checkpoint_every=200, validate_every=200,
            validation_scenes=args.validation_scenes, validation_steps=8,
        )  # fmt: skip
        data = folder / "data"
        if not data.exists():
            shards(data, args.scenes, args.validation_scenes, settings)
        start = time.perf_counter()
        train(settings, folder / "run", Preemption(), data=str(data))
        seconds = time.perf_counter() - start
        lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
        table = [
            {"step": row["step"], "loss_mean": row["loss_mean"]}
            | {key: row[key] for key in KEYS}
            for row in map(json.loads, lines)
            if "val_psnr" in row
        ]
    print(measure.table(table))
    results = {"scenes": args.scenes, "seconds": seconds, "rows": table}
    print("written:", measure.save("learn", results))


def shards(folder: Path, train: int, held_out: int, settings: TrainSettings) -> None:
    """Writes a dataset of synthetic scenes in the format of data_prep."""
    folder.mkdir(parents=True)
    splits = []
    for split, count, first in (
        ("train", train, 0),
        ("validation", held_out, HELD_OUT_SEED),
    ):
        size = settings.span + 2, settings.height, settings.width
        clips = Scenes(count, *size, 12.0, first_seed=first)
        with TFRecordWriter(folder / f"scenes-{split}.tfrecord-00000-of-00001") as file:
            for i in range(count):
                clip = clips[i]
                frames = clip.frames(np.arange(len(clip)))
                origin = Provenance(
                    clip.name, f"{first + i:032x}", "stereo", 0, 0, 24.0, "exact", 0.0,
                    99.0, 0.5 * 1024 / settings.width,
                )  # fmt: skip
                record = encode_record(
                    frames.left, frames.right, frames.disparity, origin
                )
                file.write(to_example(record))
        splits.append(
            {
                "name": split,
                "shardLengths": [str(count)],
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            }
        )
    info = {"name": "scenes", "fileFormat": "tfrecord", "splits": splits}
    (folder / "dataset_info.json").write_text(json.dumps(info))


if __name__ == "__main__":
    main()
