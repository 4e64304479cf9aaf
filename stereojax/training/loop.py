"""Update after update, with what is written on the way."""

import itertools
import math
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from stereojax.cli import RunError
from stereojax.settings.train import TrainSettings
from stereojax.storage.locations import Place
from stereojax.training.checkpoints import Checkpoints
from stereojax.training.device_prefetch import Feed
from stereojax.training.input.cache import Cache
from stereojax.training.input.pipeline import batches
from stereojax.training.metric_writer import Rows
from stereojax.training.multihost.all_agree import Votes
from stereojax.training.multihost.preemption import Preemption
from stereojax.training.multihost.processes import is_first, say
from stereojax.training.optimizer import learning_rate
from stereojax.training.progress import Progress
from stereojax.training.state import TrainState
from stereojax.training.step import INDEX, Batch
from stereojax.training.step_metrics import Tally


class Loop:
    """The loop, with what it writes on its way."""

    def __init__(
        self,
        settings: TrainSettings,
        workdir: Place,
        mesh: Mesh,
        checkpoints: Checkpoints,
        preemption: Preemption,
        measure: Any,
        task: ModuleType,
        flops: Callable[[TrainState, Batch], float],
    ):
        self._settings, self._workdir, self._mesh = settings, workdir, mesh
        self._checkpoints, self._preemption = checkpoints, preemption
        self._measure, self._task = measure, task
        self._rate, self._flops = learning_rate(settings), flops
        self._pending: tuple | None = None
        self._rows: Rows | None = None

    def close(self) -> None:
        if self._rows:
            self._rows.close()

    def train(
        self, state: Any, step: Any, clips: Any, cache: Cache | None, done: int
    ) -> tuple[Any, int]:
        """To the last step, or to where it is told to stop; (state, updates made)."""
        settings = self._settings
        if jax.process_count() == 1 and self._preemption.told():
            self._say_stopped(done)
            return state, done
        feed = Feed(
            batches(
                clips,
                settings,
                cache,
                start=done,
                process=jax.process_index(),
                processes=jax.process_count(),
            ),
            self._mesh,
            settings.prefetch,
        )
        votes = Votes(self._mesh)
        names, batch = feed.take()
        compiled = step.lower(state, batch).compile()
        flops = None
        if jax.default_backend() != "cpu":  # whose peak is anybody's guess
            flops = self._flops(state, batch)
        self._tally = Tally(flops, settings.batch)
        self._rows = Rows(self._workdir, step=done) if is_first() else None
        self._progress = Progress(settings.steps, done)
        saved = done
        for number in itertools.count(done + 1):
            last = number == settings.steps
            answers = votes.ask(last or feed.has_more(), not self._preemption.told())
            state, numbers = compiled(state, batch)
            self._settle()
            self._pending = (number, names, numbers)
            score = self._report(state, number, last)
            # Also what a validation has judged: the best of them stays.
            judged = score is not None and settings.keep_best and number > 1
            if last or judged or number % settings.checkpoint_every == 0:
                self._settle()
                self._save(state, number, score)
                saved = number
            if last:
                break
            more, on = np.asarray(answers)
            if not (more and on):
                self._stop(state, number, saved)
            if not more:
                error = feed.failure()
                raise type(error)(f"{error}; step {number} is saved")
            if not on:
                self._say_stopped(number)
                return state, number
            names, batch = feed.take()
        self._checkpoints.wait()
        return state, number

    def _stop(self, state: Any, number: int, saved: int) -> None:
        """Saves what was done by then, on all processes."""
        self._settle()
        if saved < number:
            self._save(state, number)
        self._checkpoints.wait()
        if jax.process_count() > 1:
            # The first that leaves takes the others with it.
            multihost_utils.sync_global_devices("saved")

    def _save(self, state: Any, number: int, score: float | None = None) -> None:
        if self._rows:
            self._rows.keep()
        self._checkpoints.save(state, number, score)

    def _say_stopped(self, done: int) -> None:
        at = f"step {done} is saved" if done else "nothing is done yet"
        say(f"told to stop: {at}, and the same command goes on from there")

    def _report(self, state: Any, number: int, last: bool) -> float | None:
        """A row where one is due; the score, where it is validated."""
        settings, every = self._settings, self._settings.validate_every
        # Also the first: what is wrong with it shows at once, and rises are from there.
        due = number == 1 or last or (every and number % every == 0)
        validates = bool(self._measure) and due
        if not (validates or last or number % settings.log_every == 0):
            return None
        self._settle()
        row = {"step": number, **self._tally.row()}
        row["learning_rate"] = float(self._rate(number - 1))
        score = None
        if validates:
            since = time.perf_counter()
            found, picture = self._measure(state)
            row |= dict.fromkeys(self._task.OPTIONAL, "absent") | found
            score = found[self._task.SCORE]
            score = score if math.isfinite(score) else None
            self._tally.pause(time.perf_counter() - since)
            if self._rows:
                self._rows.picture("validation", picture, number)
        if self._rows:
            self._rows.write(row)
        return score

    def _settle(self) -> None:
        """Waits for the step before, so that its numbers are known, and sound.

        Raises:
          RunError: its loss is not finite.
        """
        if self._pending is None:
            return
        number, names, numbers = self._pending
        self._pending = None
        numbers = {name: np.asarray(x) for name, x in numbers.items()}
        index = numbers.pop(INDEX)
        loss = float(numbers["loss"])
        if not (math.isfinite(loss) and math.isfinite(numbers["gradient_norm"])):
            bad = index[~np.isfinite(numbers["losses"])]
            found = [
                f"{g} ({names.get(g, 'read by another process')})"
                for g in sorted(map(int, bad if bad.size else index))
            ]
            raise RunError(
                f"step {number}: the loss is {loss} and the norm of the gradients "
                f"{float(numbers['gradient_norm'])}, in samples {', '.join(found)} of "
                f"the run; step {self._checkpoints.latest() or 0} is the "
                "last that is saved"
            )
        self._tally.add(numbers)
        if is_first():
            self._progress.show(number, loss)
