"""A run, from top to bottom; which task it is, it does not know."""

import functools
import itertools
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from stereojax import weights
from stereojax.cli import InputError, RunError
from stereojax.settings.train import TrainSettings
from stereojax.training import workdir as folder
from stereojax.training.checkpoints import Checkpoints
from stereojax.training.encoding import fill_cache, make_encoder
from stereojax.training.export import export
from stereojax.training.feed import Feed
from stereojax.training.flops import flops_of
from stereojax.training.input.cache import Cache
from stereojax.training.input.pipeline import batches, held_out
from stereojax.training.input.sources import data_mark, find_clips
from stereojax.training.optimizer import learning_rate, make_optimizer
from stereojax.training.places import Place
from stereojax.training.preemption import Preemption
from stereojax.training.progress import Progress
from stereojax.training.rows import Rows
from stereojax.training.sharding import make_mesh
from stereojax.training.state import TrainState, divide, make_state
from stereojax.training.step import INDEX, Batch, make_step
from stereojax.training.tally import Tally
from stereojax.training.tasks import find_task
from stereojax.training.validation import make_validation


def train(
    settings: TrainSettings,
    workdir: Place,
    preemption: Preemption,
    *,
    data: str | None = None,
    weights_dir: Place | None = None,
    init_from: Place | None = None,
    latents: Place | None = None,
    export_step: int | None = None,
) -> bool:
    """Trains to `settings.steps`, or until it is told to stop: then it is False.

    Args:
      latents: where `settings.cached_draws` are kept; `workdir`/latents by default.
      export_step: only writes the network as it was after that step.

    Raises:
      InputError: the settings, the data or the folder do not fit.
      RunError: the loss is not finite, a record or a checkpoint cannot be read, or the
        disk is full.
    """
    task = find_task(settings.task)
    mesh = make_mesh(settings.fsdp)
    _check_batch(settings, mesh)
    say(f"{mesh.size} x {jax.devices()[0].device_kind}, {dict(mesh.shape)}")

    clips, validation_clips = find_clips(data, settings)
    name = data or "synthetic scenes"
    say(f"data: {name}: {len(clips)} clips, {len(validation_clips)} held out")

    start = task.init(settings, root=weights_dir or weights.root(), init_from=init_from)
    trainable, frozen = divide(start.arrays, task.TRAINABLE)
    low = jnp.dtype(settings.frozen_dtype)
    frozen = {
        n: x if n.startswith(("vae.", "lpips.")) else x.astype(low)
        for n, x in frozen.items()
    }
    say(f"{_millions(trainable)} M parameters train, {_millions(frozen)} M do not")
    if jax.process_index() == 0:
        folder.claim(workdir, settings, data_mark(data), start.identity)

    checkpoints = Checkpoints(
        workdir / "checkpoints",
        keep=settings.keep,
        keep_best=settings.keep_best,
        stored=task.STORED,
    )
    done = _seen_by_all(checkpoints.latest() or 0, workdir)
    if export_step is not None and export_step not in (there := checkpoints.steps()):
        raise InputError(
            f"--export_step={export_step}: --workdir={workdir} has checkpoints of "
            f"{', '.join(map(str, there)) or 'no step'}"
        )
    cache = None
    if settings.cached_draws and export_step is None:
        marks = {n: x for n, x in start.identity.items() if n != task.STORED[:-1]}
        arrays = {n: x for n, x in frozen.items() if not n.startswith(task.STORED)}
        cache = Cache.at(latents or workdir / "latents", settings, data, marks)
        if not fill_cache(
            cache,
            clips,
            settings,
            make_encoder(start.structure, task.encode(settings), arrays),
            start=done,
            stop=preemption.early,
            say=say,
        ):
            say("told to stop: these latents stay, and the same command goes on")
            return False

    optimizer = make_optimizer(settings)
    state = make_state(trainable, frozen, optimizer, mesh, seed=settings.seed)

    def leave(state: TrainState, done: int) -> None:
        part, exported = export(
            state,
            start.arrays,
            mesh,
            workdir,
            network=task.NETWORK,
            prefix=task.STORED.rstrip("."),
            sizes=start.sizes,
            source=f"trained by stereojax.train to step {done}, from {start.identity}",
            licence=start.licence,
        )
        say(f"wrote {part}, and for diffusers {exported}")

    if export_step is not None:
        leave(checkpoints.restore(state, export_step), export_step)
        return True
    if done:
        state = checkpoints.restore(state, done)
        say(f"goes on from step {done}")
    if done >= settings.steps:
        say(f"step {done} of {settings.steps}: nothing is left to train")
        leave(state, done)
        return True

    measure = None
    if settings.validate_every:
        samples = held_out(validation_clips, settings)
        measure = make_validation(
            start.structure, task.validate(settings), mesh, state, samples
        )
    loss = task.loss(settings)
    step = make_step(
        start.structure, loss, optimizer, mesh, state, accumulate=_parts(settings, mesh)
    )
    flops = functools.partial(flops_of, start.structure, loss)
    run = Run(
        settings, workdir, mesh, checkpoints, preemption, measure, task.SCORE, flops
    )
    try:
        state, done = run.train(state, step, clips, cache, done)
        if done < settings.steps:
            return False
        leave(state, done)
    finally:
        checkpoints.close()
        run.close()
    return True


