"""Unpickles the state dicts in PyTorch files, without PyTorch.

A pickle can call any function. This unpickler builds only tensors and plain containers
and refuses everything else.
"""

import collections
import dataclasses
import math
import pickle
from typing import IO, Any

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
    """The position of a tensor in its storage."""

    key: str  # of the storage
    dtype: np.dtype
    numel: int  # number of elements of the whole storage
    offset: int  # of the first element in the storage, in elements
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements

    def check(self) -> None:
        """Raises ValueError if the tensor reaches beyond its storage."""
        last = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        backwards = min((self.offset, *self.strides)) < 0
        if backwards or (math.prod(self.shape) and self.offset + last >= self.numel):
            raise ValueError("a tensor reaches beyond its storage")

    def take(self, raw: bytes) -> np.ndarray:
        """Returns a copy of the tensor; `raw` holds the whole storage."""
        storage = np.frombuffer(raw, self.dtype, self.numel)
        size = self.dtype.itemsize
        return np.lib.stride_tricks.as_strided(
            storage[self.offset :],
            self.shape,
            [size * stride for stride in self.strides],
        ).copy()


class TensorUnpickler(pickle.Unpickler):
    """Loads `StoredTensor`s in plain containers.

    Raises:
      pickle.UnpicklingError: the pickle calls any other function.
    """

    def __init__(self, file: IO[bytes]):
        super().__init__(file)
        self.bytes_of: dict[str, int] = {}  # size of each referenced storage, by key

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module == "torch" and name in _TYPES:
            return np.dtype(_TYPES[name])
        raise pickle.UnpicklingError(f"refused to call {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, _, numel, *view = pid
        # Only files from before 1.6 have the last entry: a view of a part of a storage.
        if kind != "storage" or any(part is not None for part in view):
            raise pickle.UnpicklingError(f"a reference to a {kind}")
        self.bytes_of[key] = numel * dtype.itemsize
        return key, dtype, numel


def _tensor(storage: Any, offset: int, shape: Any, strides: Any, *_: Any) -> Any:
    key, dtype, numel = storage
    return StoredTensor(key, dtype, numel, offset, tuple(shape), tuple(strides))
