"""One stereo film, from its file to records.

probe -> layout -> shots -> borders -> parallax -> matching -> left-right consistency
-> splat -> filters -> records. One pair is in memory at a time, a few more where the
matcher looks ahead, and the bytes of one sequence.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

from data_prep.film_summary import Sample
from data_prep.sequence import MakeSequence, Matched, Origin, drop
from data_prep.stage_timer import Clock
from data_prep.stages.borders import FindBorders
from data_prep.stages.consistency import Consistency
from data_prep.stages.filters import Filters
from data_prep.stages.fit import Fit, check_size
from data_prep.stages.layout import FindLayout
from data_prep.stages.packing import Packing, View
from data_prep.stages.parallax import FindParallax, Parallax
from data_prep.stages.sampling import Sampling, spread, to_8_bits
from stereojax.matching import Matcher, choose, match_both, twice
from stereojax.records import Record
from stereojax.settings.data import DataSettings
from stereojax.stage_types import Shot, VideoIndex
from stereojax.video.reading.index import index_video
from stereojax.video.reading.probe import probe
from stereojax.video.reading.reader import Reader
from stereojax.windows import Segment

_LOOKS = 6  # pictures of each shot that its borders and its parallax are found on


@dataclasses.dataclass(frozen=True)
class ShotPlan:
    """What was found out about a shot before its frames are matched."""

    fit: Fit
    parallax: Parallax | None
    dropped: str | None  # why no frame of it is of use
    look: tuple[View, View]  # a pair as it will be


@dataclasses.dataclass(frozen=True)
class StereoFilm:
    """A film and how its frames are taken apart."""

    index: VideoIndex
    packing: Packing
    settings: DataSettings
    matcher: Matcher
    reader: Reader
    clock: Clock

    kind = "stereo"

    @property
    def layout(self) -> str:
        return self.packing.name

    @classmethod
    def open(cls, path: Path, settings: DataSettings, clock: Clock) -> "StereoFilm":
        """Raises `Refused` for a film of no use, `InputError` and `RunError`."""
        matcher = choose(settings.matcher)
        info = probe(path)
        with clock("layout"):
            pictures = Sampling()(info)
            packing = FindLayout(settings.layout, settings.swapped_eyes)(info, pictures)
        shape = packing.split(pictures[0])[0].shape[:2]
        aspect = packing.pixel_aspect(info.sample_aspect)
        check_size(info, shape, aspect, settings)
        with clock("shots"):
            index = index_video(path)
        return cls(index, packing, settings, matcher, Reader(index), clock)

    def pairs(self, start: int, stop: int) -> Iterator[tuple[View, View]]:
        """The views of frames `start` to `stop - 1` as they lie in the film."""
        for frame in self.reader.read(start, stop):
            yield self.packing.split(to_8_bits(frame.image))

    def plan(self, shot: Shot, filters: Filters) -> ShotPlan:
        """Looks at a few pictures of a shot."""
        with self.clock("parallax"):
            places = spread(shot, _LOOKS)
            pairs = [next(self.pairs(p, p + 1)) for p in places]
            box = FindBorders()(pairs)
            parallax = FindParallax()([(box.cut(a), box.cut(b)) for a, b in pairs])
        aspect = self.packing.pixel_aspect(self.index.info.sample_aspect)
        size = self.settings.width, self.settings.height
        fit = Fit.plan(box, parallax.shift if parallax else 0, aspect, *size)
        low, high = self.matcher.span(self.settings.width)
        dropped = filters.shot(parallax, (high - low) / fit.scale)
        if not dropped and fit.enlargement > self.settings.max_enlarge:
            dropped = "too_small"
        return ShotPlan(fit, parallax, dropped, fit(*pairs[len(pairs) // 2]))

    def matched(self, start: int, stop: int, fit: Fit) -> Iterator[Matched]:
        """Frames of one shot with their disparity."""
        fitted = (fit(*pair) for pair in self.pairs(start, stop))
        ours, theirs = twice(self.clock.over("decode", fitted))
        found = self.clock.over("match", match_both(self.matcher, theirs))
        check = Consistency()
        for (left, right), both in zip(ours, found, strict=True):
            with self.clock("consistency"):
                disparity, agreed = check(*both)
            yield Matched(left, right, disparity, agreed)

    def sequences(
        self, make: MakeSequence, shot: Shot, segments: tuple[Segment, ...]
    ) -> Iterator[tuple[Record | None, Sample]]:
        """What becomes of each segment of a shot."""
        useful = [s for s in segments if len(s) >= self.settings.shortest]
        if not useful:
            yield from (drop(segment, "short") for segment in segments)
            return
        planned = self.plan(shot, make.filters)
        if planned.dropped:
            for segment in segments:
                yield drop(segment, planned.dropped, *planned.look)
            return
        origin = Origin(
            source=self.index.info.path.name,
            source_hash=self.index.source_hash,
            kind=self.kind,
            frame_rate=float(self.index.info.frame_rate),
            matcher=self.matcher.name,
            shift=planned.parallax.shift * planned.fit.scale,
        )
        # Sequences lie end to end, and the matcher may look from one into the next.
        frames = self.matched(shot.start, useful[-1].stop, planned.fit)
        for segment in segments:
            if segment not in useful:
                yield drop(segment, "short")
                continue
            part = itertools.islice(frames, len(segment))
            yield make(part, segment, origin, self.clock)
