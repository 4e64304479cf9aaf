"""Makes the records of one ordinary film: its frames become the right views.

probe -> shots -> borders -> depth -> left view -> splat -> filters -> records. See
`stages/left_view.py` for what such a record means.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from data_prep.film_summary import RefusalError, SequenceSummary
from data_prep.sequence import MakeSequence, ShotOrigin, StereoFrame, drop_sequence
from data_prep.stage_timer import StageTimer
from data_prep.stages.borders import FindBorders
from data_prep.stages.fit import Fit, check_size
from data_prep.stages.layout import FindLayout
from data_prep.stages.left_view import SynthesizeLeftView
from data_prep.stages.packing import View
from data_prep.stages.sampling import SampleFrames, spread_frames, to_uint8
from stereojax.depth.disparity import depth_to_disparity
from stereojax.depth.normalize import shot_range
from stereojax.depth.steady import (
    apply_corrections,
    estimate_changes,
    steady_corrections,
)
from stereojax.inference.choose_depth import DepthChoice, choose_depth
from stereojax.records import Record
from stereojax.settings import InferSettings
from stereojax.settings.data import DataSettings
from stereojax.settings.run_options import RunOptions
from stereojax.shapes import Float
from stereojax.stage_types import Shot, VideoIndex, VideoInfo
from stereojax.video.reading.index import index_video
from stereojax.video.reading.probe import probe
from stereojax.video.reading.reader import Reader
from stereojax.windows import Segment

_BORDER_FRAMES = 6  # frames of a shot on which the borders are measured
# Limits of a shot's disparity range, as multiples of `settings.divergence`.
_MIN_RANGE, _MAX_RANGE = 0.5, 1.5
_GOLDEN_RATIO = 0.6180339887498949


@dataclasses.dataclass(frozen=True)
class MonoFilm:
    """An open film with one view, and the depth model for it."""

    index: VideoIndex
    settings: DataSettings
    depth: DepthChoice
    reader: Reader
    timer: StageTimer

    kind = layout = "mono"

    @classmethod
    def open(cls, path: Path, settings: DataSettings, timer: StageTimer) -> "MonoFilm":
        """Opens a film; raises `RefusalError`, `InputError` or `RunError`."""
        depth = load_depth_model(settings.depth_model)
        info = probe(path)
        check_size(info, (info.height, info.width), info.sample_aspect, settings)
        with timer("layout"):
            _refuse_stereo(info, SampleFrames()(info))
        with timer("shots"):
            index = index_video(path)
        return cls(index, settings, depth, Reader(index), timer)

    def views(self, start: int, stop: int, fit: Fit) -> Iterator[View]:
        """Yields frames `start` to `stop - 1` at the record's size."""
        for frame in self.reader.read(start, stop):
            yield fit.fit_left(to_uint8(frame.image))

    def plan(self, shot: Shot) -> Fit:
        """Returns the shot's crop and scale, from the borders of a few frames."""
        pictures = [
            to_uint8(next(self.reader.read(number, number + 1)).image)
            for number in spread_frames(shot, _BORDER_FRAMES)
        ]
        box = FindBorders()([(picture, picture) for picture in pictures])
        size = self.settings.width, self.settings.height
        return Fit.plan(box, 0, self.index.info.sample_aspect, *size)

    def estimate_frames(self, segment: Segment, fit: Fit) -> Iterator[StereoFrame]:
        """Yields a sequence's frames with disparity.

        Holds the depth of the whole sequence in memory, and decodes the frames twice.
        """
        start, stop = segment.start, segment.stop
        with self.timer("depth"):
            frames = self.views(start, stop, fit)
            depth = list(self.depth.estimator.estimate(frames))
            if self.depth.estimator.per_frame_scale:
                radius = InferSettings().depth_steady
                corrections = steady_corrections(estimate_changes(depth), radius)
                depth = list(apply_corrections(depth, corrections))
            far_near = shot_range(depth)
        divergence = self.settings.divergence * _range_factor(self.index, segment)
        synthesize = SynthesizeLeftView()
        frames = self.timer.iterate("decode", self.views(start, stop, fit))
        for right, frame_depth in zip(frames, depth, strict=True):
            with self.timer("other eye"):
                unit = _unit_disparity(frame_depth, far_near, right.shape[:2])
                left, disparity = synthesize(right, divergence * unit)
            yield StereoFrame(left, right, disparity)

    def sequences(
        self, make: MakeSequence, shot: Shot, segments: tuple[Segment, ...]
    ) -> Iterator[tuple[Record | None, SequenceSummary]]:
        """Yields the record, or None, and the summary of each segment of a shot."""
        fit = None
        for segment in segments:
            if len(segment) < self.settings.shortest:
                yield drop_sequence(segment, "short")
                continue
            fit = fit or self.plan(shot)
            if fit.enlargement > self.settings.max_enlarge:
                yield drop_sequence(segment, "too_small")
                continue
            origin = ShotOrigin(
                source=self.index.info.path.name,
                source_hash=self.index.source_hash,
                kind=self.kind,
                frame_rate=float(self.index.info.frame_rate),
                matcher=self.depth.name,
            )
            yield make(self.estimate_frames(segment, fit), segment, origin, self.timer)


def _unit_disparity(
    depth: Float[np.ndarray, "hd wd"],
    far_near: tuple[float, float],
    shape: tuple[int, int],
) -> Float[np.ndarray, "h w"]:
    """Returns the right view's disparity for a divergence of 1 %; 0 is the farthest."""
    look = InferSettings()
    # `depth_to_disparity` is written for left views, where disocclusions open to the
    # right of near objects. In a right view they open to the left: mirror it.
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


def _range_factor(index: VideoIndex, segment: Segment) -> float:
    """Returns a shot's factor of the disparity range, which varies as in stereo films.

    The factor is a deterministic function of the film's content and the shot's number.
    """
    # Steps of the golden ratio cover the range evenly for any number of shots.
    offset = int(index.source_hash[:8], 16) / 0x100000000
    fraction = (offset + _GOLDEN_RATIO * segment.shot) % 1
    return _MIN_RANGE + (_MAX_RANGE - _MIN_RANGE) * fraction


def _refuse_stereo(info: VideoInfo, pictures: list[View]) -> None:
    """Raises RefusalError if the pictures of a film hold two views."""
    try:
        packing = FindLayout(swapped_eyes="swap")(info, pictures)
    except RefusalError as error:
        if error.name == "mono":
            return
        raise
    raise RefusalError(
        "stereo",
        f"{info.path}: a stereo film ({packing.name}); use --config=data_stereo",
    )


@functools.cache
def load_depth_model(name: str) -> DepthChoice:
    """Loads a depth model; later calls in the same process return the same object."""
    return choose_depth(name, RunOptions())
