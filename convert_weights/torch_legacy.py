"""Reads files that PyTorch before version 1.6 saved, without PyTorch.

Such a file is a sequence of pickles: a magic number, the format version, properties of
the machine, the dict, and the keys of the storages. The storages follow in the order of
their keys: a 64-bit number of elements, then the raw elements.
"""

from pathlib import Path

import numpy as np

from convert_weights.torch_pickle import StoredTensor, TensorUnpickler

MAGIC = 0x1950A86A20F9469CFC6C
FORMAT = 1001
_COUNT = 8  # bytes of the number of elements before a storage


class TorchLegacy:
    """The dict of tensors in such a file.

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
