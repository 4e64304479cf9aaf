"""The Beam runner: its options, its worker processes, and the lock of the job."""

import pytest
from fake_films import SETTINGS, run

pytest.importorskip("apache_beam")
pytest.importorskip("tensorflow_datasets")

from data_prep import beam
from data_prep.beam import Runner
from data_prep.prepare import prepare
from stereojax.cli import InputError
from stereojax.storage.work_folder import WorkFolder

pytestmark = pytest.mark.usefixtures("extractions")


def test_the_work_folder_is_locked_against_a_second_job(films, tmp_path):
    (tmp_path / "out").mkdir()
    in_use = pytest.raises(InputError, match="in use by another run")
    with WorkFolder(tmp_path / "out" / "work").locked(), in_use:
        run(films, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "words"),
    [("'", "No closing quotation"), ("runner=x", "is not an option")],
)
def test_bad_beam_options_are_errors(films, tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        prepare(str(films), str(tmp_path / "out"), SETTINGS, Runner(options))


def test_workers_are_refused_with_a_remote_runner(films, tmp_path):
    runner = Runner("--runner=FlinkRunner --flink_master=nowhere:1", workers=2)
    with pytest.raises(InputError, match="FlinkRunner has an option of its own"):
        prepare(str(films), str(tmp_path / "out"), SETTINGS, runner)


def test_the_log_of_worker_processes_is_a_local_file(tmp_path):
    assert beam._worker_log(str(tmp_path)) == tmp_path / "workers.log"
    remote = beam._worker_log("gs://bucket/out/work")
    assert remote.parent.is_dir() and "gs:" not in str(remote)
