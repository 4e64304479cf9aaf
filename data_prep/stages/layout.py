"""Finds how a film packs its two views: by its name, its tags and its pictures."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from data_prep.film_summary import RefusalError
from data_prep.stages.correspondence import Correspondence, correspond
from data_prep.stages.eyes import EyeOrderVotes, count_votes, depth_spread
from data_prep.stages.layout_name import NamedLayout, read_layout_name
from data_prep.stages.packing import Packing, View, is_half
from stereojax.stage_types import VideoInfo
from stereojax.video.stereo.stereo_tags import read_stereo_mode

_WIDTH = 512  # of the small pictures that are matched
# Share of a view's texture that matches the other view: 0.85 and more in real pairs, at
# most 0.35 between the halves of an ordinary picture.
_MIN_SHARE = 0.5
_MIN_SPREAD = 0.2  # range of disparity, % of the width; less is not depth
_SWAPPED = -0.25  # `EyeOrderVotes.order` below which the eyes are swapped
_TAGS = {
    # tag: (side by side, right view first)
    "left_right": (True, False),
    "right_left": (True, True),
    "top_bottom": (False, False),
    "bottom_top": (False, True),
}


@dataclasses.dataclass(frozen=True)
class FindLayout:
    """Decides the packing of a film from a few of its frames, or refuses the film."""

    layout: str = "auto"  # or sbs, tb, half_sbs, half_tb: set by the user
    swapped_eyes: str = "refuse"  # or swap

    def __call__(self, info: VideoInfo, pictures: Sequence[View]) -> Packing:
        """Raises `RefusalError` if the film is not stereo, or its eyes are swapped."""
        stated = self._stated_layout(info.path)
        packing, matches = self._match_views(info, stated, pictures)
        if matches:
            self._check_depth(info.path, matches)
            packing = self._order_eyes(info.path, packing, pictures, matches)
        return packing

    def _stated_layout(self, path: Path) -> NamedLayout:
        """Returns the layout that the user, a tag or the name states, in this order.

        A tag or name of the same layout can each put the right view first.
        """
        named, tag = read_layout_name(path), read_stereo_mode(path)
        right_first = {layout for layout in (_TAGS.get(tag),) if layout}
        right_first |= {(named.side_by_side, named.right_first)}
        if self.layout != "auto":
            side_by_side = self.layout.endswith("sbs")
            half = self.layout.startswith("half")
            return NamedLayout(side_by_side, half, (side_by_side, True) in right_first)
        if named.unusable:
            raise RefusalError(
                named.unusable,
                f"{path}: by its name it is {named.unusable}; expected two flat views"
                " in one picture (--layout overrules the name)",
            )
        if tag is None:
            return named
        if tag not in _TAGS:
            raise RefusalError(
                "unknown_layout",
                f"{path}: its stereo mode is {tag}; expected left_right or top_bottom"
                " (--layout overrules the tag)",
            )
        side_by_side, _ = _TAGS[tag]
        half = named.half if named.side_by_side == side_by_side else None
        return NamedLayout(side_by_side, half, (side_by_side, True) in right_first)

    def _match_views(
        self, info: VideoInfo, stated: NamedLayout, pictures: Sequence[View]
    ) -> tuple[Packing, list[Correspondence]]:
        """Returns the packing whose views match, and each frame's matches."""
        shares = {}
        # Try the stated layout first, then the other: titles contain layout words too.
        order = (False, True) if stated.side_by_side is False else (True, False)
        for side_by_side in order if self.layout == "auto" else (stated.side_by_side,):
            is_stated = side_by_side == stated.side_by_side
            layout = stated if is_stated else NamedLayout()
            half = layout.half
            if half is None:
                size = info.width, info.height
                half = is_half(*size, side_by_side, info.sample_aspect)
            packing = Packing(side_by_side, half, layout.right_first)
            matches = [correspond(*packing.split(p), _WIDTH) for p in pictures]
            matches = [m for m in matches if np.isfinite(m.share)]
            shares[packing] = float(np.median([m.share for m in matches] or [0.0]))
            if shares[packing] >= _MIN_SHARE:
                return packing, matches
            if not matches and layout.side_by_side is not None:
                # The pictures have no texture to match: use the stated layout.
                return packing, matches
        self._refuse_mono(info.path, shares)

    def _refuse_mono(self, path: Path, shares: dict[Packing, float]) -> NoReturn:
        percentages = ", ".join(
            f"{share:.0%} in the"
            f" {'left and right' if p.side_by_side else 'top and bottom'} halves"
            for p, share in shares.items()
        )
        raise RefusalError(
            "mono",
            f"{path}: not a stereo film: too little texture matches: {percentages};"
            f" expected at least {_MIN_SHARE:.0%}. --config=data_mono makes training"
            " pairs of ordinary films",
        )

    def _check_depth(self, path: Path, matches: list[Correspondence]) -> None:
        """Refuses a film whose two views are one picture."""
        spreads = np.array([depth_spread(m) for m in matches])
        spreads = spreads[np.isfinite(spreads)]
        # A few titles may be flat; three quarters of a stereo film are not.
        spread = np.percentile(spreads, 75) if spreads.size else np.inf
        if spread >= _MIN_SPREAD:
            return
        middle = np.median([np.median(m.certain) for m in matches])
        moved = f" moved by {middle:.0f} px" if abs(middle) >= 0.5 else ""
        raise RefusalError(
            "fake_stereo",
            f"{path}: fake stereo: both views are one picture{moved}: within a frame"
            f" the disparity varies by {spread:.2f} % of the width; expected"
            f" {_MIN_SPREAD} % or more",
        )

    def _order_eyes(
        self,
        path: Path,
        packing: Packing,
        pictures: Sequence[View],
        matches: list[Correspondence],
    ) -> Packing:
        """Returns the packing with the eyes in order, or refuses swapped eyes."""
        votes = sum((count_votes(m) for m in matches), EyeOrderVotes())
        # The right views have occlusions too: mirrored, a right view is a left one.
        for picture in pictures:
            left, right = (view[:, ::-1] for view in packing.split(picture))
            votes += count_votes(correspond(right, left, _WIDTH))
        if votes.order > _SWAPPED:
            return packing
        if self.swapped_eyes == "swap":
            return dataclasses.replace(packing, right_first=not packing.right_first)
        raise RefusalError(
            "swapped_eyes",
            f"{path}: the eyes are swapped: {(1 - votes.order) / 2:.0%} of what only"
            " one view shows is on the wrong side of its occluder;"
            " --config.swapped_eyes=swap exchanges the views",
        )
