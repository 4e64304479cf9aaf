"""Converts videos without depth: both views are the source."""

import dataclasses
from pathlib import Path

import numpy as np

from stereojax.stage_types import VideoIndex
from stereojax.video.reading.index import index_video
from stereojax.video.reading.reader import read_frames
from stereojax.video.stereo.layouts import pack
from stereojax.video.writing.encoding import Encoding, choose_encoding
from stereojax.video.writing.mux import join_segments
from stereojax.video.writing.segment_writer import SegmentWriter


@dataclasses.dataclass(frozen=True)
class Conversion:
    index: VideoIndex  # of the converted frames
    encoding: Encoding
    notes: list[str]
    output: Path


def convert(
    source: Path,
    output: Path,
    layout: str = "full_sbs",
    *,
    segment: int = 10,
    part: slice | None = None,
    **flags,
) -> Conversion:
    """Converts `source` in segments of `segment` frames; `part`: as an excerpt."""
    index = index_video(source)
    encoding = choose_encoding(
        index.info, layout, container=output.suffix, **{"codec": None, **flags}
    )
    start, stop, _ = (part or slice(None)).indices(len(index))
    segments = []
    for first in range(start, stop, segment):
        path = output.with_name(f"{output.name}-{first}.mkv")
        with SegmentWriter(path, encoding) as writer:
            for frame in read_frames(index, first, min(first + segment, stop)):
                view = frame.image
                writer.write(pack(view, view, layout)[0], frame.decoded)
        segments.append(path)
    if part is not None:
        last = int(index.pts[stop] - index.pts[stop - 1]) if stop < len(index) else 0
        index = dataclasses.replace(
            index,
            pts=index.pts[start:stop],
            last_duration=last or index.last_duration,
        )
    notes = join_segments(
        segments, index, output, encoding=encoding, excerpt=part is not None
    )
    return Conversion(index, encoding, notes, output)


def times(index: VideoIndex) -> np.ndarray:
    """Returns the time of each frame in seconds."""
    return np.array([float(int(t) * index.info.time_base) for t in index.pts])
