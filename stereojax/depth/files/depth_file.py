"""The project's own depth file: gray16 FFV1 in Matroska and a JSON sidecar.

`film_depth.mkv` holds 16-bit codes, one frame per frame of the film, at the film's
times; `film_depth.json` has the units, the float range of each segment's codes
(`quantization.py`), the shots and their percentiles, the model, and the hash of the
film. Depth is estimated one segment at a time. Each segment is written to its own file,
and all are joined at the end, so that a run can be resumed.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stereojax.cli import InputError, RunError
from stereojax.depth.files import gray16, quantization, sidecar
from stereojax.storage.atomic import atomic_write, read_json


def write_segment(
    path: Path, frames: Iterable[np.ndarray], times_s: Iterable[float]
) -> dict[str, Any]:
    """Writes one segment, then its JSON sidecar, which marks the segment as complete.

    Args:
      path: MKV file of the segment; the sidecar has the same name with .json.
      frames: (h, w) float32 depth each; kept in memory. Not finite means no depth.
      times_s: time of each frame, in seconds.

    Returns:
      The sidecar's content: frames, width, height, low, high, times_ms, crc32.
    """
    depth = np.stack([np.asarray(frame, np.float32) for frame in frames])
    ticks = gray16.milliseconds(times_s)
    low, high = quantization.value_range(depth)
    path.parent.mkdir(parents=True, exist_ok=True)
    sidecar.path_of(path).unlink(missing_ok=True)
    codes = quantization.quantize(depth, low, high)
    with atomic_write(path) as part:
        checksums = gray16.write(part, codes, [t - ticks[0] for t in ticks])
    count, height, width = depth.shape
    meta = {
        "frames": count,
        "width": width,
        "height": height,
        "low": low,
        "high": high,
        "times_ms": list(ticks),
        "crc32": checksums,
    }
    sidecar.write(path, meta)
    return meta


def segment_meta(path: Path) -> dict[str, Any] | None:
    """Returns the segment's sidecar, or None if the segment is incomplete."""
    return read_json(sidecar.path_of(path)) if path.is_file() else None


def read_segment(path: Path) -> Iterator[np.ndarray]:
    """Yields the (h, w) float32 frames of one segment, as the joined file does."""
    meta = segment_meta(path)
    if meta is None:
        raise FileNotFoundError(f"{path}: no such depth segment")
    ticks = [tick - meta["times_ms"][0] for tick in meta["times_ms"]]
    for frame in gray16.read(path, ticks, meta["crc32"], 0, len(ticks)):
        yield quantization.dequantize(frame, meta["low"], meta["high"])


def join_segments(
    segment_paths: Sequence[Path],
    output: Path,
    *,
    units: str,
    model: str,
    per_frame_scale: bool = False,
    source_hash: str,
    video_width: int,
    video_height: int,
    shots: Sequence[dict[str, Any]],
) -> "DepthFile":
    """Joins complete segments, in order, to one depth file without encoding again.

    Args:
      segment_paths: MKV files of `write_segment`.
      output: MKV file to write; the sidecar has the same name with .json.
      units: "relative" (inverse depth, larger = nearer) or "pixels" (disparity at
        the film's width, positive = in front of the screen).
      model: name of the depth estimator.
      per_frame_scale: `per_frame_scale` of the depth estimator.
      source_hash: hash of the film.
      video_width, video_height: size of the film.
      shots: {"start", "stop", "percentiles": {"1": ..., "99": ...}} each, in frames.
    """
    metas = [segment_meta(path) for path in segment_paths]
    missing = [str(p) for p, m in zip(segment_paths, metas, strict=True) if m is None]
    if missing:
        raise FileNotFoundError(f"no such depth segments: {', '.join(missing)}")
    sizes = {(m["width"], m["height"]) for m in metas}
    if len(sizes) != 1:
        raise ValueError(f"expected depth segments of one size, got {sizes}")
    width, height = sizes.pop()
    # Segments round their times separately; times of the joined file start at 0 or
    # later and strictly increase.
    seconds = [tick / 1000 for meta in metas for tick in meta["times_ms"]]
    ticks = gray16.milliseconds(s - min(seconds[0], 0) for s in seconds)
    edges = np.cumsum([0, *(meta["frames"] for meta in metas)]).tolist()
    spans = list(itertools.pairwise(edges))
    sidecar.path_of(output).unlink(missing_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(output) as part:
        gray16.concatenate(segment_paths, [ticks[a:b] for a, b in spans], part)
    meta = {
        "format": sidecar.FORMAT,
        "version": sidecar.VERSION,
        "units": units,
        "model": model,
        "per_frame_scale": per_frame_scale,
        "source_hash": source_hash,
        "width": width,
        "height": height,
        "video_width": video_width,
        "video_height": video_height,
        "frames": edges[-1],
        "shots": list(shots),
        "segments": [
            {"start": a, "stop": b, "low": m["low"], "high": m["high"]}
            for (a, b), m in zip(spans, metas, strict=True)
        ],
        "times_ms": list(ticks),
        "crc32": [checksum for m in metas for checksum in m["crc32"]],
    }
    sidecar.write(output, meta)
    return DepthFile.open(output)


@dataclasses.dataclass(frozen=True)
class DepthFile:
    """A complete depth file; `read` decodes any range of its frames."""

    path: Path
    units: str  # "relative" or "pixels"
    model: str
    per_frame_scale: bool  # scale and shift change from frame to frame
    source_hash: str
    width: int  # size of the depth frames
    height: int
    video_width: int  # size of the film
    video_height: int
    frames: int
    shots: tuple[dict[str, Any], ...]
    segments: tuple[dict[str, Any], ...]
    times_ms: tuple[int, ...]
    crc32: tuple[int, ...]  # of each frame's packet

    @classmethod
    def open(cls, path: Path) -> "DepthFile":
        """Reads the sidecar and the file's last frame.

        Raises:
          InputError: the sidecar or the file is missing or invalid.
        """
        path = Path(path)
        fields = [f.name for f in dataclasses.fields(cls) if f.name != "path"]
        file = cls(path=path, **sidecar.read(path, fields))
        file._check_last_frame()
        return file

    def __len__(self) -> int:
        return self.frames

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yields (height, width) float32 frames `start` to `stop - 1`; NaN = no depth.

        Each call opens the file separately, so several can read at the same time.
        """
        stop = self.frames if stop is None else stop
        if not 0 <= start <= stop <= self.frames:
            raise ValueError(f"{self.path}: frames {start}:{stop} of {self.frames}")
        ranges = iter(self.segments)
        segment = next(ranges)
        for index, frame in enumerate(self._codes(start, stop), start):
            while index >= segment["stop"]:
                segment = next(ranges)
            yield quantization.dequantize(frame, segment["low"], segment["high"])

    def _check_last_frame(self) -> None:
        try:
            last = next(self._codes(self.frames - 1, self.frames))
        except RunError as error:
            raise InputError(f"{error}; expected {self.frames} frames") from error
        if last.shape != (self.height, self.width):
            raise InputError(
                f"{self.path}: frames of {last.shape[1]}x{last.shape[0]}, expected "
                f"{self.width}x{self.height} according to its sidecar"
            )

    def _codes(self, start: int, stop: int) -> Iterator[np.ndarray]:
        return gray16.read(self.path, self.times_ms, self.crc32, start, stop)
