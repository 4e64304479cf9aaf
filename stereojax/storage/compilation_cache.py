"""JAX's persistent compilation cache: a later run does not compile the same again."""

import os
from pathlib import Path

import jax


def enable_compilation_cache() -> None:
    """Turns JAX's persistent compilation cache on, unless it is configured already.

    Its folder is `~/.cache/stereojax/compiled`; $JAX_COMPILATION_CACHE_DIR names
    another one, and turns the cache off if it is empty.
    """
    configured = "JAX_COMPILATION_CACHE_DIR" in os.environ
    if not configured and jax.config.jax_compilation_cache_dir is None:
        folder = Path("~/.cache/stereojax/compiled").expanduser()
        jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
