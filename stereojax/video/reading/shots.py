"""Detects hard cuts with PySceneDetect's AdaptiveDetector, frame by frame."""

import collections
from fractions import Fraction

import av
import numpy as np

from stereojax.stage_types import Shot
from stereojax.video.color.pixel_formats import ScaleFilter

# PySceneDetect works on images of about this size (the longer side).
_DETECTION_SIZE = 256
# A shorter shot does not count as a shot.
_MIN_SHOT_SECONDS = 0.25
# A camera flash is not a cut: the change from the frame before it to the frame after it
# is below this share of the change at the flash.
_FLASH_RATIO = 0.25


class CutDetector:
    """Finds the hard cuts of a video in one pass; buffers a few downscaled frames."""

    def __init__(self, frame_rate: Fraction):
        from scenedetect.common import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector

        self._rate = frame_rate
        self._detector = AdaptiveDetector(
            min_scene_len=max(2, round(_MIN_SHOT_SECONDS * frame_rate))
        )
        self._timecode = FrameTimecode
        self._count = 0
        self._cuts: list[int] = []
        self._graph: ScaleFilter | None = None
        # Holds the pictures from the frame before the detector's current candidate on.
        self._pictures: collections.deque[np.ndarray] = collections.deque(
            maxlen=self._detector.window_width + 2
        )

    def add(self, frame: av.VideoFrame) -> None:
        if self._graph is None or not self._graph.fits(frame):
            scale = max(1.0, max(frame.width, frame.height) / _DETECTION_SIZE)
            size = (
                max(1, round(frame.width / scale)),
                max(1, round(frame.height / scale)),
            )
            self._graph = ScaleFilter(frame, "bgr24", size=size)
        self._process(self._count, self._graph(frame).to_ndarray())
        self._count += 1

    def shots(self, count: int) -> tuple[Shot, ...]:
        """Returns the shots of the first `count` frames; call once, at the end."""
        # The detector decides about a frame a few frames later: repeat the last one.
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
        return bool(np.abs(after - before).mean() < _FLASH_RATIO * change)
