"""Reads the layout of a film from the words in its file name.

Follows the names that iw3, SKYBOX, Kodi and DeoVR write or read: `Film.3D.HSBS.mkv`,
`film_LRF_Full_SBS.mkv`, `film_TB.mp4`, `film_RLF_cross.mkv`.
"""

import dataclasses
import re
from pathlib import Path

_WORDS = {
    # word: (side by side, squeezed to half (None: unknown), right view first)
    "lrf": (True, False, False),
    "fsbs": (True, False, False),
    "fullsbs": (True, False, False),
    "hsbs": (True, True, False),
    "halfsbs": (True, True, False),
    "lr": (True, None, False),  # players disagree: half or full
    "sbs": (True, None, False),
    "3dh": (True, None, False),
    "rlf": (True, False, True),
    "rl": (True, None, True),
    "cross": (True, None, True),
    "crosseyed": (True, None, True),
    "tbf": (False, False, False),
    "fulltb": (False, False, False),
    "ftab": (False, False, False),
    "fullou": (False, False, False),
    "halftb": (False, True, False),
    "htab": (False, True, False),
    "halfou": (False, True, False),
    "hou": (False, True, False),
    "tb": (False, None, False),
    "tab": (False, None, False),
    "ou": (False, None, False),
    "3dv": (False, None, False),
    "bt": (False, None, True),
}
# These words occur in titles too ('Cross.Country', 'RL_Stine'): they count only next to
# another word for the same layout.
_TITLE_WORDS = ("rl", "cross", "crosseyed", "bt")
_ANAGLYPH = ("redcyan", "anaglyph")
_VR = ("180x180", "360x180", "vr180", "vr360", "f180", "mkx200")


@dataclasses.dataclass(frozen=True)
class NamedLayout:
    """The layout that a name states; None: the name does not say."""

    side_by_side: bool | None = None
    half: bool | None = None
    right_first: bool = False
    unusable: str | None = None  # "anaglyph", "vr"


def read_layout_name(path: Path) -> NamedLayout:
    """Reads the layout; the last words win, because converters append theirs."""
    text = re.sub(r"(?i)(full|half)[ ._-]+(?=sbs|tb|ou)", r"\1", path.stem)
    # Colour standards are not layouts.
    text = re.sub(r"(?i)(?<![a-z])bt[ ._-]?(601|709|2020)", " ", text)
    words = [w for w in re.split(r"[\W_]+", text.lower()) if w]
    if any(word in _VR for word in words):
        return NamedLayout(unusable="vr")
    if any(word in _ANAGLYPH for word in words):
        return NamedLayout(unusable="anaglyph")
    layouts = [_WORDS[word] for i, word in enumerate(words) if _is_layout(words, i)]
    if not layouts:
        return NamedLayout()
    side_by_side = layouts[-1][0]
    layouts = [layout for layout in layouts if layout[0] == side_by_side]
    halves = [half for _, half, _ in layouts if half is not None]
    right_first = any(right_first for *_, right_first in layouts)
    return NamedLayout(side_by_side, halves[-1] if halves else None, right_first)


def _is_layout(words: list[str], index: int) -> bool:
    """Returns whether a word states a layout, and is not just part of a title."""
    word = words[index]
    if word not in _TITLE_WORDS:
        return word in _WORDS
    neighbours = words[max(0, index - 1) : index] + words[index + 1 : index + 2]
    return any(_WORDS[n][0] == _WORDS[word][0] for n in neighbours if n in _WORDS)
