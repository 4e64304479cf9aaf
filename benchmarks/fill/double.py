"""Double projection: a 2D film as the true right view of a stereo film.

The depth of each frame gives the right view's disparity; the frame is moved to the left
eye with it, degraded like a coded film, and splatted back. The frame itself is the
true right view, so the hole has natural texture.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.fill.cases import Case, middle, splatted, to_float
from stereojax.depth.prior import depth_prior
from stereojax.shapes import Float, UInt8

DIVERGENCE = 0.04  # of the width
LEVELS = 4  # steps between depth layers; few, so that holes are wide and coherent
MEDIAN = 1 / 25  # side of the median window, of the width
BLUR = 0.5  # pixels
# The depth edges of a network deviate from the true ones. Standard deviation and extent
# of the smooth random displacement, as shares of the width.
EDGE_ERROR, EDGE_EXTENT = 1 / 480, 8 / 480


def clip_case(
    set_name: str, path: Path, width: int, *, reach: int, scored: int
) -> Case:
    """Returns a shot of a film, projected twice."""
    frames = list(read_middle(path, width, scored + 2 * reach))
    depth = [np.asarray(depth_prior(frame)) for frame in frames]
    low, high = np.quantile(np.stack(depth), [0.01, 0.99])
    height = frames[0].shape[0]
    wander = edge_displacement(np.random.default_rng(5), height, width)
    lefts, disparities = [], []
    for frame, raw in zip(frames, depth, strict=True):
        normal = np.clip((raw - low) / max(high - low, 1e-6), 0, 1)
        layered = layers(normal, height, width)
        disparity = left_disparity((layered - 0.5) * DIVERGENCE * width)
        lefts.append(degraded(to_left(frame, disparity)))
        disparities.append(
            cv2.remap(
                disparity, *wander, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
            )
        )
    inputs = splatted(to_float(lefts), np.stack(disparities))
    where = middle(len(frames), scored)
    source = "2D film, projected twice"
    return Case(set_name, source, path.stem, inputs, to_float(frames), where)


def read_middle(
    path: Path, width: int, count: int
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Yields `count` frames from the first third of a film, at `width`."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        start = max(0, stream.frames // 3)
        for i, frame in enumerate(container.decode(stream)):
            if i < start:
                continue
            if i >= start + count:
                return
            height = 2 * round(frame.height * width / frame.width / 2)
            picture = frame.to_ndarray(format="rgb24")
            yield cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def left_disparity(disparity: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Returns the left view's disparity, from the right view's, without unknown pixels.

    The nearest surface that lands on a pixel gives its disparity. Pixels that the right
    view does not see get the smaller disparity of their two neighbours in the row.
    """
    height, width = disparity.shape
    target = np.round(np.arange(width) + disparity).astype(int)
    inside = (target >= 0) & (target < width)
    row = np.broadcast_to(np.arange(height)[:, None], target.shape)
    nearest = np.full((height, width), -np.inf, np.float32)
    np.maximum.at(nearest, (row[inside], target[inside]), disparity[inside])
    return cv2.medianBlur(background_of_row(nearest), 3)


def background_of_row(
    disparity: Float[np.ndarray, "h w"],
) -> Float[np.ndarray, "h w"]:
    """Gives unknown pixels the smaller disparity of the known neighbours in the row."""

    def carried(d):
        x = np.where(np.isfinite(d), np.arange(d.shape[1]), 0)
        return np.take_along_axis(d, np.maximum.accumulate(x, axis=1), axis=1)

    disparity = np.where(np.isfinite(disparity), disparity, np.nan)
    neighbours = np.fmin(carried(disparity), carried(disparity[:, ::-1])[:, ::-1])
    filled = np.where(np.isfinite(disparity), disparity, neighbours)
    return np.where(np.isfinite(filled), filled, np.nanmin(disparity)).astype(
        np.float32
    )


def to_left(
    right: UInt8[np.ndarray, "h w 3"], disparity: Float[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns the left view of a right view, from the left view's disparity."""
    height, width = disparity.shape
    x = (np.arange(width) - disparity).astype(np.float32)
    y = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, axis=1)
    return cv2.remap(right, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def layers(
    depth: Float[np.ndarray, "hd wd"], height: int, width: int
) -> Float[np.ndarray, "h w"]:
    """Returns normalised depth in few layers, without small islands, at the given size.

    The depth need not be correct, because the frame is the truth for any disparity; but
    its edges must form silhouettes, like those of a good network.
    """
    eight = (255 * cv2.resize(depth, (width, height)) + 0.5).astype(np.uint8)
    eight = cv2.medianBlur(eight, 2 * round(MEDIAN * width / 2) + 1)
    return (np.round(eight / 255 * LEVELS) / LEVELS).astype(np.float32)


def edge_displacement(
    rng: np.random.Generator, height: int, width: int
) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    """Returns the columns and rows from which displaced disparity is sampled.

    The displacement moves edges by about a pixel, the same in every frame.
    """
    noise = rng.standard_normal((2, height, width)).astype(np.float32)
    extent = EDGE_EXTENT * width
    across, down = (cv2.GaussianBlur(plane, (0, 0), extent) for plane in noise)
    # Blurred white noise has the standard deviation 1 / (2 sqrt(pi) extent).
    scale = np.float32(EDGE_ERROR * width * 2 * np.sqrt(np.pi) * extent)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return x + scale * across, y + scale * down


def degraded(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Returns a picture with the blur and the 4:2:0 chroma of a coded film."""
    picture = cv2.GaussianBlur(picture, (0, 0), BLUR)
    planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    height, width = planes.shape[:2]
    for channel in (1, 2):
        half = cv2.resize(
            planes[..., channel],
            (width // 2, height // 2),
            interpolation=cv2.INTER_AREA,
        )
        planes[..., channel] = cv2.resize(half, (width, height))
    return cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB)
