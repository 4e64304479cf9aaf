"""Runs every test on the CPU backend, with the matmul precision of parity tests."""

import logging
import os
import sys

from compiled_programs import compiled_folder

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Tests, and the programs that they start, share one compilation cache.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(compiled_folder()))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax
import pytest

jax.config.update("jax_default_matmul_precision", "highest")


@pytest.fixture(autouse=True)
def loggers():
    """Restores the log levels and the hook that a test changes, for the next test."""
    silenced = [logging.getLogger(name) for name in ("absl", "asyncio")]
    levels, hook = [logger.level for logger in silenced], sys.unraisablehook
    yield
    for logger, level in zip(silenced, levels, strict=True):
        logger.setLevel(level)
    sys.unraisablehook = hook
