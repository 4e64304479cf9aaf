"""Reads frame ranges of an indexed video as upright RGB images."""

import dataclasses
from collections.abc import Iterator

import av
import numpy as np

from stereojax import cli
from stereojax.shapes import Shaped
from stereojax.stage_types import VideoIndex
from stereojax.video.color.rgb import ToRgb, with_default_tags
from stereojax.video.reading.container import format_time
from stereojax.video.reading.decoding import DecodeLog, decode_from

# Keyframes to try, nearest first, before decoding from the start.
_ATTEMPTS = 4


@dataclasses.dataclass(frozen=True)
class Frame:
    """One decoded frame."""

    index: int
    image: Shaped[np.ndarray, "h w 3"]  # uint8; above 8 bits uint16, full range
    # The decoder's frame: not rotated, with the file's pixel format and colour tags.
    # None if `image` does not come from one decoded frame.
    decoded: av.VideoFrame | None


class Reader:
    """Reads ranges of frames, without a seek if a range continues the previous one.

    Not thread-safe. Finish reading one range before the next. The file stays open until
    `close`.
    """

    def __init__(self, index: VideoIndex):
        self._index = index
        self._to_rgb = ToRgb(with_default_tags(index.info.color, index.info.height))
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._next: int | None = None  # index of the frame that `_frames` yields next

    def read(self, start: int, stop: int) -> Iterator[Frame]:
        """Yields frames `start` to `stop - 1`, equal to those of a full decode.

        Raises `cli.RunError` if a frame does not match the index.
        """
        if not 0 <= start <= stop <= len(self._index):
            raise ValueError(
                f"frames {start} to {stop}: expected 0 <= start <= stop <= "
                f"{len(self._index)}"
            )
        info = self._index.info
        for number in range(start, stop):
            frame = self._advance(number)
            if frame is None:
                ticks = self._index.pts[number] - self._index.pts[0]
                time = format_time(float(ticks * info.time_base))
                raise cli.RunError(
                    f"{info.path}: frame {number}, at {time}, cannot be decoded any"
                    " more; if the file changed since it was indexed, start again with"
                    " --overwrite"
                )
            image = upright(self._to_rgb(frame), info.rotation, info.mirrored)
            yield Frame(number, image, frame)

    def close(self) -> None:
        if self._next is not None:
            self._frames.close()
        self._next = None

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _advance(self, number: int) -> av.VideoFrame | None:
        """Decodes frame `number`; seeks unless it is the next frame."""
        if self._next == number:
            self._next += 1
            return next(self._frames, None)
        for seek_to in _seek_ticks(self._index, number):
            self.close()
            self._frames = _decode_range(self._index, seek_to, number)
            self._next = number + 1
            frame = next(self._frames, None)
            if frame is not None:
                return frame
        return None


def read_frames(index: VideoIndex, start: int, stop: int) -> Iterator[Frame]:
    """Yields frames `start` to `stop - 1` and closes the file."""
    with Reader(index) as reader:
        yield from reader.read(start, stop)


def upright(
    image: Shaped[np.ndarray, "h w 3"], rotation: int, mirrored: bool
) -> Shaped[np.ndarray, "h2 w2 3"]:
    """Rotates by `rotation` degrees clockwise, then mirrors horizontally."""
    image = np.rot90(image, -rotation // 90)
    return np.ascontiguousarray(image[:, ::-1] if mirrored else image)


def _seek_ticks(index: VideoIndex, start: int) -> list[int | None]:
    """Returns ticks to seek to, best first; None stands for the start of the file."""
    keyframes = index.keyframes[index.keyframes <= index.pts[start]]
    return [*(int(tick) for tick in keyframes[::-1][:_ATTEMPTS]), None]


def _decode_range(
    index: VideoIndex, seek_to: int | None, start: int
) -> Iterator[av.VideoFrame]:
    """Yields the frames from `start` on while their times match the index.

    Yields nothing if the seek went past `start`.
    """
    first = index.pts[start]
    keyframes = set(index.keyframes.tolist())
    expected = iter(index.pts[start:].tolist())
    frames = decode_from(
        index.info,
        seek_to,
        DecodeLog(),
        is_start=lambda timed: timed.time in keyframes,
        slice_threads=index.damaged,
    )
    try:
        for timed in frames:
            if timed.time < first:
                continue
            if timed.time != next(expected, None):
                return
            yield timed.frame
    finally:
        frames.close()
