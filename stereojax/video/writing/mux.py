"""Muxes encoded segments and the source's other streams into the output file.

Only streams that the container cannot hold are decoded. Packets are interleaved by time
as they are read, so memory does not grow with the length of the video.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stereojax.cli import RunError, line_of
from stereojax.stage_types import VideoIndex
from stereojax.storage.atomic import atomic_write
from stereojax.video.reading.container import open_video
from stereojax.video.stereo import stereo_tags
from stereojax.video.writing import display_size
from stereojax.video.writing.covers import add_covers
from stereojax.video.writing.encoding import Encoding
from stereojax.video.writing.metadata import copy_tags, missing_tags, valid_tags
from stereojax.video.writing.segment_reader import SegmentReader
from stereojax.video.writing.streams import StreamProcessor, add_streams
from stereojax.video.writing.time_range import TimeRange, to_stream

_MATROSKA = (".mkv", ".webm")
# Packets of an excerpt are searched within this margin around it, because files
# interleave their streams loosely.
_MARGIN_S = 10

FORMATS = {
    ".mkv": "matroska",
    ".webm": "webm",
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
}


def join_segments(
    segments: Sequence[Path],
    index: VideoIndex,
    output: Path,
    *,
    encoding: Encoding,
    excerpt: bool = False,
) -> list[str]:
    """Writes `output` atomically and returns notes for the user, one line each.

    `segments` hold the frames of `index`, in order. The output keeps the source's
    timestamps: exactly in MP4 and MOV, rounded to 1 ms in MKV and WebM by their format.
    `excerpt`: `index` covers a part of the video; the output starts at time 0, with
    sound, subtitles and chapters cut to that part.

    Raises:
      RunError: the output cannot be written, or the segments do not fit the index.
    """
    output = Path(output)
    try:
        with atomic_write(output) as part:
            notes = _write(segments, index, part, encoding, excerpt)
            if encoding.container in _MATROSKA:
                display_size.patch_display_size(
                    part, encoding.layout, encoding.view_size, encoding.sample_aspect
                )
            else:
                stereo_tags.write_st3d(part, encoding.layout)
    except (av.error.FFmpegError, OSError) as error:
        raise RunError(f"{output}: cannot be written: {line_of(error)}") from error
    return notes


def _write(
    segments: Sequence[Path],
    index: VideoIndex,
    part: Path,
    encoding: Encoding,
    excerpt: bool,
) -> list[str]:
    info = index.info
    with open_video(info.path) as (source, source_video):
        time_range = TimeRange.of_index(index) if excerpt else TimeRange.whole(source)
        shift = round(time_range.start / info.time_base)
        with (
            SegmentReader(segments, index, encoding.rate, shift) as reader,
            av.open(
                f"file:{part}",  # without "file:", a colon would mean a protocol
                "w",
                format=FORMATS[encoding.container],
                container_options=_options(encoding, info.time_base),
            ) as target,
        ):
            video = _add_video(reader, source_video, target, index, encoding)
            target.metadata.update(valid_tags(source.metadata))
            target.set_chapters(time_range.chapters(source.chapters()))
            processors, notes = add_streams(source, source_video, target, time_range)
            covers, more_notes = add_covers(source, info.path, target)
            target.start_encoding()
            target.mux(covers)
            other_packets = _other_packets(source, processors, time_range, notes)
            _interleave(reader, video, other_packets, target)
        missing = missing_tags(valid_tags(source.metadata), part)
    if missing:
        notes.append(f"left out: tags that {encoding.container} cannot hold: {missing}")
    return notes + more_notes


def _add_video(
    segments: SegmentReader,
    source_video: av.VideoStream,
    target: av.container.OutputContainer,
    index: VideoIndex,
    encoding: Encoding,
) -> av.VideoStream:
    video = target.add_stream_from_template(segments.template, opaque=True)
    video.time_base = index.info.time_base
    if len(index) > 2 and np.ptp(np.diff(index.pts)) > 1:
        video.codec_context.framerate = 0  # variable: no frame rate
    else:
        video.codec_context.framerate = index.info.frame_rate
    if encoding.codec == "hevc" and encoding.container != ".mkv":
        video.codec_context.codec_tag = "hvc1"  # Apple players require this tag
    copy_tags(source_video, video)
    video.codec_context.sample_aspect_ratio = encoding.sample_aspect
    mode = display_size.stereo_mode_to_write(encoding.layout, encoding.sample_aspect)
    if mode is not None and encoding.container in _MATROSKA:
        video.metadata["stereo_mode"] = mode
    return video


def _options(encoding: Encoding, time_base: Fraction) -> dict[str, str]:
    # Packets are already in order. By default the muxer buffers ten seconds of video
    # while it waits for a subtitle: gigabytes if the video is lossless.
    options = {"max_interleave_delta": "100000"}  # microseconds
    if encoding.container in _MATROSKA:
        # Sound may start before 0 (encoder delay): do not shift the video for it.
        return options | {"avoid_negative_ts": "disabled"}
    ticks = time_base.denominator
    return options | {
        "movflags": "+faststart",
        "video_track_timescale": str(ticks),
        # MP4 stores a stream's start in these ticks; the default 1000 would round it.
        "movie_timescale": str(ticks * -(-10000 // ticks)),
        "strict": "unofficial",  # allows st3d
    }


def _interleave(
    segments: SegmentReader,
    video: av.VideoStream,
    other_packets: Iterator[av.Packet],
    target: av.container.OutputContainer,
) -> None:
    """Writes video and other packets in order of decoding time."""
    tick = Fraction(video.time_base)
    pending = next(other_packets, None)
    for packet in segments.packets():
        to_stream(packet, video)
        now = packet.dts * tick
        while pending is not None and pending.dts * pending.time_base <= now:
            target.mux(pending)
            pending = next(other_packets, None)
        target.mux(packet)
    while pending is not None:
        target.mux(pending)
        pending = next(other_packets, None)


def _other_packets(
    source: av.container.InputContainer,
    processors: dict[int, StreamProcessor],
    time_range: TimeRange,
    notes: list[str],
) -> Iterator[av.Packet]:
    """Yields the packets of all other streams, in the order of the source."""
    if not processors:
        return
    if time_range.is_excerpt and time_range.start > _MARGIN_S:
        source.seek(int((time_range.start - _MARGIN_S) * av.time_base))
    try:
        for packet in source.demux([source.streams[i] for i in processors]):
            if packet.dts is None and packet.pts is None:
                continue
            if time_range.is_past(packet, _MARGIN_S):
                break
            yield from processors[packet.stream_index].packets(packet)
    except av.error.FFmpegError as error:
        notes.append(
            f"sound and subtitles end early: the source is damaged ({line_of(error)})"
        )
    for processor in processors.values():
        yield from processor.flush()
