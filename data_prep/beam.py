"""The Beam pipelines: films to records, and records to shards.

Pipelines return their results through a file, because any runner can write one: values
inside a pipeline stay on the runner's machines.
"""

import dataclasses
import json
import logging
import os
import shlex
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from data_prep.film_task import FilmResult, ProcessFilm, hash_film
from data_prep.shards import ShardPlan, write_shard
from stereojax.cli import InputError, RunError, line_of

_LOCAL_RUNNERS = (None, "DirectRunner", "FnApiRunner")
_WORKER_MODULE = "apache_beam.runners.worker.sdk_worker_main"


@dataclasses.dataclass(frozen=True)
class Runner:
    """Runs pipelines on this machine, or with the runner that `options` name.

    Without `--runner`, or with DirectRunner, pipelines run in this process, or in
    `workers` processes of this machine.
    """

    options: str = ""  # Beam's options, as on a command line
    workers: int = 1

    def run(self, build: Callable[[Any], None], log: Path, tasks: int) -> None:
        """Builds a pipeline and waits for its end.

        Args:
          build: adds the transforms to a pipeline.
          log: the log file of worker processes on this machine.
          tasks: number of elements; no more worker processes are started.

        Raises:
          RunError: a worker process stopped.
        """
        beam = _import_beam()
        options = beam.options.pipeline_options.PipelineOptions(self._option_words())
        # Runners on other machines start their own workers.
        name = options.get_all_options().get("runner")
        if name not in _LOCAL_RUNNERS:
            if self.workers > 1:
                raise InputError(
                    f"--workers={self.workers} are processes of this machine; {name}"
                    " has an option of its own in --beam_options"
                )
            with beam.Pipeline(options=options) as pipeline:
                build(pipeline)
            return

        # One process: run the pipeline in this one.
        direct = options.view_as(beam.options.pipeline_options.DirectOptions)
        if self.workers > 1:
            direct.direct_num_workers = self.workers
            direct.direct_running_mode = "multi_processing"
        direct.direct_num_workers = min(direct.direct_num_workers, max(tasks, 1))
        multiple = direct.direct_running_mode == "multi_processing"
        if not multiple or direct.direct_num_workers == 1:
            if multiple:
                direct.direct_running_mode = "in_memory"
            with beam.Pipeline(
                runner=_local_runner(options), options=options
            ) as pipeline:
                build(pipeline)
            return

        # Several processes. Beam's multi-processing mode would print the output of its
        # workers on this terminal; `_local_runner` sends it to the log.
        direct.direct_running_mode = "in_memory"
        runner = _local_runner(options, log)
        try:
            with beam.Pipeline(runner=runner, options=options) as pipeline:
                build(pipeline)
        except RuntimeError as error:
            raise RunError(
                f"a worker process stopped ({line_of(error)}); see {log}"
            ) from error

    def _option_words(self) -> list[str]:
        try:
            words = shlex.split(self.options)
        except ValueError as error:
            raise InputError(f"--beam_options={self.options}: {error}") from error
        if stray := [w for w in words if not w.startswith("-")]:
            raise InputError(
                f"--beam_options: {stray[0]!r} is not an option; write --name=value"
            )
        return words


def process_films(
    films: Sequence[str], process: ProcessFilm, runner: Runner
) -> list[FilmResult]:
    """Processes all films; returns their results, sorted by path."""

    def build(pipeline: Any) -> Any:
        beam = _import_beam()
        return (
            pipeline
            | "Films" >> beam.Create(list(films))
            | "SpreadFilms" >> beam.Reshuffle()
            | "Identify" >> beam.Map(hash_film)
            # Files of equal content form one element, so that one worker has them.
            | "SameFilms" >> beam.GroupByKey()
            | "Process" >> beam.FlatMap(process)
            | "Count" >> beam.Map(_count_status)
        )

    rows = _run_and_collect(runner, build, process.work, len(films))
    results = [FilmResult(**row | {"offsets": tuple(row["offsets"])}) for row in rows]
    return sorted(results, key=lambda result: result.path)


def write_shards(
    plans: Sequence[ShardPlan], work: str, folder: str, runner: Runner
) -> int:
    """Writes the missing shards to `folder`; returns how many.

    Raises:
      RunError: a shard cannot be written, or a record in the work folder is damaged.
    """

    def build(pipeline: Any) -> Any:
        beam = _import_beam()
        return (
            pipeline
            | "Shards" >> beam.Create(list(plans))
            | "SpreadShards" >> beam.Reshuffle()
            | "Write" >> beam.Map(_write_shard, work, folder)
        )

    rows = _run_and_collect(runner, build, work, len(plans))
    if errors := sorted(row["error"] for row in rows if row["error"]):
        raise RunError(errors[0])
    return sum(row["written"] > 0 for row in rows)


def _write_shard(plan: ShardPlan, work: str, folder: str) -> dict[str, Any]:
    try:
        return {"written": write_shard(plan, epath.Path(work), folder), "error": ""}
    except (RunError, OSError) as error:
        return {"written": 0, "error": f"{plan.name}: {error}"}


def _count_status(result: FilmResult) -> dict[str, Any]:
    """Increments a Beam counter, which runners show while the job runs."""
    from apache_beam.metrics import Metrics

    Metrics.counter("data_prep", f"films_{result.status}").inc()
    return dataclasses.asdict(result)


def _run_and_collect(
    runner: Runner, build: Callable[[Any], Any], work: str, tasks: int
) -> list[dict[str, Any]]:
    """Runs the pipeline that `build` makes; returns its output dictionaries."""
    path = epath.Path(work) / f".results-{uuid.uuid4().hex[:8]}.json"

    def build_and_save(pipeline: Any) -> None:
        beam = _import_beam()
        rows = build(pipeline) | "Gather" >> beam.combiners.ToList()
        _ = rows | "Save" >> beam.Map(_save_rows, os.fspath(path))

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        runner.run(build_and_save, _worker_log(work), tasks)
        return json.loads(path.read_text())
    finally:
        path.unlink(missing_ok=True)


def _worker_log(work: str) -> Path:
    """Returns the log file of worker processes: local, since a shell writes it."""
    if "://" not in work:
        return Path(work) / "workers.log"
    return Path(tempfile.gettempdir()) / f"data_prep-{uuid.uuid4().hex[:8]}.log"


def _save_rows(rows: list[dict[str, Any]], path: str) -> None:
    epath.Path(path).write_text(json.dumps(rows))


def _local_runner(options: Any, log: Path | None = None) -> Any:
    """Returns the runner inside this process; with `log`, it has worker processes.

    Beam's DirectRunner would first try to download another runner.
    """
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner, fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    environment = None
    if log is not None:
        command = f"{shlex.quote(sys.executable)} -m {_WORKER_MODULE}"
        environment = SubprocessSDKEnvironment.from_command_string(
            f"exec {command} >>{shlex.quote(os.fspath(log))} 2>&1"
        )
    return FnApiRunner(
        default_environment=environment,
        provision_info=fn_runner.ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
        ),
    )


def _import_beam() -> Any:
    """Imports Apache Beam without its warnings about missing cloud libraries."""
    logging.disable(logging.WARNING)
    try:
        import apache_beam
    except ImportError as error:
        raise InputError(
            "apache_beam is not installed; run: pip install 'stereojax[data]'"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    return apache_beam
