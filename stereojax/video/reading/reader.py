"""Exactly the frames asked for, upright and in RGB."""

import dataclasses
from collections.abc import Iterator

import av
import numpy as np

from stereojax import cli
from stereojax.shapes import Shaped
from stereojax.stage_types import VideoIndex
from stereojax.video.color.color import ToRgb, assumed
from stereojax.video.reading.container import clock
from stereojax.video.reading.decoding import DecodeLog, decode_from

# Keyframes tried, from the nearest backwards, before decoding from the start.
_ATTEMPTS = 4


@dataclasses.dataclass(frozen=True)
class Frame:
    """One picture of a film."""

    index: int
    image: Shaped[np.ndarray, "h w 3"]  # uint8, or uint16 of full scale above 8 bits
    # As decoded: not rotated, the file's own samples and tags; None: not this picture.
    coded: av.VideoFrame | None


class Reader:
    """Reads stretches of a film; one that follows on the last costs no seek.

    Not for two threads at once; one stretch is read to its end, or closed, before the
    next. Holds the file open until `close`.
    """

    def __init__(self, index: VideoIndex):
        self._index = index
        self._to_rgb = ToRgb(assumed(index.info.color, index.info.height))
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._next: int | None = None  # frame that `_frames` gives next

    def read(self, start: int, stop: int) -> Iterator[Frame]:
        """Yields frames `start` to `stop - 1`, the same whatever `start` is.

        Raises `cli.RunError` when a frame does not come as the index has it.
        """
        if not 0 <= start <= stop <= len(self._index):
            raise ValueError(
                f"frames {start} to {stop} of a film of {len(self._index)}"
            )
        info = self._index.info
        done = start
        while done < stop:
            frame = self._advance(done)
            if frame is None:
                seconds = (self._index.pts[done] - self._index.pts[0]) * info.time_base
                raise cli.RunError(
                    f"{info.path}: frame {done}, at {clock(float(seconds))}, can no"
                    " longer be decoded; has the file changed since it was indexed?"
                    " start again with --overwrite"
                )
            image = upright(self._to_rgb(frame), info.rotation, info.mirrored)
            yield Frame(done, image, frame)
            done += 1

    def close(self) -> None:
        if self._next is not None:
            self._frames.close()
        self._next = None

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _advance(self, number: int) -> av.VideoFrame | None:
        """Frame `number`; seeks unless it is the next one."""
        if self._next == number:
            self._next += 1
            return next(self._frames, None)
        for seek_to in _seeks(self._index, number):
            self.close()
            self._frames = _frames(self._index, seek_to, number)
            self._next = number + 1
            frame = next(self._frames, None)
            if frame is not None:
                return frame
        return None


def read_frames(index: VideoIndex, start: int, stop: int) -> Iterator[Frame]:
    """Frames `start` to `stop - 1` by a `Reader` of their own."""
    with Reader(index) as reader:
        yield from reader.read(start, stop)


def upright(
    image: Shaped[np.ndarray, "h w 3"], rotation: int, mirrored: bool
) -> Shaped[np.ndarray, "h2 w2 3"]:
    """Turns by `rotation` degrees clockwise, then mirrors left to right."""
    image = np.rot90(image, -rotation // 90)
    return np.ascontiguousarray(image[:, ::-1] if mirrored else image)


def _seeks(index: VideoIndex, start: int) -> list[int | None]:
    """Ticks to seek to, best first; None is the start of the film."""
    before = index.keyframes[index.keyframes <= index.pts[start]]
    return [*(int(tick) for tick in before[::-1][:_ATTEMPTS]), None]


def _frames(
    index: VideoIndex, seek_to: int | None, start: int
) -> Iterator[av.VideoFrame]:
    """The frames from `start` on, for as long as they come as the index has them.

    Nothing where the seek went past `start`.
    """
    first = index.pts[start]
    keyframes = set(index.keyframes.tolist())
    wanted = iter(index.pts[start:].tolist())
    frames = decode_from(
        index.info,
        seek_to,
        DecodeLog(),
        is_start=lambda placed: placed.time in keyframes,
        careful=index.damaged,
    )
    try:
        for placed in frames:
            if placed.time < first:
                continue
            if placed.time != next(wanted, None):
                return
            yield placed.frame
    finally:
        frames.close()
