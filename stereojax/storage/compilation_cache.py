"""Sets up JAX's persistent compilation cache, so that later runs compile less."""

import os
from pathlib import Path

import jax


def enable_compilation_cache() -> None:
    """Turns JAX's persistent compilation cache on, unless it is configured already.

    The cache folder is `~/.cache/stereojax/compiled`. $JAX_COMPILATION_CACHE_DIR
    replaces this folder; if the variable is set but empty, the cache stays off.
    """
    configured = "JAX_COMPILATION_CACHE_DIR" in os.environ
    if not configured and jax.config.jax_compilation_cache_dir is None:
        folder = Path("~/.cache/stereojax/compiled").expanduser()
        jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
