"""The Beam pipelines: films to records, and records to shards.

Results come back through a file, as they do from any runner: what a pipeline returns
stays where it ran.
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

from data_prep.film_task import FilmResult, ProcessFilm, identify
from data_prep.shards import ShardPlan, write_shard
from stereojax.cli import InputError, RunError

_OURS = (None, "DirectRunner", "FnApiRunner")
_WORKER = "apache_beam.runners.worker.sdk_worker_main"


@dataclasses.dataclass(frozen=True)
class Runner:
    """Where pipelines run: `options` are Beam's, as a command line has them.

    Without `--runner`, or with DirectRunner, they run here: in this process, or in
    `workers` processes of this machine.
    """

    options: str = ""
    workers: int = 1

    def run(self, build: Callable[[Any], None], log: Path, tasks: int) -> None:
        """Builds a pipeline and waits for its end.

        Args:
          build: is given the pipeline to add to.
          log: where worker processes of this machine write what they have to say.
          tasks: how much there is to do: no more processes are started.

        Raises:
          RunError: a worker process stopped.
        """
        beam = _import_beam()
        options = beam.options.pipeline_options.PipelineOptions(self._words())
        named = options.get_all_options().get("runner")
        if named not in _OURS:
            if self.workers > 1:
                raise InputError(
                    f"--workers={self.workers} are processes of this machine; {named}"
                    " has an option of its own in --beam_options"
                )
            with beam.Pipeline(options=options) as pipeline:
                build(pipeline)
            return
        direct = options.view_as(beam.options.pipeline_options.DirectOptions)
        if self.workers > 1:
            direct.direct_num_workers = self.workers
            direct.direct_running_mode = "multi_processing"
        direct.direct_num_workers = min(direct.direct_num_workers, max(tasks, 1))
        several = direct.direct_running_mode == "multi_processing"
        if not several or direct.direct_num_workers == 1:
            if several:
                direct.direct_running_mode = "in_memory"
            with beam.Pipeline(runner=_embedded(options), options=options) as pipeline:
                build(pipeline)
            return
        # Beam would let its workers talk into this program's output.
        direct.direct_running_mode = "in_memory"
        runner = _embedded(options, log)
        try:
            with beam.Pipeline(runner=runner, options=options) as pipeline:
                build(pipeline)
        except RuntimeError as error:
            raise RunError(f"a worker process stopped ({error}); see {log}") from error

    def _words(self) -> list[str]:
        try:
            words = shlex.split(self.options)
        except ValueError as error:
            raise InputError(f"--beam_options={self.options}: {error}") from error
        if stray := [w for w in words if not w.startswith("-")]:
            raise InputError(
                f"--beam_options: {stray[0]!r} is no option; write --name=value"
            )
        return words


def process_films(
    films: Sequence[str], process: ProcessFilm, runner: Runner
) -> list[FilmResult]:
    """Every film's result, in order of path."""

    def build(pipeline: Any) -> Any:
        beam = _import_beam()
        return (
            pipeline
            | "Films" >> beam.Create(list(films))
            | "SpreadFilms" >> beam.Reshuffle()
            | "Identify" >> beam.Map(identify)
            # Files of the same content come together, and each film falls to one.
            | "SameFilms" >> beam.GroupByKey()
            | "Process" >> beam.FlatMap(process)
            | "Count" >> beam.Map(_counted)
        )

    rows = _collected(runner, build, process.work, len(films))
    results = [FilmResult(**r | {"offsets": tuple(r["offsets"])}) for r in rows]
    return sorted(results, key=lambda r: r.path)


def write_shards(
    plans: Sequence[ShardPlan], work: str, folder: str, runner: Runner
) -> int:
    """Writes those shards that are not there; returns how many.

    Raises:
      RunError: one cannot be written, or a record in the work folder is damaged.
    """

    def build(pipeline: Any) -> Any:
        beam = _import_beam()
        return (
            pipeline
            | "Shards" >> beam.Create(list(plans))
            | "SpreadShards" >> beam.Reshuffle()
            | "Write" >> beam.Map(_write_shard, work, folder)
        )

    rows = _collected(runner, build, work, len(plans))
    if errors := sorted(r["error"] for r in rows if r["error"]):
        raise RunError(errors[0])
    return sum(r["written"] > 0 for r in rows)


def _write_shard(plan: ShardPlan, work: str, folder: str) -> dict[str, Any]:
    try:
        return {"written": write_shard(plan, epath.Path(work), folder), "error": ""}
    except (RunError, OSError) as error:
        return {"written": 0, "error": f"{plan.name}: {error}"}


def _counted(result: FilmResult) -> dict[str, Any]:
    """Beam's own counter, which a runner's page shows while the job runs."""
    from apache_beam.metrics import Metrics

    Metrics.counter("data_prep", f"films_{result.status}").inc()
    return dataclasses.asdict(result)


def _collected(
    runner: Runner, build: Callable[[Any], Any], work: str, tasks: int
) -> list[dict[str, Any]]:
    """Runs what `build` makes, and gives the dictionaries that come of it."""
    path = epath.Path(work) / f".results-{uuid.uuid4().hex[:8]}.json"

    def complete(pipeline: Any) -> None:
        beam = _import_beam()
        rows = build(pipeline) | "Gather" >> beam.combiners.ToList()
        _ = rows | "Save" >> beam.Map(_save, os.fspath(path))

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        runner.run(complete, _worker_log(work), tasks)
        return json.loads(path.read_text())
    finally:
        path.unlink(missing_ok=True)


def _worker_log(work: str) -> Path:
    """On this machine, where its worker processes are: a shell writes it."""
    if "://" not in work:
        return Path(work) / "workers.log"
    return Path(tempfile.gettempdir()) / f"data_prep-{uuid.uuid4().hex[:8]}.log"


def _save(rows: list[dict[str, Any]], path: str) -> None:
    epath.Path(path).write_text(json.dumps(rows))


def _embedded(options: Any, log: Path | None = None) -> Any:
    """The runner inside this program, with worker processes where there is a `log`.

    Beam's DirectRunner would first try to fetch another one from the network.
    """
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner, fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    environment = None
    if log is not None:
        command = f"{shlex.quote(sys.executable)} -m {_WORKER}"
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
    """Apache Beam, without its remarks about cloud libraries that are not there."""
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
