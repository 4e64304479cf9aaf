"""Named tensors of a checkpoint's files, read one at a time."""

import importlib.util
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import ml_dtypes  # noqa: F401 - numpy learns bfloat16
import numpy as np

from stereojax.cli import InputError

Shape = tuple[int, ...]


class Tensors(Protocol):
    """What a checkpoint holds."""

    shapes: dict[str, Shape]

    def read(self, name: str) -> np.ndarray: ...


class Safetensors:
    """One or several safetensors files; needs no torch."""

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
                    f"{path}: not a whole safetensors file ({error}); get it again"
                ) from error

    def read(self, name: str) -> np.ndarray:
        from safetensors import safe_open

        # Opened for each tensor: what is mapped stays in memory until it is closed.
        with safe_open(self._file[name], framework="numpy") as file:
            return file.get_tensor(name)


class TorchFile:
    """A state dict that torch saved; nothing that is pickled in it gets to run."""

    def __init__(self, path: Path):
        try:
            if zipfile.is_zipfile(path):
                self._read, state, kind = _open_zip(path)
            else:
                self._read, state, kind = _open_old(path)
        except InputError:
            raise
        except Exception as error:  # of many kinds, depending on what is broken
            raise InputError(
                f"{path}: not a whole torch file ({type(error).__name__}); get it again"
            ) from error
        if not isinstance(state, dict) or not all(
            isinstance(value, kind) for value in state.values()
        ):
            raise InputError(f"{path}: expected a dict of tensors")
        self._path, self._state = path, state
        self.shapes = {name: tuple(value.shape) for name, value in state.items()}

    def read(self, name: str) -> np.ndarray:
        try:
            return self._read(self._state[name])
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{self._path}: {name} is damaged ({error}); get it again"
            ) from error


def _open_zip(path: Path) -> tuple[Callable, Any, type]:
    from convert_weights.torch_zip import StoredTensor, TorchZip

    file = TorchZip(path)
    return file.read, file.content, StoredTensor


def _open_old(path: Path) -> tuple[Callable, Any, type]:
    """What torch wrote before 1.6, which only torch reads."""
    if importlib.util.find_spec("torch") is None:
        raise InputError(
            f"{path}: not a zip file; if it is whole, it is older than torch 1.6 and "
            "needs torch to be read; run: pip install torch"
        )
    import torch

    def read(tensor: torch.Tensor) -> np.ndarray:
        tensor = tensor.contiguous()
        if tensor.dtype == torch.bfloat16:  # torch makes no numpy array of it
            return tensor.view(torch.int16).numpy().view("bfloat16")
        return tensor.numpy()

    state = torch.load(path, map_location="cpu", weights_only=True)
    return read, state, torch.Tensor
