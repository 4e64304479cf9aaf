"""The memory of data preparation does not grow with the film."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

pytest.importorskip("apache_beam")

from stereojax.synthetic import make_film, write_film

ROOT = Path(__file__).parents[2]


def write_repeated(source, target, times):
    """Writes a film that repeats `source`; each repeat is one code value brighter."""
    import av

    with av.open(str(source)) as film:
        frames = [f.to_ndarray(format="rgb24") for f in film.decode(video=0)]
    with av.open(str(target), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=Fraction(24))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for i in range(times * len(frames)):
            picture = frames[i % len(frames)] // 2 + i // len(frames)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="bgr0")))
        container.mux(stream.encode(None))


def peak_memory(films, output):
    """Runs data preparation; returns its peak resident memory in bytes."""
    command = [sys.executable, "-m", "data_prep", "--config=data_stereo:runlocal"]
    command += [f"--input={films}", f"--output={output}", "--config.longest=12"]
    command += ["--config.width=256", "--config.height=144"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss * 1024


@pytest.mark.slow
def test_memory_does_not_grow_with_the_film(tmp_path):
    film = make_film(0, frames=24, height=144, width=256, shots=1)
    source = write_film(film, tmp_path / "film").sbs
    peaks = []
    for times in (2, 20):
        target = tmp_path / f"{times}_sbs.mkv"
        write_repeated(source, target, times)
        peaks.append(peak_memory(target, tmp_path / f"out{times}"))
    assert peaks[1] < 1.05 * peaks[0], peaks
