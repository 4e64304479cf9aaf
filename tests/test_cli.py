"""Exit codes and lines of an entry point, run as its user runs it."""

import subprocess
import sys

import pytest

from stereojax.cli import Progress

PROGRAM = """
'''What it does.'''
from absl import flags
from stereojax import cli
flags.DEFINE_integer("count", 1, "how many", lower_bound=0)
def run():
    {body}
cli.main(run)
"""


def run(body, *arguments):
    code = PROGRAM.format(body=body)
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("body", "arguments", "code", "line"),
    [
        ("pass", [], 0, ""),
        ("return 3", [], 3, ""),
        ("raise cli.InputError('a\\n  b')", [], 2, "error: a b"),
        ("raise cli.RunError('broke')", [], 1, "error: broke"),
        ("{}['x']", [], 1, "error: KeyError: 'x'"),
        ("raise KeyboardInterrupt", [], 130, "interrupted"),
        ("pass", ["--nonsense=1"], 2, "error: Unknown command line flag 'nonsense'"),
        ("pass", ["--count=-1"], 2, "error: flag --count=-1"),
        ("pass", ["film.mp4"], 2, "error: unexpected argument 'film.mp4'"),
    ],
)
def test_one_line_and_a_code(body, arguments, code, line):
    done = run(body, *arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == (1 if line else 0)


def test_a_traceback_when_asked_for():
    done = run("raise cli.InputError('bad')", "--verbosity=1")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_help_shows_what_and_how():
    done = run("pass", "--help")
    assert done.returncode == 0
    assert "What it does." in done.stdout
    assert "--count" in done.stdout


def test_progress_counts_only_new_frames_in_its_speed(capsys):
    progress = Progress("render", 100)
    progress.skip(90)
    progress.add(5)
    progress.close()
    line = capsys.readouterr().err.strip()
    assert line.startswith("render: 95/100 frames")
    assert "left" in line
