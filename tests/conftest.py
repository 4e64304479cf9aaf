"""One CPU backend for every test, with the matmul precision of parity."""

import os
import pathlib

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# What one test or the program that it starts has compiled, the next need not.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    str(pathlib.Path(__file__).parents[1] / ".pytest_cache" / "compiled"),
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax

jax.config.update("jax_default_matmul_precision", "highest")


def pytest_collection_modifyitems(items):
    """Files of few and long tests first: none of them is what the end waits for."""
    items.sort(key=lambda item: "training" not in item.path.parts)
