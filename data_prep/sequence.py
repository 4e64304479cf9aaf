"""One sequence, from frames with their disparity to a record or the reason for none."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from data_prep.film_summary import Sample
from data_prep.report.thumbnails import thumbnail
from data_prep.stage_timer import Clock
from data_prep.stages.encode import Coded, Encode, decoded, to_record, with_warp
from data_prep.stages.filters import Filters
from data_prep.stages.measures import Measures
from data_prep.stages.packing import View
from data_prep.stages.warp import Warp
from stereojax.records import Provenance, Record
from stereojax.settings.data import DataSettings
from stereojax.shapes import Float
from stereojax.windows import Segment


@dataclasses.dataclass(frozen=True)
class Matched:
    """A pair of a record's size, and the disparity of its left view."""

    left: View
    right: View
    disparity: Float[np.ndarray, "h w"]  # pixels, 0 or more; NaN lands nowhere
    agreed: float = 1.0  # share of it that was found and not guessed


@dataclasses.dataclass(frozen=True)
class Origin:
    """What the records of one shot share."""

    source: str
    source_hash: str
    kind: str
    frame_rate: float
    matcher: str
    shift: float = 0.0  # px that right views moved to the left, at the record's size


@dataclasses.dataclass(frozen=True)
class MakeSequence:
    """Encodes, decodes, splats and judges: what the filter sees is what is stored."""

    encode: Encode
    warp: Warp
    filters: Filters
    store_warped: bool = False

    @classmethod
    def of(cls, settings: DataSettings) -> "MakeSequence":
        return cls(
            Encode(settings.jpeg_quality),
            Warp.at(settings.width),
            Filters(min_psnr=settings.min_psnr),
            settings.store_warped,
        )

    def __call__(
        self, frames: Iterable[Matched], segment: Segment, origin: Origin, clock: Clock
    ) -> tuple[Record | None, Sample]:
        """Takes as many frames as `segment` has."""
        coded: list[Coded] = []
        measures, picture = Measures(), b""
        for number, matched in enumerate(frames):
            with clock("encode"):
                frame = self.encode(matched.left, matched.right, matched.disparity)
                left, right, disparity = decoded(frame)
            with clock("splat"):
                warped, occlusion = self.warp(left, disparity)
            with clock("filter"):
                measures.add(warped, occlusion, right, disparity, matched.agreed)
            if self.store_warped:
                frame = with_warp(frame, warped, occlusion)
            if number == len(segment) // 2:
                seen = np.rint(np.clip(warped, 0, 1) * 255).astype(np.uint8)
                picture = thumbnail(left, seen, right)
            coded.append(frame)
        if len(coded) != len(segment):
            raise RuntimeError(f"{len(coded)} frames came for {segment}")
        dropped = self.filters.sequence(measures)
        sample = Sample(
            shot=segment.shot,
            first=segment.start,
            frames=len(segment),
            dropped=dropped,
            psnr=measures.psnr,
            shift=origin.shift,
            statistics=measures.statistics(),
            disparities=measures.disparities,
            thumbnail=picture,
        )
        if dropped:
            return None, sample
        provenance = Provenance(
            **dataclasses.asdict(origin),
            shot=segment.shot,
            first_frame=segment.start,
            psnr=measures.psnr,
            **dataclasses.asdict(self.warp),
        )
        return to_record(coded, *matched.disparity.shape[::-1], provenance), sample


def drop(segment: Segment, why: str, *look: View) -> tuple[None, Sample]:
    """A sequence that is not even matched; `look`: pictures for the report."""
    picture = thumbnail(*look) if look else b""
    span = segment.shot, segment.start, len(segment)
    return None, Sample(*span, dropped=why, thumbnail=picture)
