"""A film that crashes its process is one failed film."""

import os
import signal

import pytest
from fake_films import write_films

from data_prep import film_task
from data_prep.film_task import FAILED, ProcessFilm, identify
from data_prep.subprocess_worker import Died, Isolated
from stereojax.settings.data import DataSettings


def crash(number):
    os.kill(os.getpid(), number)


@pytest.fixture
def isolated():
    process = Isolated()
    yield process
    process.stop()


def test_work_is_done_elsewhere_and_always_in_the_same_process(isolated):
    there = isolated.call(os.getpid)
    assert there != os.getpid()
    assert isolated.call(os.getpid) == there


def test_a_crash_is_told_and_the_next_call_has_another_process(isolated):
    there = isolated.call(os.getpid)
    with pytest.raises(Died, match=r"killed by SIGSEGV$"):
        isolated.call(crash, signal.SIGSEGV.value)
    with pytest.raises(Died, match="killed by SIGKILL; out of memory"):
        isolated.call(crash, signal.SIGKILL.value)
    assert isolated.call(os.getpid) != there


def test_a_process_that_cannot_start_is_not_kept(isolated, monkeypatch):
    def full(self):
        raise OSError("no more processes")

    with monkeypatch.context() as patched:
        patched.setattr("multiprocessing.process.BaseProcess.start", full)
        with pytest.raises(OSError, match="no more processes"):
            isolated.call(os.getpid)
    assert isolated.call(os.getpid) != os.getpid()


def test_a_film_that_crashes_is_a_failed_one(tmp_path, monkeypatch):
    films = write_films(tmp_path / "films", a=1)
    item = identify(str(films / "a.mp4"))
    process = ProcessFilm(DataSettings(), str(tmp_path / "work"))
    monkeypatch.setattr(film_task, "make_film_elsewhere", os.abort)
    monkeypatch.setattr(film_task, "SHARED", CallsNothing())
    (result,) = process((item[0], [item[1]]))
    assert result.status == FAILED
    assert result.message == f"{films / 'a.mp4'}: killed by SIGABRT"


class CallsNothing:
    def call(self, work, *given):
        assert work is os.abort
        raise Died("killed by SIGABRT")
