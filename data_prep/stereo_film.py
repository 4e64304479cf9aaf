"""Makes the records of one stereo film.

probe -> layout -> shots -> borders -> parallax -> matching -> left-right consistency
-> splat -> filters -> records. Memory holds one pair of views, the pairs that the
matcher reads ahead, and the encoded bytes of one sequence.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

from data_prep.film_summary import SequenceSummary
from data_prep.sequence import MakeSequence, ShotOrigin, StereoFrame, drop_sequence
from data_prep.stage_timer import StageTimer
from data_prep.stages.borders import FindBorders
from data_prep.stages.consistency import CheckConsistency
from data_prep.stages.filters import Filters
from data_prep.stages.fit import Fit, check_size
from data_prep.stages.layout import FindLayout
from data_prep.stages.packing import Packing, View
from data_prep.stages.parallax import FindParallax, Parallax
from data_prep.stages.sampling import SampleFrames, spread_frames, to_uint8
from stereojax.matching import Matcher, bounded_tee, choose_matcher, match_both
from stereojax.records import Record
from stereojax.settings.data import DataSettings
from stereojax.stage_types import Shot, VideoIndex
from stereojax.video.reading.index import index_video
from stereojax.video.reading.probe import probe
from stereojax.video.reading.reader import Reader
from stereojax.windows import Segment

_SAMPLES = 6  # frames of a shot that borders and parallax are measured on


@dataclasses.dataclass(frozen=True)
class ShotPlan:
    """The geometry of a shot, found on a few frames before all are matched."""

    fit: Fit
    parallax: Parallax | None
    dropped: str | None  # name of the filter that drops the whole shot
    example: tuple[View, View]  # one fitted pair, for the report


@dataclasses.dataclass(frozen=True)
class StereoFilm:
    """An open stereo film."""

    index: VideoIndex
    packing: Packing
    settings: DataSettings
    matcher: Matcher
    reader: Reader
    timer: StageTimer

    kind = "stereo"

    @property
    def layout(self) -> str:
        return self.packing.name

    @classmethod
    def open(
        cls, path: Path, settings: DataSettings, timer: StageTimer
    ) -> "StereoFilm":
        """Opens a film; raises `RefusalError`, `InputError` or `RunError`."""
        matcher = choose_matcher(settings.matcher)
        info = probe(path)
        with timer("layout"):
            pictures = SampleFrames()(info)
            packing = FindLayout(settings.layout, settings.swapped_eyes)(info, pictures)
        shape = packing.split(pictures[0])[0].shape[:2]
        aspect = packing.pixel_aspect(info.sample_aspect)
        check_size(info, shape, aspect, settings)
        with timer("shots"):
            index = index_video(path)
        return cls(index, packing, settings, matcher, Reader(index), timer)

    def pairs(self, start: int, stop: int) -> Iterator[tuple[View, View]]:
        """Yields the views of frames `start` to `stop - 1` at the film's size."""
        for frame in self.reader.read(start, stop):
            yield self.packing.split(to_uint8(frame.image))

    def plan(self, shot: Shot, filters: Filters) -> ShotPlan:
        """Measures borders and parallax on a few frames of a shot."""
        with self.timer("parallax"):
            numbers = spread_frames(shot, _SAMPLES)
            pairs = [next(self.pairs(n, n + 1)) for n in numbers]
            box = FindBorders()(pairs)
            parallax = FindParallax()([(box.crop(a), box.crop(b)) for a, b in pairs])
        aspect = self.packing.pixel_aspect(self.index.info.sample_aspect)
        size = self.settings.width, self.settings.height
        fit = Fit.plan(box, parallax.shift if parallax else 0, aspect, *size)
        low, high = self.matcher.disparity_range(self.settings.width)
        dropped = filters.shot(parallax, (high - low) / fit.scale)
        if not dropped and fit.enlargement > self.settings.max_enlarge:
            dropped = "too_small"
        return ShotPlan(fit, parallax, dropped, fit(*pairs[len(pairs) // 2]))

    def match_frames(self, start: int, stop: int, fit: Fit) -> Iterator[StereoFrame]:
        """Yields frames `start` to `stop - 1` of one shot with their disparity."""
        fitted = (fit(*pair) for pair in self.pairs(start, stop))
        views, matched = bounded_tee(self.timer.iterate("decode", fitted))
        disparities = self.timer.iterate("match", match_both(self.matcher, matched))
        check = CheckConsistency()
        for (left, right), both in zip(views, disparities, strict=True):
            with self.timer("consistency"):
                disparity, agreed = check(*both)
            yield StereoFrame(left, right, disparity, agreed)

    def sequences(
        self, make: MakeSequence, shot: Shot, segments: tuple[Segment, ...]
    ) -> Iterator[tuple[Record | None, SequenceSummary]]:
        """Yields the record, or None, and the summary of each segment of a shot."""
        long_enough = [s for s in segments if len(s) >= self.settings.shortest]
        if not long_enough:
            yield from (drop_sequence(segment, "short") for segment in segments)
            return
        plan = self.plan(shot, make.filters)
        if plan.dropped:
            for segment in segments:
                yield drop_sequence(segment, plan.dropped, *plan.example)
            return
        origin = ShotOrigin(
            source=self.index.info.path.name,
            source_hash=self.index.source_hash,
            kind=self.kind,
            frame_rate=float(self.index.info.frame_rate),
            matcher=self.matcher.name,
            shift=plan.parallax.shift * plan.fit.scale,
        )
        # One iterator for the shot: segments are contiguous, and a matcher may read
        # frames of the next one ahead.
        frames = self.match_frames(shot.start, long_enough[-1].stop, plan.fit)
        for segment in segments:
            if segment not in long_enough:
                yield drop_sequence(segment, "short")
                continue
            part = itertools.islice(frames, len(segment))
            yield make(part, segment, origin, self.timer)
