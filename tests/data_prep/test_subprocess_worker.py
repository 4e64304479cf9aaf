"""`SubprocessWorker`: a crash in it fails one film and not the job."""

import os
import signal

import pytest
from fake_films import write_films

from data_prep import film_task
from data_prep.film_task import FAILED, ProcessFilm, hash_film
from data_prep.subprocess_worker import SubprocessWorker, WorkerDied
from stereojax.settings.data import DataSettings


def kill_self(signal_number):
    os.kill(os.getpid(), signal_number)


@pytest.fixture
def worker():
    worker = SubprocessWorker()
    yield worker
    worker.stop()


def test_all_calls_run_in_the_same_subprocess(worker):
    pid = worker.call(os.getpid)
    assert pid != os.getpid()
    assert worker.call(os.getpid) == pid


def test_a_crash_raises_and_the_next_call_starts_another_process(worker):
    pid = worker.call(os.getpid)
    with pytest.raises(WorkerDied, match=r"killed by SIGSEGV$"):
        worker.call(kill_self, signal.SIGSEGV.value)
    with pytest.raises(WorkerDied, match="killed by SIGKILL; out of memory"):
        worker.call(kill_self, signal.SIGKILL.value)
    assert worker.call(os.getpid) != pid


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
    source_hash, path = hash_film(str(films / "a.mp4"))
    process = ProcessFilm(DataSettings(), str(tmp_path / "work"))
    monkeypatch.setattr(film_task, "write_records_in_subprocess", os.abort)
    monkeypatch.setattr(film_task, "SHARED_WORKER", DyingWorker())
    (result,) = process((source_hash, [path]))
    assert result.status == FAILED
    assert result.message == f"{films / 'a.mp4'}: killed by SIGABRT"


class DyingWorker:
    """A worker that dies in every call."""

    def call(self, function, *arguments):
        assert function is os.abort
        raise WorkerDied("killed by SIGABRT")
