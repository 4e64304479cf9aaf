"""What a file's name says about its layout: the words that players go by.

After the names that iw3, SKYBOX, Kodi and DeoVR write or read: `Film.3D.HSBS.mkv`,
`film_LRF_Full_SBS.mkv`, `film_TB.mp4`, `film_RLF_cross.mkv`.
"""

import dataclasses
import re
from pathlib import Path

_WORDS = {
    # word: (side by side, squeezed (None: not said), right view first)
    "lrf": (True, False, False),
    "fsbs": (True, False, False),
    "fullsbs": (True, False, False),
    "hsbs": (True, True, False),
    "halfsbs": (True, True, False),
    "lr": (True, None, False),  # squeezed for some players, full for others
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
# 'Cross.Country', 'RL_Stine': they count next to another word for their layout only.
_IN_TITLES = ("rl", "cross", "crosseyed", "bt")
_ANAGLYPH = ("redcyan", "anaglyph")
_ROUND = ("180x180", "360x180", "vr180", "vr360", "f180", "mkx200")


@dataclasses.dataclass(frozen=True)
class Named:
    """What is said; None: nothing."""

    beside: bool | None = None
    half: bool | None = None
    right_first: bool = False
    unusable: str | None = None  # "anaglyph", "vr"


def read_name(path: Path) -> Named:
    """The last words count: they are what a converter adds."""
    text = re.sub(r"(?i)(full|half)[ ._-]+(?=sbs|tb|ou)", r"\1", path.stem)
    text = re.sub(
        r"(?i)(?<![a-z])bt[ ._-]?(601|709|2020)", " ", text
    )  # colour standards
    words = [w for w in re.split(r"[\W_]+", text.lower()) if w]
    if any(word in _ROUND for word in words):
        return Named(unusable="vr")
    if any(word in _ANAGLYPH for word in words):
        return Named(unusable="anaglyph")
    said = [_WORDS[word] for i, word in enumerate(words) if _counts(words, i)]
    if not said:
        return Named()
    beside = said[-1][0]
    said = [s for s in said if s[0] == beside]
    halves = [half for _, half, _ in said if half is not None]
    return Named(beside, halves[-1] if halves else None, any(s[2] for s in said))


def _counts(words: list[str], place: int) -> bool:
    word = words[place]
    if word not in _IN_TITLES:
        return word in _WORDS
    around = words[max(0, place - 1) : place] + words[place + 1 : place + 2]
    return any(_WORDS[w][0] == _WORDS[word][0] for w in around if w in _WORDS)
