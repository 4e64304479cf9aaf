"""Opens depth files for `--depth_path`, of this project and of other programs.

Formats: the project's own depth file, an npz, a folder of 16-bit PNGs or of EXRs, and
gray16 video. Depth must have as many frames as the film, and its size: depth that is
off by a frame or a pixel looks worse than no depth, so it is an error.
"""

import dataclasses
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from stereojax.cli import InputError
from stereojax.depth.files import sidecar
from stereojax.depth.files.depth_file import DepthFile
from stereojax.depth.files.exr import read_exr
from stereojax.depth.files.npz import ArrayFile

VIDEO_SUFFIXES = (".mkv", ".mov", ".avi", ".mp4", ".nut")


@dataclasses.dataclass(frozen=True)
class ForeignDepth:
    """Depth of a film in a file or folder of another program."""

    path: Path
    units: str  # "relative" (inverse depth, larger = nearer) or "pixels"
    width: int
    height: int
    frames: int
    _read: Callable[[int, int], Iterator[np.ndarray]]
    model: str = "file"

    def __len__(self) -> int:
        return self.frames

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yields (height, width) float32 frames `start` to `stop - 1`; NaN = no depth.

        Raises:
          InputError: a frame cannot be read or has another size.
        """
        stop = self.frames if stop is None else stop
        if not 0 <= start <= stop <= self.frames:
            raise ValueError(f"{self.path}: frames {start}:{stop} of {self.frames}")
        return self._read(start, stop)


def open_depth(
    path: Path, *, width: int, height: int, frames: int, units: str | None = None
) -> DepthFile | ForeignDepth:
    """Opens the depth at `path` for a film of `frames` frames of `width` x `height`.

    Args:
      units: "relative" (inverse depth, larger = nearer) or "pixels" (disparity at the
        film's width, positive = in front of the screen). None: the sidecar's units
        for the project's own file, "pixels" for an npz array named disparity, else
        "relative".

    Raises:
      InputError: the file is missing, in no known format, or does not fit the film.
    """
    source = open_source(path, units)
    if len(source) != frames:
        raise InputError(
            f"{path}: expected {frames} frames, as the film has;"
            f" the file has {len(source)}"
        )
    size = (source.width, source.height)
    if isinstance(source, DepthFile):
        size = (source.video_width, source.video_height)
        if units not in (None, source.units):
            raise InputError(f"{path}: its depth is in {source.units}, not in {units}")
    if size != (width, height):
        raise InputError(
            f"{path}: expected depth of {width}x{height}, the film's size;"
            f" the depth is {size[0]}x{size[1]}"
        )
    return source


def open_source(path: Path, units: str | None = None) -> DepthFile | ForeignDepth:
    """Opens the depth at `path`, without a check against a film.

    Raises:
      InputError: the file is missing, or in no known format.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such depth file or folder")
    suffix = path.suffix.lower()
    if path.is_dir():
        return _open_folder(path, units or "relative")
    if suffix in (".npz", ".npy"):
        array = ArrayFile.open(path)
        units = units or ("pixels" if array.key == "disparity" else "relative")
        size = (array.width, array.height, array.frames)
        return ForeignDepth(path, units, *size, array.read)
    if suffix in VIDEO_SUFFIXES:
        if sidecar.path_of(path).exists():
            return DepthFile.open(path)
        return _open_video(path, units or "relative")
    raise InputError(
        f"{path}: expected a depth file (.mkv), .npz, or a folder of .png or .exr"
    )


def _open_folder(path: Path, units: str) -> ForeignDepth:
    by_suffix = {
        suffix: sorted(
            (p for p in path.iterdir() if p.suffix.lower() == suffix),
            key=_natural_order,
        )
        for suffix in (".png", ".exr")
    }
    kinds = [suffix for suffix, files in by_suffix.items() if files]
    if len(kinds) != 1:
        raise InputError(
            f"{path}: expected a folder of either .png or .exr files, one per frame; "
            f"it has {' and '.join(kinds) or 'neither'}"
        )
    files = by_suffix[kinds[0]]
    if kinds == [".png"]:
        _refuse_pixels(path, units)
        if read_png(files[0]).dtype == np.uint8:
            print(
                f"warning: {path}: 8-bit depth has 256 steps, which can show as bands; "
                "save 16-bit PNG",
                file=sys.stderr,
            )
    read_one = read_png if kinds == [".png"] else read_exr
    height, width = read_one(files[0]).shape

    def read(start: int, stop: int) -> Iterator[np.ndarray]:
        for file in files[start:stop]:
            frame = read_one(file)
            if frame.shape != (height, width):
                raise InputError(
                    f"{file}: expected {width}x{height}, the size of {files[0].name}; "
                    f"it is {frame.shape[1]}x{frame.shape[0]}"
                )
            yield frame.astype(np.float32)

    return ForeignDepth(path, units, width, height, len(files), read)


def _natural_order(path: Path) -> list[tuple[int, str]]:
    """Returns a sort key by which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts]


def _refuse_pixels(path: Path, units: str) -> None:
    if units == "pixels":
        raise InputError(
            f"{path}: integer codes have no scale in pixels; save disparity as npz or "
            "EXR"
        )


def read_png(path: Path) -> np.ndarray:
    """Returns (h, w) uint16 or uint8 of a gray PNG, or of RGB with equal channels.

    Raises:
      InputError: the picture cannot be read, or has colours.
    """
    import av

    try:
        codec = av.CodecContext.create("png", "r")
        packet = av.Packet(path.read_bytes())
        frame = (codec.decode(packet) + codec.decode(None))[0]
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise InputError(f"{path}: not a readable PNG: {error}") from error
    kind = frame.format.name
    if kind in ("gray16be", "gray"):
        return frame.to_ndarray()
    if kind in ("rgb48be", "rgb24"):
        rgb = frame.to_ndarray()
        if (rgb == rgb[..., :1]).all():
            return rgb[..., 0]
    raise InputError(f"{path}: expected gray depth of 16 bits, got {kind} with colours")


def _open_video(path: Path, units: str) -> ForeignDepth:
    import av

    _refuse_pixels(path, units)
    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            kind, codec = stream.pix_fmt, stream.codec_context.name
            width, height = stream.width, stream.height
            frames = sum(packet.size > 0 for packet in container.demux(stream))
    except (av.error.FFmpegError, IndexError) as error:
        raise InputError(f"{path}: not a readable video: {error}") from error
    if not (kind or "").startswith("gray16"):
        raise InputError(
            f"{path}: expected lossless gray16 video (FFV1), got {codec} {kind}"
        )

    def read(start: int, stop: int) -> Iterator[np.ndarray]:
        try:
            with av.open(path) as container:
                decoded = container.decode(video=0)
                # Decodes from the first frame: a seek is exact only if the times of all
                # frames are known.
                for frame in itertools.islice(decoded, start, stop):
                    yield frame.to_ndarray().astype(np.float32)
                    start += 1
        except av.error.FFmpegError as error:
            raise InputError(f"{path}: frame {start}: {error}") from error
        if start < stop:
            raise InputError(f"{path}: decoding ends at frame {start} of {frames}")

    return ForeignDepth(path, units, width, height, frames, read)
