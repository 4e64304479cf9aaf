"""Joins encoded segments and everything else of the source into the output file.

Nothing is decoded here but what the container cannot hold. Packets are interleaved in
order of time as they are read, so memory does not grow with the film.
"""

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stereojax.cli import RunError
from stereojax.stage_types import VideoIndex
from stereojax.video import stereo_tags
from stereojax.video.container import open_video
from stereojax.video.covers import add_covers
from stereojax.video.encoding import Encoding
from stereojax.video.metadata import describe, kept
from stereojax.video.segments import Segments
from stereojax.video.span import Span
from stereojax.video.streams import Carrier, carry

FORMATS = {
    ".mkv": "matroska",
    ".webm": "webm",
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
}


def join(
    segments: Sequence[Path],
    index: VideoIndex,
    output: Path,
    *,
    encoding: Encoding,
    excerpt: bool = False,
) -> list[str]:
    """Writes `output` and returns what the user should know, one line each.

    `segments` hold the frames of `index`, in order. A film keeps the source's
    timestamps: exactly in MP4 and MOV, to 1 ms in MKV and WebM, which cannot do better.
    `excerpt`: `index` is of a part of the film; the output begins at time 0, with
    sound, subtitles and chapters cut to that part. The file appears when it is
    complete.

    Raises:
      RunError: the output cannot be written, or the segments do not fit the index.
    """
    output = Path(output)
    part = output.with_name(output.name + ".part")
    try:
        notes = _write(segments, index, part, encoding, excerpt)
        if encoding.container in (".mp4", ".m4v", ".mov"):
            stereo_tags.tag_boxes(part, encoding.layout)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(output)
    except (av.error.FFmpegError, OSError) as error:
        raise RunError(f"{output}: cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return notes


def _write(
    segments: Sequence[Path],
    index: VideoIndex,
    part: Path,
    encoding: Encoding,
    excerpt: bool,
) -> list[str]:
    info = index.info
    with open_video(info.path) as (source, picture):
        span = Span.of(index) if excerpt else Span.whole(source)
        shift = round(span.start / info.time_base)
        with (
            Segments(segments, index.pts - shift, index.last_duration) as film,
            av.open(
                str(part),
                "w",
                format=FORMATS[encoding.container],
                container_options=_options(encoding, info.time_base),
            ) as target,
        ):
            video = _add_picture(film, picture, target, index, encoding)
            target.metadata.update(kept(source.metadata))
            target.set_chapters(span.chapters(source.chapters()))
            carriers, notes = carry(source, picture, target, span)
            covers, more_notes = add_covers(source, info.path, target)
            target.start_encoding()
            target.mux(covers)
            _interleave(film, video, info.time_base, source, carriers, target, notes)
    return notes + more_notes


def _add_picture(
    film: Segments,
    picture: av.VideoStream,
    target: av.container.OutputContainer,
    index: VideoIndex,
    encoding: Encoding,
) -> av.VideoStream:
    video = target.add_stream_from_template(film.template, opaque=True)
    video.time_base = index.info.time_base
    if len(index) > 2 and np.ptp(np.diff(index.pts)) > 1:
        video.codec_context.framerate = 0  # varies: there is no rate to claim
    else:
        video.codec_context.framerate = index.info.frame_rate
    if encoding.codec == "hevc" and encoding.container != ".mkv":
        video.codec_context.codec_tag = "hvc1"  # the tag that Apple plays
    describe(picture, video)
    mode = stereo_tags.stereo_mode(encoding.layout)
    if mode is not None:
        video.metadata["stereo_mode"] = mode
    return video


def _options(encoding: Encoding, time_base: Fraction) -> dict[str, str]:
    if encoding.container in (".mkv", ".webm"):
        return {"avoid_negative_ts": "disabled"}
    return {
        "movflags": "+faststart",
        "video_track_timescale": str(time_base.denominator),
        "strict": "unofficial",  # st3d
    }


def _interleave(
    film: Segments,
    video: av.stream.Stream,
    time_base: Fraction,
    source: av.container.InputContainer,
    carriers: dict[int, Carrier],
    target: av.container.OutputContainer,
    notes: list[str],
) -> None:
    """Writes pictures and everything else in order of decoding time."""
    others = _others(source, carriers, notes)
    waiting = next(others, None)
    for packet in film.packets():
        now = packet.dts * time_base
        while waiting is not None and waiting[0] <= now:
            target.mux(waiting[1])
            waiting = next(others, None)
        packet.stream, packet.time_base = video, time_base
        target.mux(packet)
    while waiting is not None:
        target.mux(waiting[1])
        waiting = next(others, None)


def _others(
    source: av.container.InputContainer,
    carriers: dict[int, Carrier],
    notes: list[str],
):
    """(seconds, packet) of every other stream, in the order of the source."""
    if not carriers:
        return
    streams = [source.streams[i] for i in carriers]
    try:
        for packet in source.demux(streams):
            if packet.dts is None and packet.pts is None:
                continue
            for out in carriers[packet.stream_index].packets(packet):
                yield out.dts * out.time_base, out
    except av.error.FFmpegError as error:
        notes.append(f"sound and subtitles end early: the source is damaged ({error})")
    for carrier in carriers.values():
        for out in carrier.flush():
            yield out.dts * out.time_base, out
