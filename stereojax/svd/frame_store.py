"""The frames of one layer's activations, on the device or in the host's memory.

A layer works on one frame, or on a band of rows of all frames, and puts the result back
in its place, so that hardly more than one layer's activations exist at a time.
"""

import functools
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float


class DeviceFrames:
    """Frames of one size on the device."""

    def __init__(self, frames: Iterable[Array]):
        """`frames`: `h w c` each."""
        self._frames = list(frames)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """t h w c."""
        return len(self._frames), *self._frames[0].shape

    def take(self, index: int) -> Float[Array, "h w c"]:
        """One frame; gone from here until something is put in its place."""
        frame, self._frames[index] = self._frames[index], None
        return frame

    def put(self, index: int, frame: Float[Array, "h w c"]) -> None:
        """A frame, of another size if all are to have it."""
        self._frames[index] = frame

    def read(self, row: int, rows: int) -> Float[Array, "t r w c"]:
        """Rows of all frames."""
        return _read(tuple(self._frames), row, rows)

    def write(self, row: int, band: Float[Array, "t r w c"]) -> None:
        """What `read` gave, changed."""
        self._frames = list(_write(tuple(self._frames), band, row))

    def stack(self) -> Float[Array | np.ndarray, "t h w c"]:
        """All of it."""
        return jnp.stack(self._frames)


class HostFrames(DeviceFrames):
    """The same in the host's memory: the device holds only what is worked on."""

    def __init__(self, frames: Iterable[Array]):
        self._frames = [np.array(frame) for frame in frames]

    def take(self, index: int) -> Float[Array, "h w c"]:
        frame, self._frames[index] = self._frames[index], None
        return jnp.asarray(frame)

    def put(self, index: int, frame: Float[Array, "h w c"]) -> None:
        self._frames[index] = np.array(frame)

    def read(self, row: int, rows: int) -> Float[Array, "t r w c"]:
        return jnp.asarray(np.stack([f[row : row + rows] for f in self._frames]))

    def write(self, row: int, band: Float[Array, "t r w c"]) -> None:
        for frame, part in zip(self._frames, np.asarray(band), strict=True):
            frame[row : row + len(part)] = part

    def stack(self) -> Float[Array | np.ndarray, "t h w c"]:
        return np.stack(self._frames)


@functools.partial(jax.jit, static_argnames=("rows",))
def _read(frames: tuple[Array, ...], row: int | Array, rows: int) -> Array:
    return jnp.stack([jax.lax.dynamic_slice_in_dim(f, row, rows) for f in frames])


@functools.partial(jax.jit, donate_argnames=("frames",))
def _write(
    frames: tuple[Array, ...], band: Array, row: int | Array
) -> tuple[Array, ...]:
    return tuple(
        jax.lax.dynamic_update_slice_in_dim(f, part, row, axis=0)
        for f, part in zip(frames, band, strict=True)
    )
