"""Cuts, by PySceneDetect's AdaptiveDetector, fed frame by frame."""

from fractions import Fraction

import av

from stereojax.stage_types import Shot
from stereojax.video.pixels import Graph

# PySceneDetect looks at pictures about this wide.
_WIDTH = 256
# A photographer's flash is no cut, and nobody cuts faster than this.
_SHORTEST_SECONDS = 0.25


class CutFinder:
    """Finds the hard cuts of a film in one pass, holding one small picture."""

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
        self._picture = None

    def add(self, frame: av.VideoFrame) -> None:
        if self._graph is None or not self._graph.fits(frame):
            scale = max(1.0, max(frame.width, frame.height) / _WIDTH)
            size = (
                max(1, round(frame.width / scale)),
                max(1, round(frame.height / scale)),
            )
            self._graph = Graph(frame, "bgr24", size=size)
        self._picture = self._graph(frame).to_ndarray()
        self._process(self._count)
        self._count += 1

    def shots(self, count: int) -> tuple[Shot, ...]:
        """The shots of the first `count` frames added; call once, at the end."""
        if self._picture is not None:
            # The detector decides about a frame when it has seen a few more.
            for ahead in range(self._detector.window_width):
                self._process(self._count + ahead)
        edges = [0, *sorted(c for c in set(self._cuts) if 0 < c < count)]
        stops = [*edges[1:], count]
        return tuple(
            Shot(i, start, stop)
            for i, (start, stop) in enumerate(zip(edges, stops, strict=True))
        )

    def _process(self, number: int) -> None:
        timecode = self._timecode(number, self._rate)
        cuts = self._detector.process_frame(timecode, self._picture)
        self._cuts += [cut.frame_num for cut in cuts]
