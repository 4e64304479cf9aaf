"""`python -m data_prep` as a command, on real and on rendered films."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("apache_beam")
pytest.importorskip("tensorflow_datasets")

from data_prep.beam import Runner
from data_prep.prepare import prepare
from stereojax.records import open_records
from stereojax.settings.load import resolve_data
from stereojax.synthetic import make_film, write_film

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
SMALL = {"width": 256, "height": 144}


def command(films, output, *flags):
    paths = [f"--input={films}", f"--output={output}"]
    config = ["--config=data_stereo:runlocal"]
    config += [f"--config.{name}={value}" for name, value in SMALL.items()]
    return [sys.executable, "-m", "data_prep", *config, *paths, *flags]


def start(films, output, *flags):
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        command(films, output, *flags),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("STEREOJAX_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for seed in range(3):
        film = make_film(seed, frames=10, height=144, width=256, shots=1)
        paths = write_film(film, folder / f"film{seed}")
        paths.left.unlink()  # a film of the left view alone would be refused
    return folder


@pytest.fixture(scope="module")
def uninterrupted(films, tmp_path_factory):
    """Returns the output folder of a run that was not stopped."""
    output = tmp_path_factory.mktemp("uninterrupted")
    settings = resolve_data("data_stereo:runlocal", SMALL)
    report = prepare(str(films), str(output), settings, Runner())
    assert report["counters"]["kept"] >= 2
    return output


def contents(output):
    """Returns the records of each shard, by file name."""
    folder = output / "stereo_pairs" / "1.0.0"
    shards = sorted(folder.glob("*-of-*"))
    sources = [open_records(path) for path in shards]
    return {
        path.name: [source[i] for i in range(len(source))]
        for path, source in zip(shards, sources, strict=True)
    }


def test_a_killed_run_is_resumed_to_the_same_dataset(films, uninterrupted, tmp_path):
    output = tmp_path / "out"
    job = start(films, output)
    while not list(output.glob("work/*/summary.json")):
        assert job.poll() is None, job.communicate()
        time.sleep(0.05)
    job.send_signal(signal.SIGKILL)
    job.communicate()
    done = len(list(output.glob("work/*/summary.json")))
    assert not (output / "stereo_pairs").exists()
    assert 1 <= done < 3
    settings = resolve_data("data_stereo:runlocal", SMALL)
    report = prepare(str(films), str(output), settings, Runner())
    assert report["counters"]["films_reused"] == done
    assert report["counters"]["films_processed"] == 3 - done
    assert contents(output) == contents(uninterrupted)
    assert not list(output.glob("work/.*"))


def test_two_processes_make_the_same_dataset_as_one(films, uninterrupted, tmp_path):
    job = start(films, tmp_path / "two", "--workers=2")
    out, err = job.communicate(timeout=300)
    assert job.returncode == 0, err
    assert "films_processed: 3" in out
    assert contents(tmp_path / "two") == contents(uninterrupted)


def test_a_film_with_one_view_is_refused_with_the_reason(tmp_path):
    mono = DATA / "rollercoaster.mp4"
    if not mono.exists():
        pytest.skip(f"{mono} does not exist")
    job = start(mono, tmp_path / "out")
    _, err = job.communicate(timeout=300)
    assert job.returncode == 2
    assert "not a stereo film" in err
    assert len([line for line in err.splitlines() if "error" in line]) == 1
    assert not (tmp_path / "out" / "stereo_pairs").exists()


def test_a_real_stereo_film_becomes_a_dataset(tmp_path):
    stereo = DATA / "office_stereo_sbs.mp4"
    if not stereo.exists():
        pytest.skip(f"{stereo} does not exist")
    settings = resolve_data("data_stereo:runlocal", {})
    report = prepare(str(stereo), str(tmp_path / "out"), settings, Runner())
    assert report["counters"]["kept_frames"] == 10
    (record,) = open_records(tmp_path / "out", "train")
    assert (record.width, record.height, len(record)) == (512, 288, 10)
    assert record.provenance.psnr > 30


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.min_psnr=loud"], "--config.min_psnr=loud: expected a number"),
        (["--config.width=300"], "width=300: expected a multiple of 8"),
        (["--config=fast"], "--config=fast: it has no data section"),
        (["--layout=sideways"], "--layout=sideways"),
        (["--layout=sbs", "--config.layout=tb"], "differ: drop one"),
        (["--beam_options=stray"], "'stray' is not an option"),
        (["--input=/nowhere/at/all"], "--input=/nowhere/at/all: no video file there"),
    ],
)
def test_a_bad_flag_is_one_line_and_exit_code_2(films, tmp_path, flags, message):
    job = start(films, tmp_path / "out", *flags)
    _, err = job.communicate(timeout=120)
    assert (job.returncode, len(err.splitlines())) == (2, 1), err
    assert message in err
