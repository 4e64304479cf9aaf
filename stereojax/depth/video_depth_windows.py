"""Windows of Video Depth Anything: cuts a shot into windows and aligns their depth.

As DepthAnything/Video-Depth-Anything (Apache-2.0) does it. A window has 32 frames. Each
window after the first begins with 10 key frames of the previous one: slot 0 is always
the shot's first frame, slot 1 the frame of slot 12, slots 2 to 9 the last eight frames;
22 frames are new. After the end of the shot the last frame repeats.

Each window's depth has a scale and a shift of its own. The first two slots are
reference frames whose depth is known, so they give the scale and the shift to the
shot's depth. The next eight frames cross-fade from the previous window's depth.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

from stereojax.ops.least_squares import scale_and_shift
from stereojax.shapes import Float

T = TypeVar("T")

LENGTH = 32
KEYS = (0, 12, *range(24, 32))  # slots of a window that open the next one
STEP = LENGTH - len(KEYS)
FADE = 8  # key frames at the end of a window, over which two windows cross-fade
REFERENCES = len(KEYS) - FADE  # slots whose depth the previous window has
FADE_START = LENGTH - FADE  # the first slot whose depth the next window changes


@dataclasses.dataclass(frozen=True)
class KeyWindow(Generic[T]):
    """The input of the network: one item for each of 32 frames."""

    items: list[T]  # 32
    known: int  # number of slots with frames of the shot; the others repeat the last


def key_windows(items: Iterator[T], keys: Sequence[T] = ()) -> Iterator[KeyWindow[T]]:
    """Yields every window of a shot, as soon as its last item is read.

    A window is left out if it would change no frame of the shot: the previous window
    decides all frames before the cross-fade.

    Args:
      items: one per frame of the shot; of the remaining frames if `keys` are given.
      keys: items in the slots `KEYS` of the previous window, if that was full.
    """
    keys = list(keys)
    new = list(itertools.islice(items, LENGTH - len(keys)))
    known = len(keys) + len(new)
    while known > 0:
        window = keys + new
        window += window[-1:] * (LENGTH - len(window))
        yield KeyWindow(window, min(known, LENGTH))
        if known <= FADE_START:
            return
        keys = [window[i] for i in KEYS]
        new = list(itertools.islice(items, STEP))
        known += len(new) - STEP


@dataclasses.dataclass(frozen=True)
class WindowEnd:
    """Aligned depth of a window that the next window needs."""

    references: Float[np.ndarray, "2 h w"]  # of the next window's reference frames
    fade: Float[np.ndarray, "8 h w"]  # of the frames that the next window fades from

    @classmethod
    def of(
        cls, depth: Float[np.ndarray, "32 h w"], previous: "WindowEnd | None"
    ) -> "WindowEnd":
        """Returns the end of a window; reference 0 is always the shot's first frame."""
        references = depth[list(KEYS[:REFERENCES])]
        if previous is not None:
            references[0] = previous.references[0]
        return cls(references, depth[FADE_START:].copy())


def align_window(
    depth: Float[np.ndarray, "32 h w"], known: int, previous: WindowEnd | None
) -> tuple[Float[np.ndarray, "t h w"], WindowEnd]:
    """Aligns a window's depth to the shot's scale.

    Args:
      depth: the network's depth of a window.
      known: the window's `known`.
      previous: the end of the previous window; None for the first window.

    Returns:
      The frames that no later window changes, and the end for the next window.
    """
    start = 0
    if previous is not None:
        depth, start = _aligned(depth, previous), REFERENCES
    final = depth[start : min(known, FADE_START)].copy()
    return final, WindowEnd.of(depth, previous)


def _aligned(
    depth: Float[np.ndarray, "32 h w"], previous: WindowEnd
) -> Float[np.ndarray, "32 h w"]:
    """Scales and shifts a window by its references, then cross-fades eight frames."""
    scale, shift = scale_and_shift(depth[:REFERENCES], previous.references)
    depth = np.maximum(depth * np.float32(scale) + np.float32(shift), np.float32(0))
    new = np.linspace(0, 1, FADE, dtype=np.float32)[:, None, None]
    fade = slice(REFERENCES, REFERENCES + FADE)
    depth[fade] = previous.fade * (1 - new) + depth[fade] * new
    return depth
