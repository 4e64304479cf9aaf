"""Writes, reads and hashes named arrays in an Orbax checkpoint."""

import contextlib
import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]


def write(folder: Path, arrays: Arrays) -> None:
    """Writes a new checkpoint; `folder` must not exist."""
    with _checkpointer() as checkpointer:
        checkpointer.save(folder.absolute(), dict(arrays))


def read(folder: Path) -> dict[str, np.ndarray]:
    """Returns every array of a checkpoint, with the dtype that was written.

    Does not detect damage: Orbax reads zeros if the file of an array is absent.
    """
    import orbax.checkpoint as ocp

    with _checkpointer() as checkpointer:
        names = checkpointer.metadata(folder.absolute()).item_metadata.tree
        args = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
        return checkpointer.restore(folder.absolute(), restore_args=args)


def digest(arrays: Arrays) -> str:
    """Hashes names, dtypes, shapes and values; gives the same on every machine."""
    hasher = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        hasher.update(f"{name} {array.dtype} {array.shape}\n".encode())
        hasher.update(array.reshape(-1).view(np.uint8))
    return hasher.hexdigest()


def files_digest(folder: Path) -> str:
    """Hashes the files of a checkpoint; an absent folder counts as an empty one."""
    hasher = hashlib.blake2b(digest_size=16)
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        hasher.update(f"{file.relative_to(folder)} {file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                hasher.update(block)
    return hasher.hexdigest()


@contextlib.contextmanager
def _checkpointer() -> Iterator[Any]:
    import jax
    import orbax.checkpoint as ocp

    # In multi-process training, every process reads and writes on its own: Orbax must
    # not wait for the others.
    options = ocp.options.MultiprocessingOptions()
    if jax.distributed.is_initialized():
        process = jax.process_index()
        options = ocp.options.MultiprocessingOptions(
            primary_host=process,
            active_processes={process},
            barrier_sync_key_prefix="part",
        )
    # Orbax holds a second copy of the arrays while it writes, and a third with OCDBT,
    # its default.
    handler = ocp.PyTreeCheckpointHandler(
        use_ocdbt=False, multiprocessing_options=options
    )
    with (
        _without_warnings(),
        ocp.Checkpointer(handler, multiprocessing_options=options) as checkpointer,
    ):
        yield checkpointer


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Silences absl's logger: Orbax warns that it has no OCDBT files to merge."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
