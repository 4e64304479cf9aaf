"""Sets up a training run: mesh, data, model, checkpoints, latents, state and step.

`loop.py` then makes the updates. All that depends on the task comes from its `Task`.
"""

import contextlib
import dataclasses
import functools
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
from stereojax.storage.locations import Location
from stereojax.training import run_folder
from stereojax.training.checkpoints import Checkpoints
from stereojax.training.export import export_network
from stereojax.training.flops import flops_of
from stereojax.training.input.fill_cache import fill_cache, make_encoder
from stereojax.training.input.latent_cache import LatentCache
from stereojax.training.input.pipeline import SampleSource, held_out_samples
from stereojax.training.input.sources import data_identity, open_clips
from stereojax.training.loop import Loop
from stereojax.training.multihost.all_agree import all_agree
from stereojax.training.multihost.preemption import Preemption
from stereojax.training.multihost.processes import is_first, log_once
from stereojax.training.optimizer import make_optimizer
from stereojax.training.sharding import make_mesh
from stereojax.training.state import TrainState, make_state, split_trainable
from stereojax.training.step import make_step
from stereojax.training.task import InitialModel, Task, find_task
from stereojax.training.validation import make_validation


@dataclasses.dataclass(frozen=True)
class _Run:
    """The parts of a run that no update changes."""

    settings: TrainSettings
    workdir: Location
    task: Task
    mesh: Mesh
    data: str | None  # the dataset's folder; None for synthetic scenes
    training: SampleSource
    held_out: SampleSource
    initial: InitialModel
    trainable: dict[str, np.ndarray]
    frozen: dict[str, np.ndarray]


def train(
    settings: TrainSettings,
    workdir: Location,
    preemption: Preemption,
    *,
    data: str | None = None,
    weights_dir: Location | None = None,
    init_from: Location | None = None,
    latents: Location | None = None,
    export_step: int | None = None,
) -> bool:
    """Trains to `settings.steps`; returns False if preempted before the last step.

    Args:
      latents: the folder of cached latents; WORKDIR/latents by default.
      export_step: do not train, but export the network of this step's checkpoint.

    Raises:
      InputError: the settings, the data and the folder do not fit each other.
      RunError: the loss is not finite, a record or a checkpoint cannot be read, or the
        disk is full.
    """
    exports = export_step is not None
    # Mesh, data and model; the folder must be new, or hold the same run.
    run = _set_up(settings, workdir, data, weights_dir or weights.root(), init_from)
    _register(run, write=not exports)
    with contextlib.closing(_open_checkpoints(run, read_only=exports)) as checkpoints:
        step = _newest_step(checkpoints, workdir)
        if exports:
            _export_step(run, checkpoints, export_step)
            return True

        # Latents: encode those of all remaining updates before the first update.
        source: SampleSource | None = run.training
        if settings.cached_draws:
            source = _cache_latents(run, latents, step, preemption.stop_requested)
        if source is None:
            return False

        # State: the initial one, or that of the newest checkpoint.
        state = _initial_state(run)
        if step:
            state = checkpoints.restore(state, step)
            log_once(f"resuming from step {step}")

        # Loop: updates up to the last step, or until preempted.
        if step < settings.steps:
            loop = Loop(settings, workdir, run.task, run.mesh, checkpoints, preemption)
            state, step = _train(run, loop, state, source, step)
        else:
            log_once(f"step {step} of {settings.steps} is done: no step is left")
        if step < settings.steps:
            return False

        # Export: for StereoJAX and for diffusers.
        _export(run, state, step, workdir)
        return True


def _set_up(
    settings: TrainSettings,
    workdir: Location,
    data: str | None,
    root: Location,
    init_from: Location | None,
) -> _Run:
    # Mesh: all devices of all processes.
    task = find_task(settings.task)
    mesh = make_mesh(settings.fsdp)
    _check_batch(settings, mesh)
    log_once(f"{mesh.size} x {jax.devices()[0].device_kind}, {dict(mesh.shape)}")

    # Data: clips to train on and held-out clips to validate on.
    clips, held_out = open_clips(data, settings)
    log_once(
        f"data: {data or 'synthetic scenes'}: {len(clips)} clips, "
        f"{len(held_out)} held out"
    )

    # Model: frozen parameters are stored in `frozen_dtype`, to save memory.
    initial = task.load_initial_model(settings, root=root, init_from=init_from)
    trainable, frozen = split_trainable(initial.arrays, task.trainable)
    dtype = jnp.dtype(settings.frozen_dtype)
    frozen = {
        name: x if name.startswith(task.precise) else x.astype(dtype)
        for name, x in frozen.items()
    }
    log_once(
        f"{_millions(trainable)} M trainable parameters, {_millions(frozen)} M frozen"
    )
    return _Run(
        settings,
        workdir,
        task,
        mesh,
        data,
        SampleSource(clips, settings, task.make_sample),
        SampleSource(held_out, settings, task.make_sample),
        initial,
        trainable,
        frozen,
    )


