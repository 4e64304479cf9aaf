"""Reads tensors by name from a checkpoint's files, one at a time."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import ml_dtypes  # noqa: F401 - registers bfloat16 with NumPy
import numpy as np

from stereojax.cli import InputError
from stereojax.weights.strict import Shape


class Tensors(Protocol):
    """The tensors of a checkpoint: shapes by name; `read` loads one tensor."""

    shapes: dict[str, Shape]

    def read(self, name: str) -> np.ndarray: ...


class Safetensors:
    """The tensors of safetensors files, read without PyTorch."""

    def __init__(self, files: Iterable[Path]):
        from safetensors import SafetensorError, safe_open

        self.shapes: dict[str, Shape] = {}
        self._file: dict[str, Path] = {}
        for path in files:
            try:
                with safe_open(path, framework="numpy") as file:
                    for name in file.keys():  # noqa: SIM118 - not a dict
                        self.shapes[name] = tuple(file.get_slice(name).get_shape())
                        self._file[name] = path
            except FileNotFoundError:
                raise InputError(f"{path}: the file is missing") from None
            except SafetensorError as error:
                raise InputError(
                    f"{path}: not a complete safetensors file ({error}); "
                    "download it again"
                ) from error

    def read(self, name: str) -> np.ndarray:
        from safetensors import safe_open

        # Opened for each tensor: mapped pages stay in memory until the file is closed.
        with safe_open(self._file[name], framework="numpy") as file:
            return file.get_tensor(name)
