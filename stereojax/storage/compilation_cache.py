"""Compiled programs stay on disk: the next run does not compile them again."""

import os
from pathlib import Path

import jax


def keep_compiled() -> None:
    """Turns JAX's persistent compilation cache on, unless it is configured already.

    It lies in `~/.cache/stereojax/compiled`; $JAX_COMPILATION_CACHE_DIR moves it, empty
    turns it off.
    """
    given = "JAX_COMPILATION_CACHE_DIR" in os.environ
    if not given and jax.config.jax_compilation_cache_dir is None:
        folder = Path("~/.cache/stereojax/compiled").expanduser()
        jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
