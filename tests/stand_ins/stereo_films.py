"""Stereo films of synthetic scenes with known disparity, in every packing."""

import functools
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from stereojax.synthetic import make_film
from stereojax.synthetic.write import to_bytes


@functools.cache
def scene(
    seed: int = 5,
    frames: int = 10,
    width: int = 320,
    height: int = 180,
    sets: tuple[str, ...] = ("room",),
    percent: float = 3.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Renders one shot: (left, right) (t h w 3) uint8 and (t h w) disparity."""
    film = make_film(
        seed,
        frames=frames,
        width=width,
        height=height,
        shots=1,
        sets=sets,
        max_disparity_percent=percent,
    )
    rendered = list(film.render())
    left, right = (
        np.stack([to_bytes(getattr(f, eye)) for f in rendered])
        for eye in ("left", "right")
    )
    return left, right, np.stack([f.disparity for f in rendered])


def plant(
    left: np.ndarray, right: np.ndarray, shift: int
) -> tuple[np.ndarray, np.ndarray]:
    """Crops the views so that every disparity grows by `shift` pixels."""
    width = left.shape[-2]
    if shift >= 0:
        return left[..., : width - shift, :], right[..., shift:, :]
    return left[..., -shift:, :], right[..., : width + shift, :]


def squeeze(views: np.ndarray, axis: int) -> np.ndarray:
    """Averages neighbours along `axis`: half the size."""
    size = views.shape[axis] // 2
    split = views.astype(np.float32)
    split = split.take(range(2 * size), axis=axis)
    even, odd = (split.take(range(i, 2 * size, 2), axis=axis) for i in (0, 1))
    return np.rint((even + odd) / 2).astype(np.uint8)


def pack(left: np.ndarray, right: np.ndarray, layout: str = "full_sbs") -> np.ndarray:
    """Packs (t h w 3) views into one picture for each frame."""
    axis = -2 if layout.endswith("sbs") else -3
    if layout.startswith("half"):
        left, right = (squeeze(v, axis) for v in (left, right))
    return np.concatenate([left, right], axis=axis)


def write(
    path: Path, pictures: Iterable[np.ndarray], *, crf: int | None = None, **metadata
) -> Path:
    """Writes a film: lossless FFV1, or H.264 with `crf`."""
    pictures = list(pictures)
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        if crf is None:
            stream = container.add_stream("ffv1", rate=24)
            stream.pix_fmt = "bgr0"
        else:
            stream = container.add_stream("libx264", rate=24, options={"crf": str(crf)})
            stream.pix_fmt = "yuv420p"
            stream.codec_context.colorspace = 1
        stream.width, stream.height = width, height
        stream.metadata.update(metadata)
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame = frame.reformat(format=stream.pix_fmt, dst_colorspace="ITU709")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
