"""Joins encoded segments and everything else of the source into the output file.

Nothing is decoded here but what the container cannot hold. Packets are interleaved in
order of time as they are read, so memory does not grow with the film.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stereojax.cli import RunError, line_of
from stereojax.stage_types import VideoIndex
from stereojax.storage.atomic import atomic_write
from stereojax.video.reading import display_size
from stereojax.video.reading.container import open_video
from stereojax.video.reading.span import Span, to_stream
from stereojax.video.stereo import stereo_tags
from stereojax.video.writing.covers import add_covers
from stereojax.video.writing.encoding import Encoding
from stereojax.video.writing.metadata import describe, kept, missing_tags
from stereojax.video.writing.segments import Segments
from stereojax.video.writing.streams import Carrier, carry

_MATROSKA = (".mkv", ".webm")
# Streams are interleaved loosely: how far around an excerpt to look for its packets.
_MARGIN_S = 10

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
    try:
        with atomic_write(output) as part:
            notes = _write(segments, index, part, encoding, excerpt)
            if encoding.container in _MATROSKA:
                display_size.patch(
                    part, encoding.layout, encoding.view_size, encoding.sample_aspect
                )
            else:
                stereo_tags.tag_boxes(part, encoding.layout)
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
    with open_video(info.path) as (source, picture):
        span = Span.of(index) if excerpt else Span.whole(source)
        shift = round(span.start / info.time_base)
        with (
            Segments(segments, index, encoding.rate, shift) as film,
            av.open(
                f"file:{part}",  # colons in the name are no protocol
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
            others = _others(source, carriers, span, notes)
            _interleave(film, video, others, target)
        lost = missing_tags(kept(source.metadata), part)
    if lost:
        notes.append(
            f"left out: tags that {encoding.container} has no place for: {lost}"
        )
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
    video.codec_context.sample_aspect_ratio = encoding.sample_aspect
    mode = display_size.mode_to_write(encoding.layout, encoding.sample_aspect)
    if mode is not None and encoding.container in _MATROSKA:
        video.metadata["stereo_mode"] = mode
    return video


def _options(encoding: Encoding, time_base: Fraction) -> dict[str, str]:
    # Packets come in order already. By itself the muxer would hold back ten seconds of
    # picture to wait for a subtitle: gigabytes, where the picture is lossless.
    options = {"max_interleave_delta": "100000"}  # microseconds
    if encoding.container in _MATROSKA:
        # Sound may begin before 0 (the encoder's run-up): do not shift the picture.
        return options | {"avoid_negative_ts": "disabled"}
    ticks = time_base.denominator
    return options | {
        "movflags": "+faststart",
        "video_track_timescale": str(ticks),
        # In these ticks MP4 says when a stream begins; its usual 1000 would round it.
        "movie_timescale": str(ticks * -(-10000 // ticks)),
        "strict": "unofficial",  # st3d
    }


def _interleave(
    film: Segments,
    video: av.VideoStream,
    others: Iterator[av.Packet],
    target: av.container.OutputContainer,
) -> None:
    """Writes pictures and everything else in order of decoding time."""
    tick = Fraction(video.time_base)
    waiting = next(others, None)
    for packet in film.packets():
        to_stream(packet, video)
        now = packet.dts * tick
        while waiting is not None and waiting.dts * waiting.time_base <= now:
            target.mux(waiting)
            waiting = next(others, None)
        target.mux(packet)
    while waiting is not None:
        target.mux(waiting)
        waiting = next(others, None)


def _others(
    source: av.container.InputContainer,
    carriers: dict[int, Carrier],
    span: Span,
    notes: list[str],
) -> Iterator[av.Packet]:
    """The packets of every other stream, in the order of the source."""
    if not carriers:
        return
    if span.trims and span.start > _MARGIN_S:
        source.seek(int((span.start - _MARGIN_S) * av.time_base))
    try:
        for packet in source.demux([source.streams[i] for i in carriers]):
            if packet.dts is None and packet.pts is None:
                continue
            if span.is_behind(packet, _MARGIN_S):
                break
            yield from carriers[packet.stream_index].packets(packet)
    except av.error.FFmpegError as error:
        notes.append(f"sound and subtitles end early: the source is damaged ({error})")
    for carrier in carriers.values():
        yield from carrier.flush()
