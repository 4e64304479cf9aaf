"""The training loop: updates, and between them metrics, validation and checkpoints."""

import itertools
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from stereojax.cli import RunError
from stereojax.settings.train import TrainSettings
from stereojax.storage.locations import Location
from stereojax.training.checkpoints import Checkpoints
from stereojax.training.input.device_prefetch import DevicePrefetch
from stereojax.training.input.pipeline import SampleSource, batches
from stereojax.training.metric_writer import MetricWriter
from stereojax.training.multihost.all_agree import AllAgree
from stereojax.training.multihost.preemption import Preemption
from stereojax.training.multihost.processes import is_first, log_once
from stereojax.training.optimizer import learning_rate
from stereojax.training.progress import Progress
from stereojax.training.state import TrainState
from stereojax.training.step import INDEX, Batch
from stereojax.training.step_metrics import StepMetrics
from stereojax.training.task import Task


class Loop:
    """Makes updates; reports, validates, saves and stops between them."""

    def __init__(
        self,
        settings: TrainSettings,
        workdir: Location,
        task: Task,
        mesh: Mesh,
        checkpoints: Checkpoints,
        preemption: Preemption,
    ):
        self._settings, self._workdir, self._task = settings, workdir, task
        self._mesh, self._checkpoints = mesh, checkpoints
        self._preemption = preemption
        self._rate = learning_rate(settings)
        self._pending: tuple | None = None  # the update whose metrics are not read yet
        self._writer: MetricWriter | None = None  # on process 0 only

    def close(self) -> None:
        if self._writer:
            self._writer.close()

    def train(
        self,
        state: TrainState,
        step: Any,
        source: SampleSource,
        done: int,
        *,
        validate: Callable[[TrainState], tuple[dict[str, float], np.ndarray]] | None,
        count_flops: Callable[[TrainState, Batch], float],
    ) -> tuple[TrainState, int]:
        """Makes updates until the last one, or until preempted.

        Args:
          step: the jitted update of `make_step`.
          done: updates that `state` has already.
          validate: returns metrics and an image; None to train without validation.
          count_flops: returns the floating-point operations of an update.

        Returns:
          (state, number of updates it has).

        Raises:
          RunError: a loss is not finite, a sample cannot be read, or a checkpoint or a
            row cannot be written.
        """
        settings = self._settings
        if jax.process_count() == 1 and self._preemption.stop_requested():
            self._log_stop(done)
            return state, done

        # The batches from update `done` on, prefetched to the devices.
        prefetch = DevicePrefetch(
            batches(
                source,
                start=done,
                process=jax.process_index(),
                processes=jax.process_count(),
            ),
            self._mesh,
            settings.prefetch,
        )

        # Compile before the clock starts: the first row shall not contain that time.
        compiled = step.lower(state, prefetch.peek()).compile()
        # The peak FLOP/s of a CPU are unknown, so its FLOPs are not counted.
        on_cpu = jax.default_backend() == "cpu"
        flops = None if on_cpu else count_flops(state, prefetch.peek())
        self._metrics = StepMetrics(flops, settings.batch, self._task.summarize)
        self._writer = MetricWriter(self._workdir, step=done) if is_first() else None
        self._progress = Progress(settings.steps, done)
        self._validate = validate
        return self._make_updates(compiled, state, prefetch, done)

    def _make_updates(
        self, step: Any, state: TrainState, prefetch: DevicePrefetch, done: int
    ) -> tuple[TrainState, int]:
        agreement = AllAgree(self._mesh)
        saved = done
        for number in itertools.count(done + 1):
            names, batch = prefetch.next_batch()
            last = number == self._settings.steps
            # Ask the other processes first: devices answer before the update starts.
            answers = agreement.ask(
                last or prefetch.has_next(), not self._preemption.stop_requested()
            )
            # Dispatch this update; meanwhile, read the metrics of the previous one.
            state, metrics = step(state, batch)
            self._settle()
            self._pending = (number, names, metrics)
            score = self._report(state, number, last)

            # Validated states are saved too, to keep the best one. The very first
            # update is validated for comparison only.
            validated = score is not None and self._settings.keep_best and number > 1
            if last or validated or number % self._settings.checkpoint_every == 0:
                self._settle()
                self._save(state, number, score)
                saved = number
            if last:
                break

            # Stop on all processes after the same update, if one has to stop.
            has_next, proceed = np.asarray(answers)
            if not (has_next and proceed):
                self._save_before_stop(state, number, saved)
            if not has_next:
                error = prefetch.error()
                raise type(error)(f"{error}; step {number} is saved")
            if not proceed:
                self._log_stop(number)
                return state, number
        self._checkpoints.wait()
        return state, number

    def _save_before_stop(self, state: TrainState, number: int, saved: int) -> None:
        """Saves the state on all processes, unless it is saved already."""
        self._settle()
        if saved < number:
            self._save(state, number)
        self._checkpoints.wait()
        if jax.process_count() > 1:
            # The first process that exits ends the others.
            multihost_utils.sync_global_devices("saved")

    def _save(self, state: TrainState, number: int, score: float | None = None) -> None:
        if self._writer:
            self._writer.flush()
        self._checkpoints.save(state, number, score)

    def _log_stop(self, done: int) -> None:
        saved = f"step {done} is saved" if done else "no step is done"
        log_once(f"stopped by a signal: {saved}; the same command resumes the run")

    def _report(self, state: TrainState, number: int, last: bool) -> float | None:
        """Validates and writes a row if due; returns the validation score or None."""
        settings, every = self._settings, self._settings.validate_every
        # The first update too: it shows errors at once, and the metrics' start.
        due = number == 1 or last or (every and number % every == 0)
        validates = self._validate is not None and due
        if not (validates or last or number % settings.log_every == 0):
            return None
        self._settle()
        row = {"step": number, **self._metrics.row()}
        row["learning_rate"] = float(self._rate(number - 1))
        score = None
        if validates:
            start = time.perf_counter()
            metrics, image = self._validate(state)
            row |= dict.fromkeys(self._task.optional_metrics, "absent") | metrics
            score = metrics[self._task.score]
            score = score if math.isfinite(score) else None
            self._metrics.exclude(time.perf_counter() - start)
            if self._writer:
                self._writer.write_image("validation", image, number)
        if self._writer:
            self._writer.write(row)
        return score

    def _settle(self) -> None:
        """Waits for the pending update, checks its loss and adds its metrics.

        Raises:
          RunError: the loss or the gradient norm is not finite; names the samples.
        """
        if self._pending is None:
            return
        number, names, metrics = self._pending
        self._pending = None
        metrics = {name: np.asarray(x) for name, x in metrics.items()}
        index = metrics.pop(INDEX)
        loss, norm = float(metrics["loss"]), float(metrics["gradient_norm"])
        if not (math.isfinite(loss) and math.isfinite(norm)):
            bad = index[~np.isfinite(metrics["losses"])]
            samples = [
                f"{g} ({names.get(g, 'read by another process')})"
                for g in sorted(map(int, bad if bad.size else index))
            ]
            raise RunError(
                f"step {number}: the loss is {loss} and the gradient norm is {norm}, "
                f"in samples {', '.join(samples)} of the run; the last checkpoint is "
                f"that of step {self._checkpoints.latest() or 0}"
            )
        self._metrics.add(metrics)
        if is_first():
            self._progress.show(number, loss)
