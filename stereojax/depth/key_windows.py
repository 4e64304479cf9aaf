"""Windows of 32 frames over a shot; each begins with key frames of the one before.

As DepthAnything/Video-Depth-Anything (Apache-2.0) cuts a video: slot 0 is always the
shot's first frame, slot 1 the frame that was slot 12, slots 2 to 9 the eight that were
last; 22 frames are new. Behind the end the last frame repeats.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

LENGTH = 32
KEYS = (0, 12, *range(24, 32))  # slots that open the next window
STEP = LENGTH - len(KEYS)
FADE = 8  # of the keys lie next to each other: two windows fade over there
REFERENCES = len(KEYS) - FADE  # slots whose depth is known from before


@dataclasses.dataclass(frozen=True)
class KeyWindow(Generic[T]):
    """What a network sees at once."""

    items: list[T]  # 32
    known: int  # slots before this one are frames of the shot, the others repetition


def key_windows(items: Iterator[T], keys: Sequence[T] = ()) -> Iterator[KeyWindow[T]]:
    """Every window of a shot, as soon as its last item is there.

    A window follows only if it changes the depth of some frame: up to the first slot of
    the fade, the window before has the last word.

    Args:
      items: of the frames of a shot; or those that are left of it.
      keys: the items in `KEYS` of the window before, if that was full.
    """
    keys = list(keys)
    fresh = list(itertools.islice(items, LENGTH - len(keys)))
    known = len(keys) + len(fresh)
    while known > 0:
        window = keys + fresh
        window += window[-1:] * (LENGTH - len(window))
        yield KeyWindow(window, min(known, LENGTH))
        if known <= LENGTH - FADE:
            return
        keys = [window[i] for i in KEYS]
        fresh = list(itertools.islice(items, STEP))
        known += len(fresh) - STEP
