"""Reads the named tensors of a checkpoint's files, one at a time."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import ml_dtypes  # noqa: F401 - registers bfloat16 with NumPy
import numpy as np

from convert_weights.torch_legacy import TorchLegacy
from convert_weights.torch_pickle import StoredTensor
from convert_weights.torch_zip import TorchZip
from stereojax.cli import InputError

Shape = tuple[int, ...]


class Tensors(Protocol):
    """The tensors of a checkpoint: their shapes by name, and a reader of one."""

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
                    f"{path}: not a complete safetensors file ({error}); get it again"
                ) from error

    def read(self, name: str) -> np.ndarray:
        from safetensors import safe_open

        # Opened for each tensor: mapped pages stay in memory until the file is closed.
        with safe_open(self._file[name], framework="numpy") as file:
            return file.get_tensor(name)


class TorchFile:
    """The state dict of a PyTorch file, read without PyTorch and without its code."""

    def __init__(self, path: Path):
        try:
            reader = TorchZip if zipfile.is_zipfile(path) else TorchLegacy
            file = reader(path)
        except Exception as error:  # the type depends on the kind of damage
            raise InputError(
                f"{path}: not a complete torch file ({type(error).__name__}); "
                "get it again"
            ) from error
        state = file.content
        if not isinstance(state, dict) or not all(
            isinstance(value, StoredTensor) for value in state.values()
        ):
            raise InputError(f"{path}: expected a dict of tensors")
        self._path, self._read, self._state = path, file.read, state
        self.shapes = {name: tuple(value.shape) for name, value in state.items()}

    def read(self, name: str) -> np.ndarray:
        try:
            return self._read(self._state[name])
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{self._path}: {name} is damaged ({error}); get it again"
            ) from error
