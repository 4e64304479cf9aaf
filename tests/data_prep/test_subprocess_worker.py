"""The subprocess for films: a crash fails one film and not the job."""

import os
import signal

import pytest
from fake_films import write_films

from data_prep import film_task
from data_prep.film_task import FAILED, ProcessFilm, hash_film
from data_prep.subprocess_worker import SubprocessWorker, WorkerDied
from stereojax.settings.data import DataSettings


def crash(number):
    os.kill(os.getpid(), number)


@pytest.fixture
def worker():
    worker = SubprocessWorker()
    yield worker
    worker.stop()


def test_calls_run_in_one_other_process(worker):
    process = worker.call(os.getpid)
    assert process != os.getpid()
    assert worker.call(os.getpid) == process


def test_a_crash_raises_and_the_next_call_starts_another_process(worker):
    process = worker.call(os.getpid)
    with pytest.raises(WorkerDied, match=r"killed by SIGSEGV$"):
        worker.call(crash, signal.SIGSEGV.value)
    with pytest.raises(WorkerDied, match="killed by SIGKILL; out of memory"):
        worker.call(crash, signal.SIGKILL.value)
    assert worker.call(os.getpid) != process


def test_a_process_that_cannot_start_is_started_by_the_next_call(worker, monkeypatch):
    def fail(self):
        raise OSError("no more processes")

    with monkeypatch.context() as patched:
        patched.setattr("multiprocessing.process.BaseProcess.start", fail)
        with pytest.raises(OSError, match="no more processes"):
            worker.call(os.getpid)
    assert worker.call(os.getpid) != os.getpid()


def test_a_film_that_crashes_the_worker_has_the_status_failed(tmp_path, monkeypatch):
    films = write_films(tmp_path / "films", a=1)
    item = hash_film(str(films / "a.mp4"))
    process = ProcessFilm(DataSettings(), str(tmp_path / "work"))
    monkeypatch.setattr(film_task, "write_records_in_subprocess", os.abort)
    monkeypatch.setattr(film_task, "SHARED_WORKER", DyingWorker())
    (result,) = process((item[0], [item[1]]))
    assert result.status == FAILED
    assert result.message == f"{films / 'a.mp4'}: killed by SIGABRT"


class DyingWorker:
    def call(self, function, *arguments):
        assert function is os.abort
        raise WorkerDied("killed by SIGABRT")
