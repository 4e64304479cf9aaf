"""The memory of a conversion does not grow with the film."""

import os
import subprocess
import sys

import pytest
from clips import picture, write_film


def peak(source, output, config="fast:runlocal"):
    """Returns the peak memory of a conversion in bytes."""
    command = [sys.executable, "-m", "stereojax.infer", f"--config={config}"]
    command += [f"--input={source}", f"--output={output}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss * 1024


@pytest.mark.slow
def test_memory_does_not_grow_with_ten_times_the_frames(tmp_path):
    peaks = []
    for frames in (150, 1500):
        images = (picture(i, 160, 90) for i in range(frames))
        source = write_film(tmp_path / f"{frames}.mp4", list(images))
        peaks.append(peak(source, tmp_path / f"{frames}_3d.mp4"))
    assert peaks[1] < 1.05 * peaks[0]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_diffusion_fill(tmp_path):
    peaks, lengths, (width, height) = [], (40, 240), (320, 180)
    for frames in lengths:
        images = (picture(i, width, height) for i in range(frames))
        source = write_film(tmp_path / f"{frames}.mp4", list(images))
        output = tmp_path / f"{frames}_3d.mp4"
        peaks.append(peak(source, output, "stereocrafter:runlocal"))
    # Half of the bytes of the additional right views of the longer film.
    room = (lengths[1] - lengths[0]) * width * height * 3 / 2
    assert peaks[1] - peaks[0] < room
