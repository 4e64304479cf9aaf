"""The written files contain the rendered frames."""

import os
import subprocess
import sys

import av
import numpy as np
import pytest

from stereojax.synthetic import make_film, write_film
from stereojax.synthetic.write import to_bytes

# Writes smooth moving waves, in which any change of an encoder decision shows.
WRITE_LEFT = """
import hashlib, sys
from pathlib import Path
from types import SimpleNamespace
import av, numpy as np
from stereojax.synthetic import make_film, write
film = make_film(0, frames=12, height=90, width=160, shots=1)
y, x = np.mgrid[:90, :160]
with write._left_writer(Path(sys.argv[1]), film) as write_frame:
    for i in range(12):
        wave = np.sin((x + 2.3 * i) / 9)[..., None] * [0.2, 0.12, -0.16]
        wave += np.cos((y - 1.1 * i) / 7)[..., None] * [0.15, -0.08, 0.05]
        write_frame(SimpleNamespace(left=0.5 + wave))
with av.open(sys.argv[1]) as container:
    frames = [f.to_ndarray().tobytes() for f in container.decode(video=0)]
print(len(frames), hashlib.md5(b"".join(frames)).hexdigest())
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    film = make_film(7, frames=5, shots=1, height=36, width=64)
    stem = tmp_path_factory.mktemp("film") / "deep" / "film"
    counted = []
    paths = write_film(film, stem, on_frame=counted.append)
    assert counted == [1] * 5
    return list(film.render()), paths


def decode(path):
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]


def test_sbs_is_lossless_and_tagged(written):
    frames, paths = written
    assert paths.sbs.name == "film_sbs.mkv"
    decoded = decode(paths.sbs)
    assert len(decoded) == 5
    for picture, frame in zip(decoded, frames, strict=True):
        both = np.concatenate([frame.left, frame.right], axis=1)
        np.testing.assert_array_equal(picture, to_bytes(both))
    with av.open(str(paths.sbs)) as container:
        stream = container.streams.video[0]
        assert stream.metadata["stereo_mode"] == "left_right"
        assert stream.average_rate == 24


def test_left_file_is_an_ordinary_2d_video(written):
    frames, paths = written
    with av.open(str(paths.left)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height) == (64, 36)
        assert video.average_rate == 24
        assert container.metadata["title"] == "Synthetic film 7"
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio)])
        assert sound.std() > 0.03
        assert len(sound) / audio.rate == pytest.approx(5 / 24, abs=0.05)
    decoded = decode(paths.left)
    assert len(decoded) == 5
    for picture, frame in zip(decoded, frames, strict=True):
        error = np.mean((picture / 255.0 - frame.left) ** 2)
        assert -10 * np.log10(error) > 27  # at 64 pixels wide, 4:2:0 loses much


def test_left_file_does_not_depend_on_uninitialised_memory(tmp_path):
    outputs = set()
    for fill in ("1", "85", "170"):
        # glibc fills each block of memory that it allocates or frees with this byte.
        result = subprocess.run(
            [sys.executable, "-c", WRITE_LEFT, str(tmp_path / "film.mp4")],
            env=os.environ | {"MALLOC_PERTURB_": fill},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(result.stdout)
    assert len(outputs) == 1
    assert outputs.pop().startswith("12 ")


def test_disparity_is_the_rendered_one(written):
    frames, paths = written
    with np.load(paths.disparity) as file:
        assert file.files == ["disparity"]
        disparity = file["disparity"]
    assert disparity.dtype == np.float32
    np.testing.assert_array_equal(disparity, [f.disparity for f in frames])


def test_odd_sizes_are_written(tmp_path):
    film = make_film(7, frames=1, shots=1, height=35, width=51)
    paths = write_film(film, tmp_path / "odd")
    assert decode(paths.sbs)[0].shape == (35, 102, 3)
    assert decode(paths.left)[0].shape == (35, 51, 3)


def test_interrupted_render_keeps_the_old_files(tmp_path):
    film = make_film(7, frames=3, shots=1, height=36, width=64)
    (tmp_path / "film.mp4").write_text("old content")

    def stop(frames):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_film(film, tmp_path / "film", on_frame=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_text() == "old content"


def test_command_line(tmp_path):
    def run(*flags):
        command = [sys.executable, "-m", "stereojax.synthetic", *flags]
        return subprocess.run(command, capture_output=True, text=True)

    size = "--frames=2", "--shots=1", "--width=64", "--height=36"
    result = run(f"--output={tmp_path}/film", "--seed=7", *size)
    assert result.returncode == 0, result.stderr
    names = ["film.mp4", "film_disparity.npz", "film_sbs.mkv"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    film = make_film(7, frames=2, shots=1, height=36, width=64)
    with np.load(tmp_path / "film_disparity.npz") as file:
        expected = [f.disparity for f in film.render()]
        np.testing.assert_array_equal(file["disparity"], expected)
    result = run(f"--output={tmp_path}/other", *size, "--shots=9")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "--shots=9" in result.stderr
    assert len(list(tmp_path.iterdir())) == 3