def _seen_by_all(done: int, workdir: Place) -> int:
    """The step to go on from.

    Raises:
      RunError: processes see different ones.
    """
    if jax.process_count() > 1:
        seen = multihost_utils.process_allgather(np.int32(done)).tolist()
        if len(set(seen)) > 1:
            raise RunError(
                f"--workdir={workdir}: its newest checkpoint is of step {done} here, "
                f"and of {seen} for all processes; expected a disk that all of them see"
            )
    return done


class Run:
    """The loop, with what it writes on its way."""

    def __init__(
        self,
        settings: TrainSettings,
        workdir: Place,
        mesh: Mesh,
        checkpoints: Checkpoints,
        preemption: Preemption,
        measure: Any,
        score: str,
        flops: Callable[[TrainState, Batch], float],
    ):
        self._settings, self._workdir, self._mesh = settings, workdir, mesh
        self._checkpoints, self._preemption = checkpoints, preemption
        self._measure, self._score = measure, score
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
        if self._preemption.early():
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
        names, batch = feed.take()
        compiled = step.lower(state, batch).compile()
        flops = None
        if jax.default_backend() != "cpu":  # whose peak is anybody's guess
            flops = self._flops(state, batch)
        self._tally = Tally(flops, settings.batch)
        self._rows = Rows(self._workdir, step=done) if _is_first() else None
        self._progress = Progress(settings.steps, done)
        saved = done
        for number in itertools.count(done + 1):
            if self._preemption.at(number):
                self._stop(state, number - 1, saved)
                self._say_stopped(number - 1)
                return state, number - 1
            last = number == settings.steps
            more = last or feed.more()
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
            if not more:
                self._stop(state, number, saved)
                error = feed.failure()
                raise type(error)(f"{error}; step {number} is saved")
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
            row |= {"val_lpips": "absent"} | found
            score = found[self._score]
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
        if _is_first():
            self._progress.show(number, loss)


def say(line: str) -> None:
    """Once, however many processes there are."""
    if _is_first():
        print(line, file=sys.stderr, flush=True)


def _is_first() -> bool:
    return jax.process_index() == 0


def _millions(arrays: dict[str, np.ndarray]) -> str:
    return f"{sum(x.size for x in arrays.values()) / 1e6:.1f}"


def _check_batch(settings: TrainSettings, mesh: Mesh) -> None:
    parts = settings.accumulate or 1
    if settings.batch % (share := mesh.size * parts):
        raise InputError(
            f"config.train.batch={settings.batch}: expected a multiple of {share}, "
            f"{mesh.size} devices times accumulate={parts}"
        )


def _parts(settings: TrainSettings, mesh: Mesh) -> int:
    return settings.accumulate or settings.batch // mesh.size
