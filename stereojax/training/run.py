"""A run, from top to bottom; which task it is, it does not know."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from stereojax import weights
from stereojax.cli import InputError, RunError
from stereojax.settings.train import TrainSettings
from stereojax.storage.locations import Place
from stereojax.training import run_folder as folder
from stereojax.training.checkpoints import Checkpoints
from stereojax.training.encode_latents import fill_cache, make_encoder
from stereojax.training.export import export
from stereojax.training.flops import flops_of
from stereojax.training.input.cache import Cache
from stereojax.training.input.pipeline import held_out
from stereojax.training.input.sources import data_mark, find_clips
from stereojax.training.loop import Loop
from stereojax.training.multihost.all_agree import agreed
from stereojax.training.multihost.preemption import Preemption
from stereojax.training.multihost.processes import is_first, say
from stereojax.training.optimizer import make_optimizer
from stereojax.training.sharding import make_mesh
from stereojax.training.state import TrainState, divide, make_state
from stereojax.training.step import make_step
from stereojax.training.task import find_task
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
        n: x if n.startswith(task.PRECISE) else x.astype(low) for n, x in frozen.items()
    }
    say(f"{_millions(trainable)} M parameters train, {_millions(frozen)} M do not")
    exports = export_step is not None
    who = (workdir, settings, data_mark(data), start.identity)
    if is_first():
        folder.claim(*who, writes=not exports)
    if agreed(True) and not is_first():
        folder.claim(*who, writes=False)

    trains = f"{task.PREFIX}."
    with contextlib.closing(
        Checkpoints(
            workdir / "checkpoints",
            keep=settings.keep,
            keep_best=settings.keep_best,
            stored=trains,
            only_read=exports,
        )
    ) as checkpoints:
        done = _seen_by_all(checkpoints.latest() or 0, workdir)
        if exports and export_step not in (there := checkpoints.steps()):
            raise InputError(
                f"--export_step={export_step}: --workdir={workdir} has checkpoints of "
                f"{', '.join(map(str, there)) or 'no step'}"
            )
        cache = None
        if settings.cached_draws and not exports:
            marks = {n: x for n, x in start.identity.items() if n != task.PREFIX}
            arrays = {n: x for n, x in frozen.items() if not n.startswith(trains)}
            cache = Cache.at(latents or workdir / "latents", settings, data, marks)
            if not fill_cache(
                cache,
                clips,
                settings,
                make_encoder(start.structure, task.encode(settings), arrays),
                start=done,
                told=preemption.told,
            ):
                say("told to stop: these latents stay, and the same command goes on")
                return False

        optimizer = make_optimizer(settings)
        state = make_state(trainable, frozen, optimizer, mesh, seed=settings.seed)

        def leave(state: TrainState, done: int) -> None:
            made = f"trained by stereojax.train to step {done}, from {start.identity}"
            part, exported = export(
                state,
                start.arrays,
                mesh,
                workdir / f"step_{done:07}" if exports else workdir,
                network=task.NETWORK,
                prefix=task.PREFIX,
                sizes=start.sizes,
                source=made,
                licence=start.licence,
            )
            say(f"wrote {part}, and for diffusers {exported}")

        if exports:
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
        parts = _parts(settings, mesh)
        step = make_step(
            start.structure, loss, optimizer, mesh, state, accumulate=parts
        )
        flops = functools.partial(flops_of, start.structure, loss)
        with contextlib.closing(
            Loop(settings, workdir, mesh, checkpoints, preemption, measure, task, flops)
        ) as loop:
            state, done = loop.train(state, step, clips, cache, done)
        if done < settings.steps:
            return False
        leave(state, done)
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
