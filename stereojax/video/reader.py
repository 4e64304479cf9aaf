"""Exactly the frames asked for, upright and in RGB."""

import dataclasses
from collections.abc import Iterator

import av
import numpy as np

from stereojax import cli
from stereojax.shapes import Shaped
from stereojax.stage_types import VideoIndex
from stereojax.video.color import ToRgb, assumed
from stereojax.video.container import clock
from stereojax.video.decoding import DecodeLog, decode_from

# Keyframes tried, from the nearest backwards, before decoding from the start.
_ATTEMPTS = 4


@dataclasses.dataclass(frozen=True)
class Frame:
    """One picture of a film."""

    index: int
    image: Shaped[np.ndarray, "h w 3"]  # uint8, or uint16 of full scale above 8 bits
    coded: av.VideoFrame  # as decoded: not rotated, the file's own samples and tags


def read_frames(index: VideoIndex, start: int, stop: int) -> Iterator[Frame]:
    """Yields frames `start` to `stop - 1`, the same whatever `start` is.

    Each call seeks and decodes from the keyframe before `start`: one call for a long
    stretch is cheaper than many for short ones.

    Raises `cli.RunError` when a frame does not come as the index has it.
    """
    if not 0 <= start <= stop <= len(index):
        raise ValueError(f"frames {start} to {stop} of a film of {len(index)}")
    if start == stop:
        return
    info = index.info
    to_rgb = ToRgb(assumed(info.color, info.height))
    done = start
    for seek_to in _seeks(index, start):
        frames = _frames(index, seek_to, start)
        try:
            for frame in frames:
                image = upright(to_rgb(frame), info.rotation, info.mirrored)
                yield Frame(done, image, frame)
                done += 1
                if done == stop:
                    return
        finally:
            frames.close()
        if done > start:
            break
    seconds = float((index.pts[done] - index.pts[0]) * info.time_base)
    raise cli.RunError(
        f"{info.path}: frame {done} (at {clock(seconds)}) cannot be decoded again;"
        " has the file changed since it was indexed? run again with --overwrite"
    )


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
