"""Named arrays to and from an Orbax checkpoint."""

import contextlib
import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]


def write(folder: Path, arrays: Arrays) -> None:
    """Writes a new checkpoint; `folder` must not be there yet."""
    with _checkpointer() as checkpointer:
        checkpointer.save(folder.absolute(), dict(arrays))


def read(folder: Path) -> dict[str, np.ndarray]:
    """Every array of a checkpoint, in the type that it was written in.

    Damage is not noticed here: where the file of an array is lost, Orbax reads zeros.
    """
    import orbax.checkpoint as ocp

    with _checkpointer() as checkpointer:
        names = checkpointer.metadata(folder.absolute()).item_metadata.tree
        how = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
        return checkpointer.restore(folder.absolute(), restore_args=how)


def digest(arrays: Arrays) -> str:
    """A hash of the names, types, shapes and values: the same on every machine."""
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype} {array.shape}\n".encode())
        total.update(array.reshape(-1).view(np.uint8))
    return total.hexdigest()


def files_digest(folder: Path) -> str:
    """A hash of the files of a checkpoint; of nothing, where there is none."""
    total = hashlib.blake2b(digest_size=16)
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(f"{file.relative_to(folder)} {file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                total.update(block)
    return total.hexdigest()


@contextlib.contextmanager
def _checkpointer() -> Iterator[Any]:
    import jax
    import orbax.checkpoint as ocp

    # Of several processes that train together, each reads and writes for itself.
    alone = ocp.options.MultiprocessingOptions()
    if jax.distributed.is_initialized():
        this = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(
            primary_host=this, active_processes={this}, barrier_sync_key_prefix="part"
        )
    # Orbax holds a second copy while it writes; with OCDBT, its default, a third.
    handler = ocp.PyTreeCheckpointHandler(
        use_ocdbt=False, multiprocessing_options=alone
    )
    with (
        _without_warnings(),
        ocp.Checkpointer(handler, multiprocessing_options=alone) as checkpointer,
    ):
        yield checkpointer


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Orbax warns, through absl, that there is no OCDBT to merge."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
