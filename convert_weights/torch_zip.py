"""Tensors of a file that torch saved, read without torch.

Such a file (since torch 1.6) is a zip archive, uncompressed: `data.pkl` pickles the
dict, in which every tensor is a reference into `data/KEY`, its raw numbers. A pickle
can call anything; here it gets tensors and plain containers, or an error.
"""

import collections
import dataclasses
import math
import pickle
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

_TYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """Where a tensor's numbers lie."""

    key: str  # of the storage
    dtype: np.dtype
    numel: int  # of the whole storage
    offset: int  # of the first element in it, as the strides in elements
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class TorchZip:
    """The dict of tensors in a zip file of torch's.

    Raises:
      ValueError: it is not whole, or holds something else.
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
                raise ValueError("numbers are big-endian")
            with archive.open(pickles[0]) as file:
                self.content = _Unpickler(file).load()

    def read(self, tensor: StoredTensor) -> np.ndarray:
        """A copy of one tensor."""
        last = sum(
            (n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True)
        )
        if math.prod(tensor.shape) and tensor.offset + last >= tensor.numel:
            raise ValueError("a tensor reaches beyond its storage")
        with zipfile.ZipFile(self._path) as archive:
            raw = archive.read(f"{self._folder}data/{tensor.key}")
        storage = np.frombuffer(raw, tensor.dtype, tensor.numel)
        size = tensor.dtype.itemsize
        return np.lib.stride_tricks.as_strided(
            storage[tensor.offset :],
            tensor.shape,
            [size * stride for stride in tensor.strides],
        ).copy()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module == "torch" and name in _TYPES:
            return np.dtype(_TYPES[name])
        raise pickle.UnpicklingError(f"{module}.{name} is not to be called")

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, _, numel = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"a reference to a {kind}")
        return key, dtype, numel


def _tensor(storage: Any, offset: int, shape: Any, strides: Any, *_: Any) -> Any:
    key, dtype, numel = storage
    return StoredTensor(key, dtype, numel, offset, tuple(shape), tuple(strides))
