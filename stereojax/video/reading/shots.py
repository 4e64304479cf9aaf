"""Cuts, by PySceneDetect's AdaptiveDetector, fed frame by frame."""

import collections
from fractions import Fraction

import av
import numpy as np

from stereojax.stage_types import Shot
from stereojax.video.color.pixels import Graph

# PySceneDetect looks at pictures about this wide.
_WIDTH = 256
# Nobody cuts faster than this.
_SHORTEST_SECONDS = 0.25
# A photographer's flash is no cut: what comes after looks like what was before, by so
# much of the change that the flash made.
_SAME = 0.25


class CutFinder:
    """Finds the hard cuts of a film in one pass, holding a few small pictures."""

    def __init__(self, frame_rate: Fraction):
        from scenedetect.common import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector

        self._rate = frame_rate
        self._detector = AdaptiveDetector(
            min_scene_len=max(2, round(_SHORTEST_SECONDS * frame_rate))
        )
        self._timecode = FrameTimecode
        self._count = 0
        self._cuts: list[int] = []
        self._graph: Graph | None = None
        # From the frame before the one that is decided about to the latest.
        self._pictures: collections.deque[np.ndarray] = collections.deque(
            maxlen=self._detector.window_width + 2
        )

    def add(self, frame: av.VideoFrame) -> None:
        if self._graph is None or not self._graph.fits(frame):
            scale = max(1.0, max(frame.width, frame.height) / _WIDTH)
            size = (
                max(1, round(frame.width / scale)),
                max(1, round(frame.height / scale)),
            )
            self._graph = Graph(frame, "bgr24", size=size)
        self._process(self._count, self._graph(frame).to_ndarray())
        self._count += 1

    def shots(self, count: int) -> tuple[Shot, ...]:
        """The shots of the first `count` frames added; call once, at the end."""
        # The detector decides about a frame when it has seen a few more.
        for ahead in range(self._detector.window_width if self._count else 0):
            self._process(self._count + ahead, self._pictures[-1])
        edges = [0, *sorted(c for c in set(self._cuts) if 0 < c < count)]
        stops = [*edges[1:], count]
        return tuple(
            Shot(i, start, stop)
            for i, (start, stop) in enumerate(zip(edges, stops, strict=True))
        )

    def _process(self, number: int, picture: np.ndarray) -> None:
        self._pictures.append(picture)
        timecode = self._timecode(number, self._rate)
        for cut in self._detector.process_frame(timecode, picture):
            if not self._is_flash():
                self._cuts.append(cut.frame_num)

    def _is_flash(self) -> bool:
        before, first, *_, after = (p.astype(np.int16) for p in self._pictures)
        change = np.abs(first - before).mean()
        return bool(np.abs(after - before).mean() < _SAME * change)
