"""Splats in PyTorch, NumPy and CUDA, timed on the same frames and threads as ours.

Each peer uses its fastest array layout (planar for some), computes the published
weights 1.414 ** (disparity - min) in float32, and returns (warped, occlusion).
"""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.cuda_atomics import AtomicSplat, Unavailable

Runner = Callable[[], Any]


def peers(
    image: np.ndarray, disparity: np.ndarray, names: Sequence[str] | None = None
) -> tuple[dict[str, Runner], dict[str, str]]:
    """Returns the runners that this machine supports, and the reasons for the others.

    Args:
      image: frames "b h w c".
      disparity: their disparity "b h w", in pixels.
      names: the peers to try; by default all.
    """
    runners: dict[str, Runner] = {}
    missing = {}
    for name in PEERS if names is None else names:
        try:
            runners[name] = PEERS[name](image, disparity)
        except (ImportError, Unavailable) as reason:
            missing[name] = str(reason)
    return runners, missing


def _torch(form: Callable, planar: bool, image: np.ndarray, disparity: np.ndarray):
    """Returns a runner of `form` in PyTorch, on a GPU if there is one."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pixels, d = (torch.from_numpy(x).to(device) for x in (image, disparity))
    if planar:
        pixels = pixels.moveaxis(-1, 0).contiguous()
    return functools.partial(_synchronized, torch, device, form, pixels, d)


def _synchronized(torch: Any, device: str, form: Callable, *arrays: Any) -> Any:
    with torch.inference_mode():
        result = form(torch, *arrays)
    if device == "cuda":
        torch.cuda.synchronize()
    return result


def torch_scatter_add(torch: Any, image: Any, disparity: Any) -> tuple[Any, Any]:
    """Splats planar frames "c b h w": scatter_add_ then runs along contiguous rows."""
    channels, *_, width = image.shape
    weight, target, fraction = _published(torch, disparity)
    values = torch.empty((channels + 2, *disparity.shape), device=image.device)
    sums = torch.zeros((*values.shape[:-1], width + 2), device=image.device)
    for step, b in ((1, 1 - fraction), (2, fraction)):
        index = (target + step).clamp_(0, width + 1)
        weighted = torch.mul(b, weight, out=values[channels])
        torch.mul(image, weighted, out=values[:channels])
        values[channels + 1] = b
        sums.scatter_add_(-1, index.expand(values.shape), values)
    sums = sums[..., 1:-1]
    warped = sums[:channels] / sums[channels].clamp(min=1e-6)
    return warped, 1 - sums[channels + 1].clamp(0, 1)


def torch_index_put(torch: Any, image: Any, disparity: Any) -> tuple[Any, Any]:
    """Splats pixels "b h w c"; weight and coverage follow the colours of a pixel."""
    *_, width, channels = image.shape
    weight, target, fraction = _published(torch, disparity)
    rows = disparity.numel() // width
    row = torch.arange(rows, device=image.device).repeat_interleave(width)
    sums = torch.zeros((rows, width + 2, channels + 2), device=image.device)
    ones = torch.ones_like(disparity)[..., None]
    for step, b in ((1, 1 - fraction), (2, fraction)):
        index = (target + step).clamp_(0, width + 1).reshape(-1)
        weighted = (b * weight)[..., None]
        values = torch.cat([image * weighted, weighted, ones * b[..., None]], -1)
        sums.index_put_((row, index), values.reshape(-1, channels + 2), accumulate=True)
    sums = sums[:, 1:-1].reshape(*disparity.shape, channels + 2)
    warped = sums[..., :channels] / sums[..., channels, None].clamp(min=1e-6)
    return warped, 1 - sums[..., -1].clamp(0, 1)


def _published(torch: Any, disparity: Any) -> tuple[Any, Any, Any]:
    weight = torch.pow(1.414, disparity - disparity.min())
    columns = torch.arange(disparity.shape[-1], device=disparity.device)
    x = columns.float() - disparity
    left = torch.floor(x)
    return weight, left.long(), x - left


def numpy_bincount(image: np.ndarray, disparity: np.ndarray) -> tuple:
    """Splats in one thread; bincount is NumPy's fastest sum by index, in float64."""
    *frames, width, channels = image.shape
    rows = int(np.prod(frames))
    weight = np.power(np.float32(1.414), disparity - disparity.min()).reshape(rows, -1)
    x = np.arange(width, dtype=np.float32) - disparity.reshape(rows, -1)
    left = np.floor(x)
    fraction = x - left
    first = np.arange(rows)[:, None] * (width + 2) + 1
    pixels = image.reshape(rows, width, channels)
    size = rows * (width + 2)
    sums = np.zeros((channels + 2, size))
    for step, b in ((0, 1 - fraction), (1, fraction)):
        column = np.clip(left.astype(np.int64) + step, -1, width)
        index = (first + column).reshape(-1)
        weighted = b * weight
        planes = [*(pixels[..., c] * weighted for c in range(channels)), weighted, b]
        for plane, total in zip(planes, sums, strict=True):
            total += np.bincount(index, plane.reshape(-1), minlength=size)
    sums = sums.reshape(channels + 2, rows, width + 2)[..., 1:-1]
    warped = sums[:channels] / np.maximum(sums[channels], 1e-6)
    return warped, 1 - np.clip(sums[-1], 0, 1)


PEERS: dict[str, Callable[[np.ndarray, np.ndarray], Runner]] = {
    "CUDA atomics": AtomicSplat,
    "PyTorch scatter_add_, planar": functools.partial(_torch, torch_scatter_add, True),
    "PyTorch index_put_": functools.partial(_torch, torch_index_put, False),
    "NumPy bincount": lambda *frames: functools.partial(numpy_bincount, *frames),
}
