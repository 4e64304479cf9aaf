"""Small records with a value in every field."""

import itertools

import numpy as np

from stereojax.records import Provenance, encode_record
from stereojax.records.tfrecord import read_record, scan_offsets


def provenance(**changes) -> Provenance:
    fields = {
        "source": "film é.mkv",
        "source_hash": "0123456789abcdef" * 2,
        "kind": "stereo",
        "shot": 3,
        "first_frame": 120,
        "frame_rate": 23.976,
        "matcher": "sgbm",
        "shift": -12.5,
        "psnr": 31.7,
        "sharpness": 0.5,
    }
    return Provenance(**fields | changes)


def pictures(frames=4, height=48, width=64, seed=0):
    """Returns left, right (uint8) and disparity: smooth, and different by `seed`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / width
    phase = rng.uniform(0, 6, (2, frames, 1, 1, 3))
    waves = np.sin(9 * x[..., None] + 5 * y[..., None] + phase)
    left, right = np.rint(127.5 + 120 * waves).astype(np.uint8)
    disparity = (8 + 7 * np.sin(7 * x + phase[0, ..., 0])).astype(np.float32)
    return left, right, disparity


def record(frames=4, height=48, width=64, seed=0, **changes):
    origin = provenance(**changes)
    return encode_record(*pictures(frames, height, width, seed), origin)


def read_all(path):
    """Returns the data of every record of a TFRecord file, in order."""
    spans = itertools.pairwise(scan_offsets(path).tolist())
    return [read_record(path, number, *span) for number, span in enumerate(spans)]
