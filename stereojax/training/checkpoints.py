"""Checkpoints: written while training goes on, whole or not at all."""

import contextlib
import dataclasses
import logging
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from absl import logging as absl_logging
from orbax.checkpoint import checkpoint_managers as managers

from stereojax.cli import InputError, RunError
from stereojax.storage import locations
from stereojax.training.state import TrainState
from stereojax.weights.strict import Problems

SCORE = "score"  # of a validation; more is better


def _quieten() -> None:
    """Leaves it to us to report what Orbax's threads fail at, in one line.

    A write that fails has hundreds beside it, one an array. Orbax raises the first
    error and drops its event loop, and each of the others has its own say: as a task
    whose error nobody asked for, or as a callback whose loop is gone.
    """
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if isinstance(sys.unraisablehook, _Unraisable):
        return
    sys.unraisablehook = _Unraisable(sys.unraisablehook)


@dataclasses.dataclass(frozen=True)
class _Unraisable:
    """Drops what a closed event loop says, and passes on the rest."""

    rest: Callable[[Any], object]

    def __call__(self, args: Any) -> None:
        error = args.exc_value
        if isinstance(error, RuntimeError) and str(error) == "Event loop is closed":
            return
        self.rest(args)


class Checkpoints:
    """The checkpoints of a run: the newest and the best stay."""

    def __init__(
        self,
        folder: locations.Place,
        *,
        keep: int = 3,
        keep_best: int = 1,
        stored: str = "",
        only_read: bool = False,
    ):
        """`stored`: of frozen parameters, only those of these beginnings.

        `only_read` leaves alone what another run is writing there.
        """
        if absl_logging.get_verbosity() <= absl_logging.WARNING:
            _quieten()
        policies = [managers.LatestN(keep)]
        if keep_best:
            policies.append(
                managers.BestN(
                    get_metric_fn=lambda metrics: metrics[SCORE],
                    n=keep_best,
                    keep_checkpoints_without_metrics=False,
                )
            )
        self._folder, self._stored = locations.absolute(folder), stored
        with self._one_line("open"):
            self._manager = ocp.CheckpointManager(
                self._folder,
                item_handlers=ocp.StandardCheckpointHandler(),
                options=ocp.CheckpointManagerOptions(
                    preservation_policy=managers.AnyPreservationPolicy(policies),
                    # Only with this are scores written down, and read by the next run.
                    best_fn=lambda metrics: metrics[SCORE],
                    cleanup_tmp_directories=not only_read,
                    read_only=only_read,
                    enable_async_checkpointing=True,
                ),
            )

    def latest(self) -> int | None:
        """The step of the newest whole checkpoint."""
        return self._manager.latest_step()

    def steps(self) -> list[int]:
        return sorted(self._manager.all_steps())

    def save(self, state: TrainState, step: int, score: float | None = None) -> None:
        """Begins to write; returns once the state may change.

        Raises:
          RunError: this one, or the one before, cannot be written.
        """
        flat = self._flat(state)
        self._check_room(flat, step)
        with self._one_line(f"write step {step} to"):
            self._manager.save(
                step,
                args=ocp.args.StandardSave(flat),
                metrics=None if score is None else {SCORE: score},
                force=True,
            )

    def wait(self) -> None:
        """Until what was begun is whole.

        Raises:
          RunError: it cannot be written.
        """
        with self._one_line("write to"):
            self._manager.wait_until_finished()
            self._manager.check_for_errors()

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._manager.close()

    def restore(self, like: TrainState, step: int) -> TrainState:
        """The state at `step`, placed as `like` is, on however many devices.

        `like` has shapes with shardings; frozen parameters that are not stored are
        taken from it, so there they are arrays.

        Raises:
          InputError: the checkpoint is of another model or optimizer.
          RunError: it cannot be read.
        """
        wanted = self._flat(like)
        with self._one_line(f"read step {step} from", unread=step):
            there = self._manager.item_metadata(step).tree
        self._check(there, wanted, step)
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
            wanted,
        )
        with self._one_line(f"read step {step} from", unread=step):
            found = self._manager.restore(step, args=ocp.args.StandardRestore(shapes))
        _, structure = jax.tree.flatten(like.optimizer)
        return TrainState(
            found["step"],
            jax.random.wrap_key_data(found["rng"]),
            found["trainable"],
            jax.tree.unflatten(structure, [*found["optimizer"].values()]),
            like.frozen | found["frozen"],
        )

    def _flat(self, state: TrainState) -> dict[str, Any]:
        """As nested dictionaries, by names that do not depend on optax's classes."""
        moments = jax.tree_util.tree_leaves_with_path(state.optimizer)
        rng = state.rng
        if isinstance(rng, jax.ShapeDtypeStruct):
            data = jax.eval_shape(jax.random.key_data, rng)
            rng = jax.ShapeDtypeStruct(data.shape, data.dtype, sharding=rng.sharding)
        else:
            rng = jax.random.key_data(rng)
        return {
            "step": state.step,
            "rng": rng,
            "trainable": dict(state.trainable),
            "optimizer": {
                f"{i:05}{jax.tree_util.keystr(path)}": x
                for i, (path, x) in enumerate(moments)
            },
            "frozen": {
                name: x
                for name, x in state.frozen.items()
                if name.startswith(self._stored)
            },
        }

    def _check_room(self, flat: Mapping[str, Any], step: int) -> None:
        """Before writing: Orbax fails in its own threads, and at length."""
        if jax.process_index():  # the others may see what the first one writes already
            return
        needed = sum(x.nbytes for x in jax.tree.leaves(flat))
        with contextlib.suppress(OSError):  # a bucket's folder is on no disk
            free = shutil.disk_usage(self._folder).free
            if free < needed:
                raise RunError(
                    f"cannot write step {step} to {self._folder}: it needs "
                    f"{needed / 1e9:.2f} GB where {free / 1e9:.2f} are free; "
                    f"{self._whole()}"
                )

    def _check(self, there: Mapping, wanted: Mapping, step: int) -> None:
        problems = Problems()
        there, wanted = (
            {jax.tree_util.keystr(p): x for p, x in leaves}
            for leaves in map(jax.tree_util.tree_leaves_with_path, (there, wanted))
        )
        for name, x in wanted.items():
            if name not in there:
                problems.missing(name, x.shape)
            elif tuple(there[name].shape) != x.shape:
                problems.misshapen(name, tuple(there[name].shape), x.shape)
        for name in there.keys() - wanted.keys():
            problems.unused(name, tuple(there[name].shape))
        try:
            problems.check("there")
        except InputError as error:
            text = str(error)
            raise InputError(
                f"{self._folder / str(step)}: a checkpoint of another model or "
                f"optimizer; give the settings it was made with or another --workdir "
                f"({text[:300]}{' ...' if len(text) > 300 else ''})"
            ) from error

    @contextlib.contextmanager
    def _one_line(self, doing: str, unread: int | None = None) -> Iterator[None]:
        try:
            yield
        except (InputError, RunError):
            raise
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            whole = self._whole(unread)
            raise RunError(
                f"cannot {doing} {self._folder}: {reason[:300]}; {whole}"
            ) from error

    def _whole(self, unread: int | None = None) -> str:
        """What there is to go on from, but for the step that cannot be read."""
        # What Orbax writes last: a bucket's folder has its name from the beginning.
        local = isinstance(self._folder, Path)
        last = "_CHECKPOINT_METADATA" if local else "commit_success.txt"
        try:
            steps = [
                int(p.name)
                for p in self._folder.glob("*")
                if p.name.isdigit() and (p / last).exists()
            ]
        except Exception as error:  # a bucket's, which may be what has failed
            return f"what is whole cannot be seen ({locations.reason(error)[:100]})"
        if unread is not None:
            before = max((step for step in steps if step < unread), default=None)
            then = "begin anew" if before is None else f"go on from step {before}"
            return f"remove {self._folder / str(unread)} to {then}"
        if not steps:
            return "there is no checkpoint yet"
        return f"step {max(steps)} is whole, and the same command goes on from it"
