"""Reads files that PyTorch 1.6 or later saved, without PyTorch.

Such a file is an uncompressed zip archive. `data.pkl` pickles the dict, in which every
tensor is a reference to a storage: the raw elements in `data/KEY`.
"""

import zipfile
from pathlib import Path

import numpy as np

from convert_weights.torch_pickle import StoredTensor, TensorUnpickler


class TorchZip:
    """The dict of tensors in such a file.

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
