"""Exit codes and error lines of an entry point, run as a user runs it."""

import subprocess
import sys
import time

import pytest

from stereojax.cli import Progress

PROGRAM = """
'''Counts things.'''
from absl import flags
from stereojax import cli
flags.DEFINE_integer("count", 1, "number of things", lower_bound=0)
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
def test_an_error_is_one_line_and_an_exit_code(body, arguments, code, line):
    done = run(body, *arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == (1 if line else 0)


def test_verbosity_1_prints_the_traceback():
    done = run("raise cli.InputError('bad')", "--verbosity=1")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_help_shows_the_docstring_and_the_flags():
    done = run("pass", "--help")
    assert done.returncode == 0
    assert "Counts things." in done.stdout
    assert "--count" in done.stdout


def test_reused_frames_do_not_count_in_the_speed(capsys):
    progress = Progress("render", 100)
    progress.skip(90)
    progress.add(5)
    progress.close()
    line = capsys.readouterr().err.strip()
    assert line.startswith("render: 95/100 frames")
    assert "left" in line


def test_short_work_prints_no_delayed_progress(capsys, monkeypatch):
    progress = Progress("hash", 4, unit="MiB", delay=1.0)
    progress.add(1)
    progress.close()
    assert capsys.readouterr().err == ""
    progress = Progress("hash", 4, unit="MiB", delay=1.0)
    later = time.monotonic() + 1.5
    monkeypatch.setattr(time, "monotonic", lambda: later)
    progress.add(1)
    assert capsys.readouterr().err.startswith("hash: 1/4 MiB")
