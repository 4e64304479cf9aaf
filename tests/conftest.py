"""One CPU backend for every test, with the matmul precision of parity."""

import logging
import os
import sys

from compiled_programs import compiled_folder

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(compiled_folder()))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax
import pytest

jax.config.update("jax_default_matmul_precision", "highest")


@pytest.fixture(autouse=True)
def loggers():
    """Restores log levels and hooks that a test has changed."""
    found = [logging.getLogger(name) for name in ("absl", "asyncio")]
    levels, hook = [logger.level for logger in found], sys.unraisablehook
    yield
    for logger, level in zip(found, levels, strict=True):
        logger.setLevel(level)
    sys.unraisablehook = hook
