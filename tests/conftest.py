"""One CPU backend for every test, with the matmul precision of parity."""

import logging
import os
import pathlib
import sys

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# What one test or the program that it starts has compiled, the next need not.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    str(pathlib.Path(__file__).parents[1] / ".pytest_cache" / "compiled"),
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax
import pytest

jax.config.update("jax_default_matmul_precision", "highest")


@pytest.fixture(autouse=True)
def loggers():
    """What a test has silenced, the next one may listen for."""
    found = [logging.getLogger(name) for name in ("absl", "asyncio")]
    levels, hook = [logger.level for logger in found], sys.unraisablehook
    yield
    for logger, level in zip(found, levels, strict=True):
        logger.setLevel(level)
    sys.unraisablehook = hook
