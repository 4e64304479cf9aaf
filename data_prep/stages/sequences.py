"""Cuts the frames of a shot into sequences."""

import dataclasses
import itertools
from collections.abc import Sequence

from stereojax.stage_types import Shot
from stereojax.windows import Segment, plan_segments


@dataclasses.dataclass(frozen=True)
class PlanSequences:
    """Plans few sequences of nearly equal length, of at most `longest` frames."""

    longest: int
    shortest: int  # frames; shorter sequences are dropped later

    def __call__(self, shots: Sequence[Shot]) -> tuple[Segment, ...]:
        """Returns sequences that cover every frame."""
        spans = [span for shot in shots for span in self._spans(shot)]
        return tuple(Segment(i, *span) for i, span in enumerate(spans))

    def _spans(self, shot: Shot) -> list[tuple[int, int, int]]:
        parts = plan_segments([shot], self.longest)
        if len(parts) > 1 and min(map(len, parts)) < self.shortest:
            # Equal parts would all be dropped: plan parts of the longest length and a
            # rest.
            edges = [*range(shot.start, shot.stop, self.longest), shot.stop]
            pairs = itertools.pairwise(edges)
            return [(shot.index, start, stop) for start, stop in pairs]
        return [(shot.index, part.start, part.stop) for part in parts]
