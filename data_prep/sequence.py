"""Makes one sequence: frames with disparity become a record, or are dropped."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from data_prep.film_summary import SequenceSummary
from data_prep.report.thumbnails import thumbnail
from data_prep.stage_timer import StageTimer
from data_prep.stages.encode import (
    EncodedFrame,
    EncodeFrame,
    add_warp,
    decode_frame,
    to_record,
)
from data_prep.stages.filters import Filters
from data_prep.stages.measures import Measures
from data_prep.stages.packing import View
from data_prep.stages.warp import Warp
from stereojax.records import Provenance, Record
from stereojax.records.pictures import to_integers
from stereojax.settings.data import DataSettings
from stereojax.shapes import Float
from stereojax.windows import Segment


@dataclasses.dataclass(frozen=True)
class StereoFrame:
    """Both views of a frame at the record's size, and the left view's disparity."""

    left: View
    right: View
    disparity: Float[np.ndarray, "h w"]  # pixels, 0 or more; NaN lands nowhere
    agreed: float = 1.0  # share of the disparity that was measured, not filled in


@dataclasses.dataclass(frozen=True)
class ShotOrigin:
    """The part of the provenance that all records of a shot share."""

    source: str
    source_hash: str
    kind: str
    frame_rate: float
    matcher: str
    shift: float = 0.0  # px by which right views were moved left, at record size


@dataclasses.dataclass(frozen=True)
class MakeSequence:
    """Encodes, decodes, splats and filters a sequence.

    The filters judge the decoded frames, which are the frames that training reads.
    """

    encode: EncodeFrame
    warp: Warp
    filters: Filters
    store_warped: bool = False

    @classmethod
    def from_settings(cls, settings: DataSettings) -> "MakeSequence":
        return cls(
            EncodeFrame(settings.jpeg_quality),
            Warp.for_width(settings.width),
            Filters(min_psnr=settings.min_psnr),
            settings.store_warped,
        )

    def __call__(
        self,
        frames: Iterable[StereoFrame],
        segment: Segment,
        origin: ShotOrigin,
        timer: StageTimer,
    ) -> tuple[Record | None, SequenceSummary]:
        """Returns the record, None if a filter dropped it, and the summary.

        `frames` yields exactly the frames of `segment`.
        """
        encoded: list[EncodedFrame] = []
        measures, picture = Measures(), b""
        for number, frame in enumerate(frames):
            with timer("encode"):
                coded = self.encode(frame.left, frame.right, frame.disparity)
                left, right, disparity = decode_frame(coded)
            with timer("splat"):
                warped, occlusion = self.warp(left, disparity)
            with timer("filter"):
                measures.add(warped, occlusion, right, disparity, frame.agreed)
            if self.store_warped:
                coded = add_warp(coded, warped, occlusion)
            if number == len(segment) // 2:
                picture = thumbnail(left, to_integers(warped, np.uint8), right)
            encoded.append(coded)
        if len(encoded) != len(segment):
            raise RuntimeError(f"{len(encoded)} frames came for {segment}")
        # The summary is for the report; a dropped sequence has one too.
        dropped = self.filters.sequence(measures)
        summary = SequenceSummary(
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
            return None, summary
        provenance = Provenance(
            **dataclasses.asdict(origin),
            shot=segment.shot,
            first_frame=segment.start,
            psnr=measures.psnr,
            **dataclasses.asdict(self.warp),
        )
        height, width = disparity.shape
        return to_record(encoded, width, height, provenance), summary


def drop_sequence(
    segment: Segment, reason: str, *pictures: View
) -> tuple[None, SequenceSummary]:
    """Returns the summary of a sequence that is dropped before matching.

    Args:
      segment: the frames.
      reason: name of the filter.
      pictures: pictures of one frame for the thumbnail; without any, it is empty.
    """
    picture = thumbnail(*pictures) if pictures else b""
    span = segment.shot, segment.start, len(segment)
    return None, SequenceSummary(*span, dropped=reason, thumbnail=picture)
