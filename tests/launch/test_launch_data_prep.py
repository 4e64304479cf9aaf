"""The command that launch/data_prep.sh builds, parsed as Beam parses it."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "launch" / "data_prep.sh"
CLUSTER = {
    "FLINK_MASTER": "flink:8081",
    "SPARK_MASTER": "spark://master:7077",
    "PROJECT": "films",
    "REGION": "us-central1",
    "BUCKET": "scratch",
    "IMAGE": "registry/prep:1",
}


def run(*arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if k not in CLUSTER}
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        env=clean | environment,
        capture_output=True,
        text=True,
    )


def test_the_script_is_executable_and_parses():
    done = subprocess.run(["bash", "-n", str(SCRIPT)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.access(SCRIPT, os.X_OK)


@pytest.mark.parametrize(
    ("runner", "expected"),
    [
        ("flink", {"flink_master": "flink:8081", "environment_type": "DOCKER"}),
        ("spark", {"spark_master_url": "spark://master:7077"}),
        (
            "dataflow",
            {
                "project": "films",
                "temp_location": "gs://scratch/tmp",
                "sdk_container_image": "registry/prep:1",
                "number_of_worker_harness_threads": 1,
            },
        ),
    ],
)
def test_beam_parses_every_option(runner, expected, caplog):
    options = pytest.importorskip("apache_beam.options.pipeline_options")
    flags = ["--config=data_stereo", "--input=gs://films/all of them"]
    done = run(runner, "--dry_run", *flags, **CLUSTER, BEAM_OPTIONS="--streaming")
    assert done.returncode == 0, done.stderr
    command = shlex.split(done.stdout)
    assert command[1:5] == ["-m", "data_prep", *flags]
    (beam_options,) = (w for w in command if w.startswith("--beam_options="))
    words = shlex.split(beam_options.partition("=")[2])
    parsed = options.PipelineOptions(words).get_all_options(drop_default=True)
    named = {word.lstrip("-").partition("=")[0] for word in words}
    # Beam stores these two under other names.
    assert named - set(parsed) <= {"machine_type", "environment_option"}
    assert parsed["runner"].lower() == f"{runner}runner"
    for name, value in expected.items():
        assert parsed[name] == value


def test_local_runs_worker_processes_of_this_machine():
    done = run("local", "--dry_run", "--input=films", WORKERS="4")
    command = ["python", "-m", "data_prep", "--input=films", "--workers=4"]
    assert shlex.split(done.stdout) == command


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["flink", "--dry_run"], "FLINK_MASTER is not set"),
        (["dataflow", "--dry_run"], "PROJECT is not set"),
        (["cloud"], "runner cloud: expected local"),
        (["local", "--beam_options=--runner=X"], "add options by BEAM_OPTIONS"),
        ([], "launch/data_prep.sh local"),
    ],
)
def test_missing_settings_are_named(arguments, line):
    done = run(*arguments)
    assert done.returncode == 2
    assert line in done.stderr
