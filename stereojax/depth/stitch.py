"""Depth of overlapping windows, each of a scale of its own, to that of one shot.

As DepthAnything/Video-Depth-Anything (Apache-2.0) does it. A window's first two slots
show frames whose depth is known: the shot's first, whose depth never changes again, and
one of the window before. They give the window's scale and shift. Then eight frames fade
from the old window to the new.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from stereojax.depth.key_windows import FADE, KEYS, LENGTH, REFERENCES
from stereojax.ops.least_squares import scale_and_shift
from stereojax.shapes import Float

HELD = LENGTH - FADE  # slots from here on wait for the next window


@dataclasses.dataclass(frozen=True)
class Seam:
    """What a window leaves behind for the next one."""

    references: Float[np.ndarray, "2 h w"]  # depth of the next window's first slots
    held: Float[np.ndarray, "8 h w"]  # of the slots that it fades from

    @classmethod
    def after(cls, depth: Float[np.ndarray, "32 h w"], before: "Seam | None") -> "Seam":
        references = depth[list(KEYS[:REFERENCES])]
        if before is not None:
            references[0] = before.references[0]
        return cls(references, depth[HELD:].copy())


def stitch(
    windows: Iterator[tuple[Float[np.ndarray, "32 h w"], int]],
) -> Iterator[Float[np.ndarray, "h w"]]:
    """The depth of each frame, in order.

    Args:
      windows: a network's depth of each of `key_windows`, and the window's `known`.
    """
    seam = None
    for depth, known in windows:
        frames, seam = stitched(depth, known, seam)
        yield from frames


def stitched(
    depth: Float[np.ndarray, "32 h w"], known: int, before: Seam | None
) -> tuple[Float[np.ndarray, "t h w"], Seam]:
    """The frames that one window has the last word on, and what it leaves behind."""
    begin = 0
    if before is not None:
        depth, begin = aligned(depth, before), REFERENCES
    return depth[begin : min(known, HELD)].copy(), Seam.after(depth, before)


def aligned(
    depth: Float[np.ndarray, "32 h w"], seam: Seam
) -> Float[np.ndarray, "32 h w"]:
    """A window's depth in the scale of what came before, faded in over eight frames."""
    scale, shift = scale_and_shift(depth[:REFERENCES], seam.references)
    depth = np.maximum(depth * np.float32(scale) + np.float32(shift), np.float32(0))
    new = np.linspace(0, 1, FADE, dtype=np.float32)[:, None, None]
    fade = slice(REFERENCES, REFERENCES + FADE)
    depth[fade] = seam.held * (1 - new) + depth[fade] * new
    return depth
