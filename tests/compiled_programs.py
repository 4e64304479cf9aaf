"""Where tests keep compiled programs, so that a later run compiles nothing again."""

import hashlib
import importlib.metadata
import pathlib
import platform


def compiled_folder() -> pathlib.Path:
    """Returns the folder of compiled programs, which outlives a clone of the tree.

    The name has the versions and the processor's features: machine code of another
    processor may not run here.
    """
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        features = next(
            line for line in lines if line.startswith(("flags", "Features"))
        )
    except (OSError, StopIteration):
        features = platform.processor()
    key = f"{importlib.metadata.version('jaxlib')} {platform.machine()} {features}"
    name = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
    return pathlib.Path("~/.cache/stereojax/compiled-tests").expanduser() / name
