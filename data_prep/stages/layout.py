"""How a film packs its views: its name, its tags, and above all its pictures."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from data_prep.film_summary import Refused
from data_prep.stages.correspondence import Correspondence, correspond
from data_prep.stages.eyes import Votes, depth_spread, vote
from data_prep.stages.layout_name import Named, read_name
from data_prep.stages.packing import Packing, View, is_half
from stereojax.stage_types import VideoInfo
from stereojax.video.stereo.stereo_tags import read_stereo_mode

_WIDTH = 512  # of the small pictures that are compared
# Of the texture in one view, how much the other shows: 0.85 and more in real pairs, up
# to 0.35 in the halves of ordinary pictures.
_ONE_SCENE = 0.5
_FLAT = 0.2  # % of the width; less depth than this is none
_SWAPPED = -0.25  # `Votes.order` below which the eyes are swapped
_TAGS = {
    "left_right": (True, False),
    "right_left": (True, True),
    "top_bottom": (False, False),
    "bottom_top": (False, True),
}


@dataclasses.dataclass(frozen=True)
class FindLayout:
    """Decides the packing of a film from a few of its frames, or refuses the film."""

    layout: str = "auto"  # or sbs, tb, half_sbs, half_tb: what the user knows
    swapped_eyes: str = "refuse"  # or swap: what to do where the eyes are swapped

    def __call__(self, info: VideoInfo, pictures: Sequence[View]) -> Packing:
        """Raises `Refused` for a film that is not stereo, or not with eyes in order."""
        said = self._said(info.path)
        packing, matches = self._packing(info, said, pictures)
        if matches:
            self._check_depth(info.path, matches)
            packing = self._ordered(info.path, packing, pictures, matches)
        return packing

    def _said(self, path: Path) -> Named:
        """What the user, a tag or the name says; in this order.

        For the layout that it is, tag and name can each put the right view first.
        """
        named, tag = read_name(path), read_stereo_mode(path)
        first = {_TAGS[tag]} if tag in _TAGS else set()
        first |= {(named.beside, named.right_first)}
        if self.layout != "auto":
            beside, half = self.layout.endswith("sbs"), self.layout.startswith("half")
            return Named(beside, half, (beside, True) in first)
        if named.unusable:
            raise Refused(
                named.unusable,
                f"{path}: by its name it is {named.unusable}; expected two flat views"
                " in one picture (--layout overrules the name)",
            )
        if tag is None:
            return named
        if tag not in _TAGS:
            raise Refused(
                "unknown_layout",
                f"{path}: its stereo mode is {tag}; expected left_right or top_bottom"
                " (--layout overrules the tag)",
            )
        beside, _ = _TAGS[tag]
        half = named.half if named.beside == beside else None
        return Named(beside, half, (beside, True) in first)

    def _packing(
        self, info: VideoInfo, said: Named, pictures: Sequence[View]
    ) -> tuple[Packing, list[Correspondence]]:
        """The packing whose views match best, and how each frame's views match."""
        shares = {}
        # Titles have such words too: a name or a tag is tried first, and not alone.
        order = (False, True) if said.beside is False else (True, False)
        for beside in order if self.layout == "auto" else (said.beside,):
            meant = said if beside == said.beside else Named()
            half = meant.half
            if half is None:
                size = info.width, info.height
                half = is_half(*size, beside, info.sample_aspect)
            packing = Packing(beside, half, meant.right_first)
            matches = [correspond(*packing.split(p), _WIDTH) for p in pictures]
            matches = [m for m in matches if np.isfinite(m.share)]
            shares[packing] = float(np.median([m.share for m in matches] or [0.0]))
            if shares[packing] >= _ONE_SCENE:
                return packing, matches
            if not matches and meant.beside is not None:
                return packing, matches  # nothing to see: believe what is said
        self._refuse_mono(info.path, shares)

    def _refuse_mono(self, path: Path, shares: dict[Packing, float]) -> NoReturn:
        tried = " nor ".join(
            f"{'left and right' if p.beside else 'top and bottom'} halves"
            f" ({share:.0%} of their texture matches)"
            for p, share in shares.items()
        )
        raise Refused(
            "mono",
            f"{path}: not a stereo film: one scene is seen neither in its {tried};"
            f" expected {_ONE_SCENE:.0%} or more. --config=data_mono makes training"
            " pairs of ordinary films",
        )

    def _check_depth(self, path: Path, matches: list[Correspondence]) -> None:
        spreads = np.array([depth_spread(m) for m in matches])
        spreads = spreads[np.isfinite(spreads)]
        # A title or two may be flat; three quarters of a film are not.
        spread = np.percentile(spreads, 75) if spreads.size else np.inf
        if spread >= _FLAT:
            return
        middle = np.median([np.median(m.certain) for m in matches])
        moved = f" moved by {middle:.0f} px" if abs(middle) >= 0.5 else ""
        raise Refused(
            "fake_stereo",
            f"{path}: fake stereo: both views are one picture{moved}: within a frame"
            f" the disparity varies by {spread:.2f} % of the width; expected {_FLAT} %"
            " or more",
        )

    def _ordered(
        self,
        path: Path,
        packing: Packing,
        pictures: Sequence[View],
        matches: list[Correspondence],
    ) -> Packing:
        votes = sum((vote(m) for m in matches), Votes())
        for picture in pictures:  # the right views have bands of their own
            left, right = (v[:, ::-1] for v in packing.split(picture))
            votes += vote(correspond(right, left, _WIDTH))
        if votes.order > _SWAPPED:
            return packing
        if self.swapped_eyes == "swap":
            return dataclasses.replace(packing, right_first=not packing.right_first)
        raise Refused(
            "swapped_eyes",
            f"{path}: the eyes are swapped: of what only one view shows,"
            f" {(1 - votes.order) / 2:.0%} lies on the wrong side of what hides it;"
            " --config.swapped_eyes=swap takes them the other way round",
        )
