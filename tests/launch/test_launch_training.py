"""The training launch scripts: the exact commands, and their handling of signals."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parents[2] / "launch"
FLAGS = ["--config=stereocrafter", "--workdir=/data/run 1", "--config.train.steps=5"]
PREEMPTED = "--preempted_exit_code=75"
SCRIPTS = {
    "local": {"DEVICES": "0,1"},
    "slurm": {"NODES": "4", "PARTITION": "gpu"},
    "tpu_pod": {"TPU": "pod", "ZONE": "us-central1-a"},
    "kubernetes": {"IMAGE": "here/train:1", "CLAIM": "disk", "NODES": "2"},
    "skypilot": {"NODES": "2", "JOB_NAME": "mine"},
}


def run(name: str, *words: str, **variables: str) -> subprocess.CompletedProcess:
    # PATH contains none of the programs that the scripts run.
    return subprocess.run(
        ["/bin/bash", str(LAUNCH / f"{name}.sh"), *words],
        env={"PATH": os.defpath, **variables},
        capture_output=True,
        text=True,
    )


def dry(name: str, *words: str) -> str:
    done = run(name, "--dry_run", *words, **SCRIPTS[name])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_local():
    words = shlex.split(dry("local", *FLAGS))
    assert words == [
        *("env", "CUDA_VISIBLE_DEVICES=0,1", "python", "-m", "stereojax.train"),
        *FLAGS,
    ]


@pytest.mark.parametrize("retries", ["0", "2"])
def test_local_forwards_sigterm(tmp_path, retries):
    """Python is replaced by a script that prints when it starts and when it saves."""
    fake = tmp_path / "python"
    fake.write_text(
        "#!/bin/bash\ntrap 'echo saved; exit 7' TERM\necho started\n"
        "while :; do sleep 0.05; done\n"
    )
    fake.chmod(0o755)
    process = subprocess.Popen(
        ["/bin/bash", str(LAUNCH / "local.sh"), *FLAGS],
        env={"PATH": os.defpath, "PYTHON": str(fake), "RETRIES": retries},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert "stereojax.train" in process.stdout.readline()
    assert process.stdout.readline() == "started\n"
    process.terminate()
    assert process.communicate(timeout=60)[0] == "saved\n"
    assert process.returncode == 7


def test_local_retries_only_after_a_crash(tmp_path):
    fake = tmp_path / "python"
    fake.write_text("#!/bin/bash\necho tried\nexit ${CODE}\n")
    fake.chmod(0o755)
    for code, tries in (("1", 3), ("2", 1), ("0", 1)):
        done = run("local", *FLAGS, PYTHON=str(fake), RETRIES="2", CODE=code)
        assert done.returncode == int(code)
        assert done.stdout.count("tried") == tries


@pytest.mark.parametrize("name", SCRIPTS)
def test_dry_run_may_be_any_argument(name):
    done = run(name, *FLAGS[:1], "--dry_run", *FLAGS[1:], **SCRIPTS[name])
    assert done.returncode == 0 and done.stdout == dry(name, *FLAGS)


def test_slurm():
    first, *words = shlex.split(dry("slurm", *FLAGS))
    assert first == "sbatch"
    assert {"--nodes=4", "--ntasks-per-node=1", "--partition=gpu", "--requeue"} < {
        *words
    }
    script = words[-1].removeprefix("--wrap=")
    inner = shlex.split(script.partition("||")[0])
    assert inner[:2] == ["srun", "--kill-on-bad-exit=1"]
    assert inner[2:] == ["python", "-m", "stereojax.train", *FLAGS, PREEMPTED]


@pytest.mark.parametrize(("code", "again"), [(0, False), (1, False), (75, True)])
def test_slurm_requeues_a_preempted_run(tmp_path, code, again):
    """Runs the job's script with stand-ins for Slurm's programs."""
    words = shlex.split(dry("slurm", *FLAGS))
    for name, script in (("srun", f"exit {code}"), ("scontrol", 'echo "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", words[-1].removeprefix("--wrap=")],
        env={"PATH": f"{tmp_path}:{os.defpath}", "SLURM_JOB_ID": "12"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout == ("requeue 12\n" if again else "")


def test_tpu_pod():
    words = shlex.split(dry("tpu_pod", *FLAGS))
    assert words[:7] == ["gcloud", "compute", "tpus", "tpu-vm", "ssh", "pod",
                         "--zone=us-central1-a"]  # fmt: skip
    assert "--worker=all" in words
    inner = shlex.split(words[-1].removeprefix("--command="))
    assert inner[-6:] == ["python3", "-m", "stereojax.train", *FLAGS]


def test_kubernetes():
    import yaml

    first, _, manifest = dry("kubernetes", *FLAGS).partition("\n")
    assert shlex.split(first) == ["kubectl", "apply", "-f", "-"]
    spec = yaml.safe_load(manifest)["spec"]
    # A wrong flag fails the JobSet without a restart.
    (rule,) = spec["failurePolicy"]["rules"]
    assert rule["action"] == "FailJobSet"
    (job,) = spec["replicatedJobs"]
    (rule,) = job["template"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob" and rule["onExitCodes"]["values"] == [2]
    assert job["template"]["spec"]["completions"] == 2
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "here/train:1"
    assert container["command"] == [
        *("python", "-m", "stereojax.train"),
        *FLAGS,
        PREEMPTED,
        "--coordinator_address=stereojax-train-0-0.stereojax:6006",
        "--num_processes=2",
        "--process_id=$(RANK)",
    ]


def test_skypilot(tmp_path):
    """Runs the task's script in a shell, with a stand-in for Python."""
    import yaml

    first, _, text = dry("skypilot", *FLAGS).partition("\n")
    assert shlex.split(first) == ["sky", "jobs", "launch", "--yes", "TASK.yaml"]
    task = yaml.safe_load(text)
    assert Path(task["workdir"]) == LAUNCH.parent and task["num_nodes"] == 2
    assert task["resources"] == {
        "accelerators": "H100:8",
        "use_spot": True,
        "job_recovery": {"max_restarts_on_errors": 100},
    }
    assert task["setup"] == "pip install '.[cuda,gcs]'\n"
    (tmp_path / "python").write_text('#!/bin/sh\nfor x in "$@"; do echo "$x"; done\n')
    (tmp_path / "python").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.defpath}",
        "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2",
        "SKYPILOT_NUM_NODES": "2",
        "SKYPILOT_NODE_RANK": "1",
    }
    done = subprocess.run(
        ["/bin/bash", "-c", task["run"]],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        *("-m", "stereojax.train", *FLAGS, PREEMPTED),
        *("--coordinator_address=10.0.0.1:6006", "--num_processes=2"),
        "--process_id=1",
    ]


@pytest.mark.parametrize("name", SCRIPTS)
def test_without_flags_the_help_is_printed(name):
    done = run(name, **SCRIPTS[name])
    assert done.returncode == 2 and f"launch/{name}.sh [--dry_run]" in done.stderr


@pytest.mark.parametrize(
    ("name", "missing"), [("tpu_pod", "TPU"), ("kubernetes", "IMAGE")]
)
def test_a_missing_variable_is_named(name, missing):
    done = run(name, "--dry_run", *FLAGS)
    assert done.returncode == 2
    assert f"error: {missing} is not set" in done.stderr


@pytest.mark.parametrize("script", sorted(LAUNCH.glob("*.sh")), ids=lambda p: p.stem)
def test_shellcheck_finds_nothing(script):
    shellcheck = Path(sys.executable).with_name(
        "shellcheck"
    )  # installed by the extra `test`
    done = subprocess.run(
        [shellcheck, "--external-sources", script], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
