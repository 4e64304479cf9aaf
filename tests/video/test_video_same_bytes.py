"""Encoder output does not depend on uninitialised memory."""

import os
import subprocess
import sys

import numpy as np
import pytest

from stereojax.synthetic import make_film

PROGRAM = """
import hashlib, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from stereojax.stage_types import VideoInfo
from stereojax.video.writing.segment_writer import SegmentWriter
from stereojax.video.writing.encoding import choose_encoding
path, codec, pictures = Path(sys.argv[1]), sys.argv[2], np.load(sys.argv[3])
height, width = pictures.shape[1:3]
info = VideoInfo(path, width, height, Fraction(24), Fraction(1, 24), 1.0, "yuv420p", 8)
with SegmentWriter(path, choose_encoding(info, "right", codec=codec)) as writer:
    for picture in pictures:
        writer.write(picture)
print(hashlib.md5(path.read_bytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Writes stereo frames of an unaligned size to a file."""
    film = make_film(3, frames=16, height=54, width=96, shots=1)
    both = [np.concatenate([f.left, f.right], axis=1) for f in film.render()]
    path = tmp_path_factory.mktemp("pictures") / "pictures.npy"
    np.save(path, np.rint(np.stack(both) * 255).astype(np.uint8))
    return path


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "ffv1"])
def test_bytes_do_not_depend_on_uninitialised_memory(codec, pictures, tmp_path):
    digests = set()
    for fill in ("1", "85", "170"):
        # glibc fills each block of memory that it allocates or frees with this byte.
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, tmp_path / "film.mkv", codec, pictures],
            env=os.environ | {"MALLOC_PERTURB_": fill},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(result.stdout)
    assert len(digests) == 1
