"""Checkpoints, written asynchronously; each one is complete or absent."""

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

from stereojax.cli import InputError, RunError, line_of
from stereojax.storage import locations
from stereojax.training.state import TrainState
from stereojax.weights.strict import check_arrays

SCORE = "score"  # key of the validation score; higher is better


def _silence_orbax() -> None:
    """Silences the errors that Orbax's threads log; Checkpoints raises them itself.

    Orbax writes hundreds of arrays at once. If they fail, it raises the first error and
    closes its event loop; each other error is then logged, as a task exception that was
    never retrieved or as a callback of a closed loop.
    """
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if not isinstance(sys.unraisablehook, _IgnoreClosedLoop):
        sys.unraisablehook = _IgnoreClosedLoop(sys.unraisablehook)


@dataclasses.dataclass(frozen=True)
class _IgnoreClosedLoop:
    """An unraisable hook that ignores the errors of a closed event loop."""

    hook: Callable[[Any], object]  # receives all other errors

    def __call__(self, args: Any) -> None:
        error = args.exc_value
        if isinstance(error, RuntimeError) and str(error) == "Event loop is closed":
            return
        self.hook(args)


class Checkpoints:
    """The checkpoints of a run; keeps the newest and the best checkpoints."""

    def __init__(
        self,
        folder: locations.Location,
        *,
        keep: int = 3,
        keep_best: int = 1,
        stored: str = "",
        read_only: bool = False,
    ):
        """Opens the folder.

        Args:
          keep: number of newest checkpoints to keep.
          keep_best: number of best checkpoints to keep.
          stored: prefix of the names of the frozen parameters to store; the others are
            taken from the initial model.
          read_only: leaves the unfinished checkpoints of another process alone.
        """
        if absl_logging.get_verbosity() <= absl_logging.WARNING:
            _silence_orbax()
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
                    # Without best_fn, Orbax neither stores nor reloads the scores.
                    best_fn=lambda metrics: metrics[SCORE],
                    cleanup_tmp_directories=not read_only,
                    read_only=read_only,
                    enable_async_checkpointing=True,
                ),
            )

    def latest(self) -> int | None:
        """Returns the step of the newest complete checkpoint."""
        return self._manager.latest_step()

    def steps(self) -> list[int]:
        return sorted(self._manager.all_steps())

    def save(self, state: TrainState, step: int, score: float | None = None) -> None:
        """Starts to write; returns once the state's buffers may be overwritten.

        Raises:
          RunError: this checkpoint, or the previous one, cannot be written.
        """
        tree = self._to_tree(state)
        self._check_space(tree, step)
        with self._one_line(f"write step {step} to"):
            self._manager.save(
                step,
                args=ocp.args.StandardSave(tree),
                metrics=None if score is None else {SCORE: score},
                force=True,
            )

    def wait(self) -> None:
        """Waits until the last checkpoint is complete.

        Raises:
          RunError: the checkpoint cannot be written.
        """
        with self._one_line("write to"):
            self._manager.wait_until_finished()
            self._manager.check_for_errors()

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._manager.close()

    def restore(self, like: TrainState, step: int) -> TrainState:
        """Returns the state at `step`, sharded as `like`, on any number of devices.

        Args:
          like: arrays, or shapes with shardings. Must hold arrays for frozen parameters
            that are not stored, because the result takes them from `like`.

        Raises:
          InputError: the checkpoint belongs to another model or optimizer.
          RunError: the checkpoint cannot be read.
        """
        expected = self._to_tree(like)
        with self._one_line(f"read step {step} from", unreadable=step):
            stored = self._manager.item_metadata(step).tree
        self._check(stored, expected, step)
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
            expected,
        )
        with self._one_line(f"read step {step} from", unreadable=step):
            restored = self._manager.restore(
                step, args=ocp.args.StandardRestore(shapes)
            )
        _, structure = jax.tree.flatten(like.optimizer)
        return TrainState(
            restored["step"],
            jax.random.wrap_key_data(restored["rng"]),
            restored["trainable"],
            jax.tree.unflatten(structure, [*restored["optimizer"].values()]),
            like.frozen | restored["frozen"],
        )

    def _to_tree(self, state: TrainState) -> dict[str, Any]:
        """Returns nested dictionaries whose keys do not depend on optax's classes."""
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

    def _check_space(self, tree: Mapping[str, Any], step: int) -> None:
        """Checks the free space; a full disk makes Orbax log hundreds of errors."""
        if jax.process_index():  # process 0 may already be writing this checkpoint
            return
        needed = sum(x.nbytes for x in jax.tree.leaves(tree))
        with contextlib.suppress(OSError):  # a bucket folder is not on a disk
            free = shutil.disk_usage(self._folder).free
            if free < needed:
                raise RunError(
                    f"cannot write step {step} to {self._folder}: it needs "
                    f"{needed / 1e9:.2f} GB, but {free / 1e9:.2f} GB are free; "
                    f"{self._how_to_resume()}"
                )

    def _check(self, stored: Mapping, expected: Mapping, step: int) -> None:
        stored, expected = (
            {jax.tree_util.keystr(p): x for p, x in leaves}
            for leaves in map(jax.tree_util.tree_leaves_with_path, (stored, expected))
        )
        try:
            check_arrays(stored, expected, what="the checkpoint")
        except InputError as error:
            text = str(error)
            raise InputError(
                f"{self._folder / str(step)}: a checkpoint of another model or "
                f"optimizer; give the settings of its run, or another --workdir "
                f"({text[:300]}{' ...' if len(text) > 300 else ''})"
            ) from error

    @contextlib.contextmanager
    def _one_line(self, doing: str, unreadable: int | None = None) -> Iterator[None]:
        """Turns any error of Orbax into a one-line RunError that says how to resume."""
        try:
            yield
        except (InputError, RunError):
            raise
        except Exception as error:
            raise RunError(
                f"cannot {doing} {self._folder}: {line_of(error)[:300]}; "
                f"{self._how_to_resume(unreadable)}"
            ) from error

    def _how_to_resume(self, unreadable: int | None = None) -> str:
        """Returns the end of an error line: the step to resume from."""
        # A checkpoint is complete once Orbax has written this file. In a bucket, unlike
        # on a disk, also an incomplete checkpoint has its final name.
        local = isinstance(self._folder, Path)
        marker = "_CHECKPOINT_METADATA" if local else "commit_success.txt"
        try:
            steps = [
                int(p.name)
                for p in self._folder.glob("*")
                if p.name.isdigit() and (p / marker).exists()
            ]
        except Exception as error:  # the same failure as the write's, of a bucket
            return f"the complete checkpoints cannot be listed ({line_of(error)[:100]})"
        if unreadable is not None:
            older = max((step for step in steps if step < unreadable), default=None)
            then = "start again" if older is None else f"resume from step {older}"
            return f"remove {self._folder / str(unreadable)} to {then}"
        if not steps:
            return "there is no checkpoint yet"
        return f"step {max(steps)} is complete, and the same command resumes from it"
