"""Writes a synthetic video: side by side, its left view, and its disparity."""

import contextlib
import dataclasses
import os
import zipfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from stereojax.storage.atomic import atomic_write
from stereojax.synthetic.film import SyntheticFilm
from stereojax.synthetic.render import StereoFrame

_SAMPLE_RATE = 48000
# One thread, and no option that needs x264's lookahead. The lookahead reads
# uninitialised memory at the edges of its half-size pictures, so equal frames would
# give unequal files.
_X264_PARAMS = "threads=1:mbtree=0:b-adapt=0:scenecut=0:weightp=0"


@dataclasses.dataclass(frozen=True)
class FilmPaths:
    """The files that `write_film` writes."""

    sbs: Path  # full side by side, lossless RGB (FFV1 in MKV), with a stereo tag
    left: Path  # the left view as a 2D video: H.264, with a tone and a title
    disparity: Path  # npz, key "disparity": (t, h, w) float32 pixels of the left view


def write_film(
    film: SyntheticFilm,
    stem: str | os.PathLike,
    *,
    on_frame: Callable[[int], None] = lambda frames: None,
) -> FilmPaths:
    """Renders `film` into STEM_sbs.mkv, STEM.mp4 and STEM_disparity.npz.

    Renders one frame at a time, so memory does not grow with the length. The files
    appear when all are complete and replace existing files. `on_frame(1)` is called
    after each frame.
    """
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = FilmPaths(
        stem.with_name(f"{stem.name}_sbs.mkv"),
        stem.with_name(f"{stem.name}.mp4"),
        stem.with_name(f"{stem.name}_disparity.npz"),
    )
    writers = {
        paths.sbs: _sbs_writer,
        paths.left: _left_writer,
        paths.disparity: _disparity_writer,
    }
    # The stack closes in reverse: first every encoder, then the renames.
    with contextlib.ExitStack() as stack:
        parts = [stack.enter_context(atomic_write(path)) for path in writers]
        write_functions = [
            stack.enter_context(writer(part, film))
            for writer, part in zip(writers.values(), parts, strict=True)
        ]
        for frame in film.render():
            for write in write_functions:
                write(frame)
            on_frame(1)
    return paths


Writer = Iterator[Callable[[StereoFrame], None]]


@contextlib.contextmanager
def _sbs_writer(path: Path, film: SyntheticFilm) -> Writer:
    import av

    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=_rate(film))
        stream.width, stream.height = 2 * film.config.width, film.config.height
        stream.pix_fmt = "bgr0"  # FFV1's 8-bit RGB
        stream.metadata["stereo_mode"] = "left_right"

        def write(frame: StereoFrame) -> None:
            side_by_side = to_bytes(np.concatenate([frame.left, frame.right], axis=1))
            picture = av.VideoFrame.from_ndarray(side_by_side, format="rgb24")
            container.mux(stream.encode(picture.reformat(format="bgr0")))

        yield write
        container.mux(stream.encode(None))


@contextlib.contextmanager
def _left_writer(path: Path, film: SyntheticFilm) -> Writer:
    import av

    config = film.config
    odd = config.width % 2 or config.height % 2
    # 4:2:0 cannot hold odd sizes.
    pixel_format = "yuv444p" if odd else "yuv420p"
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["title"] = f"Synthetic film {film.seed}"
        stream = container.add_stream(
            "libx264",
            rate=_rate(film),
            options={
                "crf": "16",
                "preset": "veryfast",
                "x264-params": _X264_PARAMS,
            },
        )
        stream.width, stream.height = config.width, config.height
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1  # limited
        sound = container.add_stream("aac", rate=_SAMPLE_RATE, layout="mono")
        frames = samples = 0

        def write(frame: StereoFrame) -> None:
            nonlocal frames, samples
            picture = av.VideoFrame.from_ndarray(to_bytes(frame.left), format="rgb24")
            picture = picture.reformat(
                format=pixel_format, dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            container.mux(stream.encode(picture))
            frames += 1
            until = int(frames / config.frame_rate * _SAMPLE_RATE)
            tone = 0.1 * np.sin(
                2 * np.pi * 440 / _SAMPLE_RATE * np.arange(samples, until)
            )
            piece = av.AudioFrame.from_ndarray(
                tone[None].astype(np.float32), format="fltp", layout="mono"
            )
            piece.sample_rate, piece.pts = _SAMPLE_RATE, samples
            piece.time_base = Fraction(1, _SAMPLE_RATE)
            container.mux(sound.encode(piece))
            samples = until

        yield write
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))


@contextlib.contextmanager
def _disparity_writer(path: Path, film: SyntheticFilm) -> Writer:
    shape = len(film), film.config.height, film.config.width
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive,
        archive.open("disparity.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        yield lambda frame: file.write(frame.disparity.astype("<f4").tobytes()) and None


def _rate(film: SyntheticFilm) -> Fraction:
    return Fraction(film.config.frame_rate).limit_denominator(1001)


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """Converts [0, 1] to uint8, rounded."""
    return np.ascontiguousarray(np.rint(picture * 255).astype(np.uint8))
