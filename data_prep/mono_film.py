"""One ordinary film, from its file to records: its frames are the right views.

probe -> shots -> borders -> depth -> the other eye -> splat -> filters -> records. See
`stages/other_eye.py` for what such a record means.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from data_prep.film_summary import Refused, Sample
from data_prep.sequence import MakeSequence, Matched, Origin, drop
from data_prep.stage_timer import Clock
from data_prep.stages.borders import FindBorders
from data_prep.stages.fit import Fit, check_size
from data_prep.stages.layout import FindLayout
from data_prep.stages.other_eye import OtherEye
from data_prep.stages.packing import View
from data_prep.stages.sampling import Sampling, spread, to_8_bits
from stereojax.depth.disparity import depth_to_disparity
from stereojax.depth.normalize import shot_range
from stereojax.depth.steady import (
    apply_corrections,
    estimate_changes,
    steady_corrections,
)
from stereojax.inference.choose_depth import DepthChoice, choose
from stereojax.records import Record
from stereojax.settings import InferSettings
from stereojax.settings.data import DataSettings
from stereojax.settings.run_options import Options
from stereojax.shapes import Float
from stereojax.stage_types import Shot, VideoIndex, VideoInfo
from stereojax.video.reading.index import index_video
from stereojax.video.reading.probe import probe
from stereojax.video.reading.reader import Reader
from stereojax.windows import Segment

_LOOKS = 6  # pictures of each shot that its borders are found on
_FROM, _TO = 0.5, 1.5  # the shots' depth ranges, in `divergence`s


@dataclasses.dataclass(frozen=True)
class MonoFilm:
    """A film, and where its depth comes from."""

    index: VideoIndex
    settings: DataSettings
    depth: DepthChoice
    reader: Reader
    clock: Clock

    kind = layout = "mono"

    @classmethod
    def open(cls, path: Path, settings: DataSettings, clock: Clock) -> "MonoFilm":
        """Raises `Refused` for a stereo film, `InputError` and `RunError`."""
        depth = depth_of(settings.depth_model)
        info = probe(path)
        check_size(info, (info.height, info.width), info.sample_aspect, settings)
        with clock("layout"):
            _refuse_stereo(info, Sampling()(info))
        with clock("shots"):
            index = index_video(path)
        return cls(index, settings, depth, Reader(index), clock)

    def views(self, start: int, stop: int, fit: Fit) -> Iterator[View]:
        for frame in self.reader.read(start, stop):
            yield fit.one(to_8_bits(frame.image))

    def fit(self, shot: Shot) -> Fit:
        pictures = [
            to_8_bits(next(self.reader.read(place, place + 1)).image)
            for place in spread(shot, _LOOKS)
        ]
        box = FindBorders()([(picture, picture) for picture in pictures])
        size = self.settings.width, self.settings.height
        return Fit.plan(box, 0, self.index.info.sample_aspect, *size)

    def matched(self, segment: Segment, fit: Fit) -> Iterator[Matched]:
        """A sequence's frames with their disparity; its depth is held, no picture."""
        start, stop = segment.start, segment.stop
        with self.clock("depth"):
            frames = self.views(start, stop, fit)
            depth = list(self.depth.estimator.estimate(frames))
            if self.depth.estimator.per_frame_scale:
                reach = InferSettings().depth_steady
                corrections = steady_corrections(estimate_changes(depth), reach)
                depth = list(apply_corrections(depth, corrections))
            far_near = shot_range(depth)
        divergence = self.settings.divergence * _strength(self.index, segment)
        other = OtherEye()
        frames = self.clock.over("decode", self.views(start, stop, fit))
        for right, seen in zip(frames, depth, strict=True):
            with self.clock("other eye"):
                shape = right.shape[:2]
                disparity = divergence * _disparity(seen, far_near, shape)
                left, disparity = other(right, disparity)
            yield Matched(left, right, disparity)

    def sequences(
        self, make: MakeSequence, shot: Shot, segments: tuple[Segment, ...]
    ) -> Iterator[tuple[Record | None, Sample]]:
        """What becomes of each segment of a shot."""
        fit = None
        for segment in segments:
            if len(segment) < self.settings.shortest:
                yield drop(segment, "short")
                continue
            fit = fit or self.fit(shot)
            if fit.enlargement > self.settings.max_enlarge:
                yield drop(segment, "too_small")
                continue
            origin = Origin(
                source=self.index.info.path.name,
                source_hash=self.index.source_hash,
                kind=self.kind,
                frame_rate=float(self.index.info.frame_rate),
                matcher=self.depth.name,
            )
            yield make(self.matched(segment, fit), segment, origin, self.clock)


def _disparity(
    depth: Float[np.ndarray, "hd wd"],
    far_near: tuple[float, float],
    shape: tuple[int, int],
) -> Float[np.ndarray, "h w"]:
    """Of the right view, for a divergence of 1 % of the width: 0 is the farthest."""
    look = InferSettings()
    # The gap opens to the right of things in a left view and to the left of them in a
    # right view: mirrored, the right view is treated as a left one.
    disparity = depth_to_disparity(
        jnp.asarray(depth)[None, :, ::-1],
        *far_near,
        shape,
        divergence=1.0,
        convergence=0.0,
        edge_sharpen=look.edge_sharpen,
        edge_dilate=look.edge_dilate,
    )
    return np.asarray(disparity)[0, :, ::-1]


def _strength(index: VideoIndex, segment: Segment) -> float:
    """Another range for each shot, as stereo films have: always the same for a film."""
    # Steps of the golden section fill the range evenly, however few they are.
    first = int(index.source_hash[:8], 16) / 0x100000000
    part = (first + 0.6180339887498949 * segment.shot) % 1
    return _FROM + (_TO - _FROM) * part


def _refuse_stereo(info: VideoInfo, pictures: list[View]) -> None:
    try:
        packing = FindLayout(swapped_eyes="swap")(info, pictures)
    except Refused as refused:
        if refused.name == "mono":
            return
        raise
    raise Refused(
        "stereo",
        f"{info.path}: a stereo film ({packing.name}); --config=data_stereo takes it",
    )


@functools.cache
def depth_of(name: str) -> DepthChoice:
    """Once a process: the weights are loaded here."""
    return choose(name, Options())
