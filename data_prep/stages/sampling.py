"""Samples a few pictures of a film before it is decoded as a whole."""

import dataclasses
import itertools

import cv2
import numpy as np

from stereojax.cli import RunError
from stereojax.shapes import Shaped, UInt8
from stereojax.stage_types import Shot, VideoInfo
from stereojax.video.color.rgb import ToRgb, with_default_tags
from stereojax.video.reading.decoding import DecodeLog, decode_from
from stereojax.video.reading.probe import start_tick
from stereojax.video.reading.reader import upright

_MAX_DECODED = 300  # frames decoded from a keyframe to the wanted time
_FALLBACK_STRIDE = 24  # frames


@dataclasses.dataclass(frozen=True)
class SampleFrames:
    """Decodes `count` frames, evenly spread over the duration in the header."""

    count: int = 12

    def __call__(self, info: VideoInfo) -> list[UInt8[np.ndarray, "h w 3"]]:
        """Returns upright RGB pictures; fewer if the film is short or damaged.

        Raises:
          RunError: no picture can be decoded.
        """
        start = start_tick(info.path)
        length = info.duration / float(info.time_base)
        ticks = start + (np.arange(self.count) + 0.5) / self.count * length
        to_rgb = ToRgb(with_default_tags(info.color, info.height))
        pictures: dict[int, np.ndarray] = {}
        # Seek to each time, and decode from the keyframe before it.
        for tick in ticks.astype(int).tolist():
            frames = decode_from(info, tick, DecodeLog())
            last = None
            for last in itertools.islice(frames, _MAX_DECODED):
                if last.time >= tick:
                    break
            frames.close()
            if last is not None and last.time not in pictures:
                pictures[last.time] = self._picture(last.frame, to_rgb, info)
        # A container that cannot seek or has no duration: sample from the start.
        if len(pictures) < 2:
            frames = decode_from(info, None, DecodeLog())
            stop = self.count * _FALLBACK_STRIDE
            sampled = itertools.islice(frames, 0, stop, _FALLBACK_STRIDE)
            pictures |= {f.time: self._picture(f.frame, to_rgb, info) for f in sampled}
            frames.close()
        if not pictures:
            raise RunError(f"{info.path}: no picture of it can be decoded")
        return [pictures[time] for time in sorted(pictures)]

    @staticmethod
    def _picture(frame, to_rgb: ToRgb, info: VideoInfo) -> np.ndarray:
        return to_uint8(upright(to_rgb(frame), info.rotation, info.mirrored))


def spread_frames(shot: Shot, count: int) -> list[int]:
    """Returns the numbers of up to `count` frames, evenly spread over a shot."""
    count = min(count, len(shot))
    return [shot.start + (2 * i + 1) * len(shot) // (2 * count) for i in range(count)]


def to_uint8(picture: Shaped[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Converts uint16 of full scale; returns uint8 as it is."""
    if picture.dtype == np.uint8:
        return picture
    return cv2.convertScaleAbs(picture, alpha=255 / 65535)
