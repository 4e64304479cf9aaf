"""Tensors of a file that torch saved before version 1.6, read without torch.

Such a file is a row of pickles: a magic number, the version of the layout, facts about
the machine, the dict, and the keys of the storages. The storages follow in the order of
their keys, each a 64-bit count of elements and its raw numbers.
"""

from pathlib import Path

import numpy as np

from convert_weights.torch_pickle import StoredTensor, TensorUnpickler

MAGIC = 0x1950A86A20F9469CFC6C
LAYOUT = 1001
_COUNT = 8  # bytes


class TorchLegacy:
    """The dict of tensors in such a file.

    Raises:
      ValueError, pickle.UnpicklingError, EOFError: the file is not whole, or holds
        something else.
    """

    def __init__(self, path: Path):
        self._path = path
        with path.open("rb") as file:
            head = [TensorUnpickler(file).load() for _ in range(3)]
            if head[:2] != [MAGIC, LAYOUT]:
                raise ValueError("not written by torch")
            if not head[2]["little_endian"]:
                raise ValueError("numbers are big-endian")
            unpickler = TensorUnpickler(file)
            self.content = unpickler.load()
            self._start: dict[str, int] = {}  # byte of each storage's first number
            place = None
            for key in TensorUnpickler(file).load():
                place = (file.tell() if place is None else place) + _COUNT
                self._start[key] = place
                place += unpickler.bytes_of[key]
            if place is not None and place > path.stat().st_size:
                raise ValueError("truncated")

    def read(self, tensor: StoredTensor) -> np.ndarray:
        """A copy of one tensor."""
        tensor.check()
        size = tensor.numel * tensor.dtype.itemsize
        with self._path.open("rb") as file:
            file.seek(self._start[tensor.key] - _COUNT)
            count = int.from_bytes(file.read(_COUNT), "little")
            if count != tensor.numel:
                raise ValueError(f"{count} elements where {tensor.numel} were expected")
            return tensor.take(file.read(size))
