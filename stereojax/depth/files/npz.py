"""Reads the frames of an array in an .npz or .npy file one at a time."""

import contextlib
import dataclasses
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stereojax.cli import InputError

KEYS = ("depth", "disparity", "arr_0")


@dataclasses.dataclass(frozen=True)
class ArrayFile:
    """A (frames, height, width) array in an .npz or .npy file."""

    path: Path
    key: str
    frames: int
    height: int
    width: int
    dtype: np.dtype

    @classmethod
    def open(cls, path: Path) -> "ArrayFile":
        """Opens the array and reads its header only.

        Raises:
          InputError: the array is missing, is not (frames, height, width) with an
            optional channel axis of length 1, or does not hold real numbers.
        """
        key = _key(path)
        with _member(path, key) as stream:
            shape, fortran, dtype = _header(stream, path)
        video_shape = shape  # without a channel axis of length 1, at index 1 or 3
        if len(shape) == 4 and 1 in (shape[1], shape[3]):
            video_shape = shape[:3] if shape[3] == 1 else (shape[0], *shape[2:])
        if len(video_shape) != 3 or 0 in video_shape:
            raise InputError(
                f"{path}: {key} has shape {shape}; expected (frames, height, width)"
            )
        if fortran:
            raise InputError(
                f"{path}: {key} is in Fortran order; save np.ascontiguousarray({key})"
            )
        if dtype.kind not in "fiu":
            raise InputError(f"{path}: {key} has type {dtype}; expected real numbers")
        return cls(path, key, *video_shape, dtype)

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Yields frames `start` to `stop - 1`: float32, (height, width)."""
        size = self.height * self.width * self.dtype.itemsize
        with _member(self.path, self.key) as stream:
            _header(stream, self.path)
            stream.seek(start * size, 1)  # decompresses the frames in between
            for index in range(start, stop):
                try:
                    data = stream.read(size)
                except (zipfile.BadZipFile, OSError, EOFError) as error:
                    raise InputError(f"{self.path}: frame {index}: {error}") from error
                if len(data) != size:
                    raise InputError(f"{self.path}: truncated at frame {index}")
                frame = np.frombuffer(data, self.dtype)
                yield frame.reshape(self.height, self.width).astype(np.float32)


def _key(path: Path) -> str:
    """Returns the name of the depth array in a file."""
    if path.suffix.lower() == ".npy":
        return "array"
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n.removesuffix(".npy") for n in archive.namelist()]
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: not an npz file: {error}") from error
    for key in KEYS:
        if key in names:
            return key
    raise InputError(
        f"{path}: expected an array called {', '.join(KEYS[:2])} or {KEYS[2]}; "
        f"the file has {', '.join(names) or 'no array'}"
    )


@contextlib.contextmanager
def _member(path: Path, key: str) -> Iterator[io.BufferedIOBase]:
    """Opens an array's .npy data: the file itself, or the archive's member."""
    if path.suffix.lower() == ".npy":
        with path.open("rb") as stream:
            yield stream
        return
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as stream:
        yield stream


def _header(
    stream: io.BufferedIOBase, path: Path
) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Reads an array's header: (shape, whether in Fortran order, dtype)."""
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        return np.lib.format.read_array_header_2_0(stream)
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{path}: not a NumPy array: {error}") from error
