"""Reads the state dicts of PyTorch's files, in both formats, without PyTorch."""

import zipfile
from pathlib import Path

import numpy as np

from convert_weights.torch_pickle import StoredTensor, TensorUnpickler
from stereojax.cli import InputError
from stereojax.weights.strict import Shape

# The older format.
MAGIC = 0x1950A86A20F9469CFC6C
FORMAT = 1001
_COUNT = 8  # bytes of the number of elements before a storage


class TorchFile:
    """The tensors of a state dict that PyTorch saved; runs no code of the file."""

    def __init__(self, path: Path):
        try:
            reader = TorchZip if zipfile.is_zipfile(path) else TorchLegacy
            file = reader(path)
        except Exception as error:  # the type depends on the kind of damage
            raise InputError(
                f"{path}: not a complete torch file ({type(error).__name__}); "
                "download it again"
            ) from error
        state = file.content
        if not isinstance(state, dict) or not all(
            isinstance(value, StoredTensor) for value in state.values()
        ):
            raise InputError(f"{path}: expected a dict of tensors")
        self._path, self._read, self._state = path, file.read, state
        self.shapes: dict[str, Shape] = {
            name: tuple(value.shape) for name, value in state.items()
        }

    def read(self, name: str) -> np.ndarray:
        try:
            return self._read(self._state[name])
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{self._path}: {name} is damaged ({error}); download it again"
            ) from error


class TorchZip:
    """The dict of tensors in a file of PyTorch 1.6 or later.

    Such a file is an uncompressed zip archive. `data.pkl` pickles the dict, in which
    every tensor is a reference to a storage: the raw elements in `data/KEY`.

    Raises:
      ValueError: the file is incomplete, or of another format.
    """

    def __init__(self, path: Path):
        self._path = path
        with zipfile.ZipFile(path) as archive:
            pickles = [n for n in archive.namelist() if n.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise ValueError("no data.pkl")
            self._folder = pickles[0].removesuffix("data.pkl")
            order = f"{self._folder}byteorder"
            if order in archive.namelist() and archive.read(order) != b"little":
                raise ValueError("its elements are big-endian")
            with archive.open(pickles[0]) as file:
                self.content = TensorUnpickler(file).load()

    def read(self, tensor: StoredTensor) -> np.ndarray:
        """Returns a copy of one tensor."""
        tensor.check()
        with zipfile.ZipFile(self._path) as archive:
            return tensor.take(archive.read(f"{self._folder}data/{tensor.key}"))


class TorchLegacy:
    """The dict of tensors in a file of PyTorch before version 1.6.

    Such a file is a sequence of pickles: a magic number, the format version, properties
    of the machine, the dict, and the keys of the storages. The storages follow in the
    order of their keys: a 64-bit number of elements, then the raw elements.

    Raises:
      ValueError, pickle.UnpicklingError, EOFError: the file is incomplete, or of
        another format.
    """

    def __init__(self, path: Path):
        self._path = path
        with path.open("rb") as file:
            head = [TensorUnpickler(file).load() for _ in range(3)]
            if head[:2] != [MAGIC, FORMAT]:
                raise ValueError("not written by torch")
            if not head[2]["little_endian"]:
                raise ValueError("its elements are big-endian")
            unpickler = TensorUnpickler(file)
            self.content = unpickler.load()
            self._start: dict[str, int] = {}  # byte of each storage's first element
            end = None
            for key in TensorUnpickler(file).load():
                start = (file.tell() if end is None else end) + _COUNT
                self._start[key] = start
                end = start + unpickler.bytes_of[key]
            if end is not None and end > path.stat().st_size:
                raise ValueError("truncated")

    def read(self, tensor: StoredTensor) -> np.ndarray:
        """Returns a copy of one tensor."""
        tensor.check()
        size = tensor.numel * tensor.dtype.itemsize
        with self._path.open("rb") as file:
            file.seek(self._start[tensor.key] - _COUNT)
            count = int.from_bytes(file.read(_COUNT), "little")
            if count != tensor.numel:
                raise ValueError(f"{count} elements where {tensor.numel} were expected")
            return tensor.take(file.read(size))