def _millions(arrays: dict[str, np.ndarray]) -> str:
    return f"{sum(x.size for x in arrays.values()) / 1e6:.1f}"


def _check_batch(settings: TrainSettings, mesh: Mesh) -> None:
    microbatches = settings.accumulate or 1
    if settings.batch % (multiple := mesh.size * microbatches):
        raise InputError(
            f"config.train.batch={settings.batch}: expected a multiple of {multiple}, "
            f"{mesh.size} devices times accumulate={microbatches}"
        )


def _register(run: _Run, *, write: bool) -> None:
    """Writes run.json on process 0; the others then check that they see that file."""
    identity = (
        run.workdir,
        run.settings,
        data_identity(run.data),
        run.initial.identity,
    )
    if is_first():
        run_folder.register(*identity, write=write)
    if all_agree(True) and not is_first():
        run_folder.register(*identity, write=False)


def _open_checkpoints(run: _Run, *, read_only: bool) -> Checkpoints:
    return Checkpoints(
        run.workdir / "checkpoints",
        keep=run.settings.keep,
        keep_best=run.settings.keep_best,
        stored=f"{run.task.prefix}.",
        read_only=read_only,
    )


def _newest_step(checkpoints: Checkpoints, workdir: Location) -> int:
    """Returns the step of the newest checkpoint; 0 if there is none.

    Raises:
      RunError: processes see different checkpoints.
    """
    step = checkpoints.latest() or 0
    if jax.process_count() > 1:
        steps = multihost_utils.process_allgather(np.int32(step)).tolist()
        if len(set(steps)) > 1:
            raise RunError(
                f"--workdir={workdir}: the newest checkpoint is that of step {step} "
                f"for this process, and of {steps} for all processes; expected a "
                "folder on storage that all processes share"
            )
    return step


def _cache_latents(
    run: _Run,
    folder: Location | None,
    step: int,
    stop_requested: Callable[[], bool],
) -> SampleSource | None:
    """Returns a source that reads cached latents; None if preempted while encoding."""
    settings, task, initial = run.settings, run.task, run.initial
    # Only the networks that do not train encode.
    encoders = {
        name: identity
        for name, identity in initial.identity.items()
        if name != task.prefix
    }
    arrays = {
        name: x
        for name, x in run.frozen.items()
        if not name.startswith(f"{task.prefix}.")
    }
    cache = LatentCache.open(
        folder or run.workdir / "latents", settings, run.data, encoders
    )
    encode = make_encoder(initial.structure, task.encode(settings), arrays)
    if not fill_cache(
        cache, run.training, encode, start=step, stop_requested=stop_requested
    ):
        log_once(
            "stopped by a signal: latents are kept; the same command resumes the run"
        )
        return None
    return dataclasses.replace(run.training, cache=cache)


def _initial_state(run: _Run) -> TrainState:
    optimizer = make_optimizer(run.settings)
    return make_state(
        run.trainable, run.frozen, optimizer, run.mesh, seed=run.settings.seed
    )


def _train(
    run: _Run, loop: Loop, state: TrainState, source: SampleSource, step: int
) -> tuple[TrainState, int]:
    """Runs the loop with the update, the validation and the FLOP count of the task."""
    count_flops = functools.partial(
        flops_of, run.initial.structure, run.task.loss(run.settings)
    )
    with contextlib.closing(loop):
        return loop.train(
            state,
            _make_step(run, state),
            source,
            step,
            validate=_make_validation(run, state),
            count_flops=count_flops,
        )


def _make_step(run: _Run, state: TrainState) -> Any:
    return make_step(
        run.initial.structure,
        run.task.loss(run.settings),
        make_optimizer(run.settings),
        run.mesh,
        state,
        accumulate=microbatches_per_device(run.settings, run.mesh),
    )


def microbatches_per_device(settings: TrainSettings, mesh: Mesh) -> int:
    """Returns `accumulate`; if that is 0, one microbatch for each sample."""
    return settings.accumulate or settings.batch // mesh.size


def _make_validation(run: _Run, state: TrainState) -> Any:
    if not run.settings.validate_every:
        return None
    return make_validation(
        run.initial.structure,
        run.task.validate(run.settings),
        run.mesh,
        state,
        held_out_samples(run.held_out),
    )


def _export_step(run: _Run, checkpoints: Checkpoints, step: int) -> None:
    """Exports the network of one checkpoint to WORKDIR/step_0000000."""
    if step not in (steps := checkpoints.steps()):
        raise InputError(
            f"--export_step={step}: --workdir={run.workdir} has checkpoints of "
            f"{', '.join(map(str, steps)) or 'no step'}"
        )
    state = checkpoints.restore(_initial_state(run), step)
    _export(run, state, step, run.workdir / f"step_{step:07}")


def _export(run: _Run, state: TrainState, step: int, folder: Location) -> None:
    source = f"trained by stereojax.train to step {step}, from {run.initial.identity}"
    part, diffusers = export_network(
        state, run.initial, run.task, run.mesh, folder, source=source
    )
    log_once(f"wrote {part}, and for diffusers {diffusers}")
