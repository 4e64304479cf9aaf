"""Decodes a video from its start or from a seek position, with strict timestamps."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import av

from stereojax.stage_types import VideoInfo
from stereojax.video.reading.container import open_video
from stereojax.video.reading.timeline import Timeline, timestamp


@dataclasses.dataclass
class DecodeLog:
    """Counts of packets and frames of one decoding pass, and its errors."""

    packets: int = 0  # read from the container
    indexed_packets: int = 0  # in the container's index (MP4, AVI); 0: no index
    discarded: int = 0  # packets that an edit list excludes from display
    frames: int = 0  # decoded
    lost: int = 0  # undecodable packets between the first and the last frame
    lost_at_end: int = 0  # undecodable packets after the last frame
    first_loss: int | None = None  # frames decoded before the first loss
    demux_error: str = ""  # why demuxing stopped before the end of the file
    clock_jumped: bool = False  # timestamps restart within the file: ambiguous


class TimedFrame(NamedTuple):
    """A decoded frame with its presentation time."""

    time: int  # ticks of the stream; strictly increasing
    exact: bool  # `time` is the file's own timestamp, so a seek can find the frame
    frame: av.VideoFrame


def decode_from(
    info: VideoInfo,
    seek_to: int | None,
    log: DecodeLog,
    *,
    is_start: Callable[[TimedFrame], bool] | None = None,
    slice_threads: bool = False,
) -> Iterator[TimedFrame]:
    """Yields all frames from the start, or from the first keyframe after a seek.

    Seeks to tick `seek_to`. The position that a seek reaches depends on the container,
    so frames are dropped until one is a keyframe for which `is_start` holds. Yields
    nothing if the container cannot seek.

    `slice_threads` decodes without frame threads: slower, but it reports every error
    and returns every frame of a damaged file.
    """
    timeline = Timeline(info.frame_rate, info.time_base)
    with open_video(info.path) as (container, stream):
        if seek_to is not None and not _seek(container, stream, seek_to):
            return
        if slice_threads:
            # With frame threads, PyAV drops frames before an error and hides the error.
            stream.thread_type = "SLICE"
        started = seek_to is None
        for frame in _decode(container, stream, log):
            if not started:
                if not frame.key_frame:
                    continue
                timeline = Timeline(info.frame_rate, info.time_base)
            time = timeline.time_of(timestamp(frame))
            log.clock_jumped |= timeline.jumped
            timed = TimedFrame(time, timeline.exact, frame)
            started = started or is_start is None or is_start(timed)
            if started:
                yield timed
        if seek_to is None:
            log.indexed_packets = _count_indexed_packets(container, stream)


def _count_indexed_packets(container, stream) -> int:
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
            log.demux_error = error.strerror or type(error).__name__
            yield from _decode_one(None, stream, log)
            return
        if packet is None:
            return
        if packet.size:
            log.packets += 1
            log.discarded += packet.is_discard
        elif packet.dts is not None or packet.pts is not None:
            # An empty packet repeats the last frame; the decoder would take it as a
            # flush.
            continue
        yield from _decode_one(packet, stream, log)


def _decode_one(packet, stream, log: DecodeLog) -> list[av.VideoFrame]:
    try:
        frames = stream.decode(packet)
    except EOFError:
        return []
    except av.error.FFmpegError:
        if log.frames:  # a broadcast recording may start within a group of pictures
            log.lost_at_end += 1
            if log.first_loss is None:
                log.first_loss = log.frames
        return []
    if frames:
        log.lost, log.lost_at_end = log.lost + log.lost_at_end, 0
    log.frames += len(frames)
    return frames
