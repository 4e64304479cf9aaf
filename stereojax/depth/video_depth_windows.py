"""Cuts a shot into windows for Video Depth Anything and aligns their depth.

Follows DepthAnything/Video-Depth-Anything (Apache-2.0). A window has 32 slots, one
frame in each. The first 10 slots of each later window hold key frames of the previous
window: slot 0 its slot 0 (the shot's first frame), slot 1 its slot 12, and slots 2 to 9
its last eight slots. The other 22 frames are new. After the end of the shot the last
frame is repeated.

The network's depth has another scale and shift in each window. Slots 0 and 1 are
reference frames: their depth in the previous window determines the scale and the shift
of the new one. Slots 2 to 9 cross-fade from the previous window's depth to the new.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

from stereojax.ops.least_squares import scale_and_shift
from stereojax.shapes import Float

T = TypeVar("T")

LENGTH = 32  # slots of a window
KEY_SLOTS = (0, 12, *range(24, 32))  # slots whose frames begin the next window
STEP = LENGTH - len(KEY_SLOTS)  # new frames per window
FADE = 8  # slots at the end of a window that cross-fade with the next window
REFERENCES = len(KEY_SLOTS) - FADE  # slots at the start that align the window
FADE_START = LENGTH - FADE  # the first slot whose depth the next window changes


@dataclasses.dataclass(frozen=True)
class KeyWindow(Generic[T]):
    """The input of the network: one item (a frame or its features) in each slot."""

    items: list[T]  # LENGTH
    known: int  # slots with frames of the shot; the others repeat the last frame


def key_windows(items: Iterator[T], keys: Sequence[T] = ()) -> Iterator[KeyWindow[T]]:
    """Yields the windows of a shot, each as soon as its last item is read.

    There is no last window for frames that the previous window has already decided,
    which are those before its cross-fade.

    Args:
      items: one per frame of the shot; with `keys`, one per frame that is still unread.
      keys: items in the slots `KEY_SLOTS` of the previous window, to resume after it.
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
        keys = [window[i] for i in KEY_SLOTS]
        new = list(itertools.islice(items, STEP))
        known += len(new) - STEP


@dataclasses.dataclass(frozen=True)
class WindowEnd:
    """Aligned depth of a window, as far as the next window needs it."""

    references: Float[
        np.ndarray, "2 h w"
    ]  # depth of the next window's reference frames
    fade: Float[np.ndarray, "8 h w"]  # depth of the frames of the cross-fade

    @classmethod
    def of(
        cls, depth: Float[np.ndarray, "32 h w"], previous: "WindowEnd | None"
    ) -> "WindowEnd":
        """Returns the end of a window with the given aligned depth."""
        references = depth[list(KEY_SLOTS[:REFERENCES])]
        # Reference 0 is the shot's first frame: it keeps the depth of the first window.
        if previous is not None:
            references[0] = previous.references[0]
        return cls(references, depth[FADE_START:].copy())


def align_window(
    depth: Float[np.ndarray, "32 h w"], known: int, previous: WindowEnd | None
) -> tuple[Float[np.ndarray, "t h w"], WindowEnd]:
    """Aligns a window's depth to the scale and shift of the shot's depth.

    Args:
      depth: the network's depth of a window.
      known: `KeyWindow.known` of the window.
      previous: the end of the previous window; None for the first window.

    Returns:
      The depth of the frames that no later window changes, and the window's end.
    """
    start = 0
    if previous is not None:
        depth, start = _aligned(depth, previous), REFERENCES
    final = depth[start : min(known, FADE_START)].copy()
    return final, WindowEnd.of(depth, previous)


def _aligned(
    depth: Float[np.ndarray, "32 h w"], previous: WindowEnd
) -> Float[np.ndarray, "32 h w"]:
    """Scales and shifts a window to match its references, then cross-fades."""
    scale, shift = scale_and_shift(depth[:REFERENCES], previous.references)
    depth = np.maximum(depth * np.float32(scale) + np.float32(shift), np.float32(0))
    weight = np.linspace(0, 1, FADE, dtype=np.float32)[:, None, None]
    fade = slice(REFERENCES, REFERENCES + FADE)
    depth[fade] = previous.fade * (1 - weight) + depth[fade] * weight
    return depth
