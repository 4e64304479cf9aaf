"""A few pictures from all over a film, before it is decoded as a whole."""

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

_RUN = 300  # frames decoded at most to come from a keyframe to the time wanted


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Takes `count` frames, evenly spread over the time that the header claims."""

    count: int = 12

    def __call__(self, info: VideoInfo) -> list[UInt8[np.ndarray, "h w 3"]]:
        """Upright RGB; fewer where the film is short or cannot be read there.

        Raises:
          RunError: no picture can be decoded.
        """
        first = start_tick(info.path)
        length = info.duration / float(info.time_base)
        wanted = first + (np.arange(self.count) + 0.5) / self.count * length
        to_rgb = ToRgb(with_default_tags(info.color, info.height))
        found: dict[int, np.ndarray] = {}
        for tick in wanted.astype(int).tolist():
            frames = decode_from(info, tick, DecodeLog())
            last = None
            for last in itertools.islice(frames, _RUN):
                if last.time >= tick:
                    break
            frames.close()
            if last is not None and last.time not in found:
                found[last.time] = self._picture(last.frame, to_rgb, info)
        if len(found) < 2:  # a container that cannot seek, or that says no length
            frames = decode_from(info, None, DecodeLog())
            step = itertools.islice(frames, 0, self.count * 24, 24)
            found |= {f.time: self._picture(f.frame, to_rgb, info) for f in step}
            frames.close()
        if not found:
            raise RunError(f"{info.path}: no picture of it can be decoded")
        return [found[time] for time in sorted(found)]

    @staticmethod
    def _picture(frame, to_rgb: ToRgb, info: VideoInfo) -> np.ndarray:
        return to_8_bits(upright(to_rgb(frame), info.rotation, info.mirrored))


def spread(shot: Shot, count: int) -> list[int]:
    """Up to `count` frames of a shot, evenly spread."""
    count = min(count, len(shot))
    return [shot.start + (2 * i + 1) * len(shot) // (2 * count) for i in range(count)]


def to_8_bits(picture: Shaped[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Of uint8, or uint16 of full scale."""
    if picture.dtype == np.uint8:
        return picture
    return cv2.convertScaleAbs(picture, alpha=255 / 65535)
