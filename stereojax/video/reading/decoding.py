"""Frames in order, each with its time, from the start of a film or from within."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import av

from stereojax.stage_types import VideoInfo
from stereojax.video.reading.container import open_video
from stereojax.video.reading.timeline import Timeline, timestamp


@dataclasses.dataclass
class DecodeLog:
    """What was read, and what went wrong."""

    packets: int = 0  # read from the container
    promised: int = 0  # packets, by the container's own index (MP4, AVI); 0: none
    hidden: int = 0  # of the packets: not to be shown, by an edit list
    frames: int = 0
    lost: int = 0  # packets that cannot be decoded, between the first and last frame
    lost_at_end: int = 0  # and after the last
    first_loss: int | None = None  # frames decoded before it
    stopped: str = ""  # why the container could not be read on
    jumped: bool = False  # the clock was set back within: times are ambiguous


class Placed(NamedTuple):
    """A decoded frame and its place."""

    time: int  # ticks of the stream; strictly increasing
    exact: bool  # the file gives this very time: decoding can start at such a keyframe
    frame: av.VideoFrame


def decode_from(
    info: VideoInfo,
    seek_to: int | None,
    log: DecodeLog,
    *,
    is_start: Callable[[Placed], bool] | None = None,
    careful: bool = False,
) -> Iterator[Placed]:
    """All frames from the start, or from the first keyframe met after a seek.

    Seeks to tick `seek_to`; where that lands depends on the container, so frames are
    passed over until one is a keyframe for which `is_start` holds. Yields nothing
    where the container cannot seek. `careful` finds every frame of a damaged film,
    slowly.
    """
    timeline = Timeline(info.frame_rate, info.time_base)
    with open_video(info.path) as (container, stream):
        if seek_to is not None and not _seek(container, stream, seek_to):
            return
        if careful:
            # With a thread per frame PyAV loses what comes before an error, and hides
            # the error itself.
            stream.thread_type = "SLICE"
        begun = seek_to is None
        for frame in _decode(container, stream, log):
            if not begun:
                if not frame.key_frame:
                    continue
                timeline = Timeline(info.frame_rate, info.time_base)
            time = timeline.place(timestamp(frame))
            log.jumped |= timeline.jumped
            placed = Placed(time, timeline.exact, frame)
            begun = begun or is_start is None or is_start(placed)
            if begun:
                yield placed
        if seek_to is None:
            log.promised = _promised(container, stream)


def _promised(container, stream) -> int:
    if container.format.name.startswith("mov"):
        return len(stream.index_entries)
    return stream.frames if container.format.name == "avi" else 0


def _seek(container, stream, tick: int) -> bool:
    try:
        container.seek(tick, stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def _decode(container, stream, log: DecodeLog) -> Iterator[av.VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            log.stopped = error.strerror or type(error).__name__
            yield from _decode_one(None, stream, log)
            return
        if packet is None:
            return
        if packet.size:
            log.packets += 1
            log.hidden += packet.is_discard
        elif packet.dts is not None or packet.pts is not None:
            continue  # empty: shows the last picture again; the decoder would flush
        yield from _decode_one(packet, stream, log)


def _decode_one(packet, stream, log: DecodeLog) -> list[av.VideoFrame]:
    try:
        frames = stream.decode(packet)
    except EOFError:
        return []
    except av.error.FFmpegError:
        if log.frames:  # before the first frame, a recording is still tuning in
            log.lost_at_end += 1
            if log.first_loss is None:
                log.first_loss = log.frames
        return []
    if frames:
        log.lost, log.lost_at_end = log.lost + log.lost_at_end, 0
    log.frames += len(frames)
    return frames
