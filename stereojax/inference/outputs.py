"""The video files of a conversion: their pictures, names and encodings."""

import dataclasses
from pathlib import Path

from stereojax.cli import InputError
from stereojax.settings import InferSettings
from stereojax.settings.run_options import RunOptions
from stereojax.stage_types import VideoInfo
from stereojax.video.writing.encoding import CONTAINERS, Encoding, choose_encoding
from stereojax.video.writing.segment_writer import SegmentWriter
from stereojax.windows import Segment

GRID = "grid"


@dataclasses.dataclass(frozen=True)
class OutputFile:
    """One video file of a conversion."""

    name: str  # "film", "left", "right" or "grid"
    path: Path
    encoding: Encoding

    def segment(self, folder: Path, segment: Segment) -> Path:
        """Returns the file in the work folder that holds an encoded segment."""
        return folder / f"{segment.index:06}-{self.name}.mkv"

    def open(self, path: Path) -> SegmentWriter:
        return SegmentWriter(path, self.encoding)


def plan_outputs(
    output: Path, info: VideoInfo, settings: InferSettings, options: RunOptions
) -> tuple[OutputFile, ...]:
    """Returns the files that `settings` and `options` ask for.

    `left_right_files` writes OUTPUT with `_left` and `_right` before its suffix.

    Raises:
      InputError: the folder is absent, or the file type, codec or pixel format cannot
        hold the picture.
    """
    if not output.parent.is_dir():
        raise InputError(f"--output={output}: the folder {output.parent} is not there")
    if output.is_dir():
        raise InputError(f"--output={output}: expected a file, it is a folder")

    def plan(name: str, suffix: str, layout: str, picture: VideoInfo) -> OutputFile:
        container = output.suffix or _container_like(info.path)
        path = output.with_name(output.stem + suffix + container)
        encoding = choose_encoding(
            picture,
            layout,
            codec=settings.codec,
            crf=settings.crf,
            pixel_format=settings.pixel_format,
            container=container,
        )
        return OutputFile(name, path, encoding)

    if settings.layout == "left_right_files":
        outputs = [
            plan("left", "_left", "left_right_files", info),
            plan("right", "_right", "right", info),
        ]
    else:
        outputs = [plan("film", "", settings.layout, info)]
    if options.debug_grid:
        # Two by two pictures; "right": players must not take it for stereo.
        double = dataclasses.replace(info, width=2 * info.width, height=2 * info.height)
        outputs.append(plan(GRID, "_grid", "right", double))
    return tuple(outputs)


def _container_like(source: Path) -> str:
    """Returns the suffix of the source if it can be written, else .mkv."""
    return source.suffix.lower() if source.suffix.lower() in CONTAINERS else ".mkv"
