"""The files that a conversion writes: what is packed into each, and how it is coded."""

import dataclasses
from pathlib import Path

from stereojax.cli import InputError
from stereojax.settings import InferSettings
from stereojax.settings.run_options import Options
from stereojax.stage_types import VideoInfo
from stereojax.video.writing.encoding import CONTAINERS, Encoding, choose_encoding
from stereojax.video.writing.segment_writer import SegmentWriter
from stereojax.windows import Segment

GRID = "grid"


@dataclasses.dataclass(frozen=True)
class Target:
    """One video file that is written."""

    name: str  # "film", "left", "right" or "grid"
    output: Path
    encoding: Encoding

    def segment(self, folder: Path, segment: Segment) -> Path:
        """Where the encoded frames of `segment` wait."""
        return folder / f"{segment.index:06}-{self.name}.mkv"

    def open(self, path: Path) -> SegmentWriter:
        return SegmentWriter(path, self.encoding)


def plan_targets(
    output: Path, info: VideoInfo, settings: InferSettings, options: Options
) -> tuple[Target, ...]:
    """What `settings` and `options` ask for.

    `left_right_files` writes OUTPUT with `_left` and `_right` before its suffix.

    Raises:
      InputError: the file type, codec or pixel format cannot hold the picture.
    """
    if not output.parent.is_dir():
        raise InputError(f"--output={output}: the folder {output.parent} is not there")
    if output.is_dir():
        raise InputError(f"--output={output}: expected a file, it is a folder")

    def target(name: str, suffix: str, layout: str, picture: VideoInfo) -> Target:
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
        return Target(name, path, encoding)

    if settings.layout == "left_right_files":
        targets = [
            target("left", "_left", "left_right_files", info),
            target("right", "_right", "right", info),
        ]
    else:
        targets = [target("film", "", settings.layout, info)]
    if options.debug_grid:
        # Two by two pictures; never a picture of stereo to a player.
        double = dataclasses.replace(info, width=2 * info.width, height=2 * info.height)
        targets.append(target(GRID, "_grid", "right", double))
    return tuple(targets)


def _container_like(source: Path) -> str:
    return source.suffix.lower() if source.suffix.lower() in CONTAINERS else ".mkv"
