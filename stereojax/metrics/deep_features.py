"""Deep-feature distance: how different the fill looks to a network that sees textures.

SqueezeNet 1.1 (Iandola et al., arXiv 1602.07360), trained on ImageNet. The compared
quantity follows LPIPS (Zhang et al., arXiv 1801.03924) without its fitted heads, so it
is not LPIPS and its numbers do not compare with those of LPIPS. The weights are not
shipped: they are read from a Keras HDF5 file in the layout of TensorFlow.
"""

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stereojax.shapes import Array, Float, Shaped

# Output channels of the squeeze convolution and of each of the two expand convolutions.
FIRES = {
    "fire2": (16, 64),
    "fire3": (16, 64),
    "fire4": (32, 128),
    "fire5": (32, 128),
    "fire6": (48, 192),
    "fire7": (48, 192),
    "fire8": (64, 256),
    "fire9": (64, 256),
}
STEM = "conv1"
STEM_CHANNELS = 64
POOL_BEFORE = ("fire2", "fire4", "fire6")
LAYERS = (STEM, "fire3", "fire5", "fire6", "fire7", "fire8", "fire9")  # compared
MIN_SIDE = 31  # pixels per side; below, the last pooling has nothing to pool
MEAN_BGR = (103.939, 116.779, 123.68)  # of ImageNet, in 0..255
EPSILON = 1e-10

Weights = Mapping[str, tuple[Array, Array]]  # layer -> kernel (h, w, in, out), bias


def feature_distance(
    weights: Weights,
    picture: Float[Array | np.ndarray, "t h w 3"],
    truth: Float[Array | np.ndarray, "t h w 3"],
    hole: Shaped[Array | np.ndarray, "t h w"],  # weights in [0, 1], or bool
) -> Float[Array, ""]:
    """Returns the distance of two views' features in the hole; 0 = equal.

    At each position of a layer the features are scaled to length 1 and their squared
    difference is summed over the channels: 2 - 2 * cosine, so at most 2. The mean over
    all frames is weighted by the share of hole in the position's window; all
    layers have the same weight.

    Args:
      weights: as `load_squeezenet` returns them.
      picture: the filled views, RGB in [0, 1].
      truth: the true views, RGB in [0, 1].
      hole: pixels that the left camera did not see.

    Returns:
      The mean over the layers; NaN where there is no hole.

    Raises:
      ValueError: a side is below `MIN_SIDE`.
    """
    height, width = picture.shape[1:3]
    if min(height, width) < MIN_SIDE:
        raise ValueError(
            f"feature distance of {width}x{height}: expected at least {MIN_SIDE} px "
            "per side"
        )
    return _distance(
        dict(weights), *(jnp.asarray(x, jnp.float32) for x in (picture, truth, hole))
    )


@jax.jit
def _distance(weights, picture, truth, hole):
    shares = hole_shares(hole)
    total = jnp.float32(0)
    pairs = zip(features(weights, picture), features(weights, truth), strict=True)
    for (x, y), share in zip(pairs, shares, strict=True):
        square = jnp.square(_normalized(x) - _normalized(y)).sum(-1)
        total += (square * share).sum() / share.sum()
    return total / len(LAYERS)


def features(
    weights: Weights, picture: Float[Array, "t h w 3"]
) -> list[Float[Array, "t _ _ _"]]:
    """Returns the outputs of `LAYERS` for RGB pictures in [0, 1]."""
    x = 255 * picture[..., ::-1] - jnp.array(MEAN_BGR)
    x = _conv(x, weights[STEM], stride=2, padding="VALID")
    maps = [x]
    for fire in FIRES:
        if fire in POOL_BEFORE:
            x = _pool(x, lax.max, -jnp.inf)
        squeezed = _conv(x, weights[f"{fire}/squeeze1x1"])
        expanded = [
            _conv(squeezed, weights[f"{fire}/{name}"])
            for name in ("expand1x1", "expand3x3")
        ]
        x = jnp.concatenate(expanded, -1)
        if fire in LAYERS:
            maps.append(x)
    return maps


def hole_shares(hole: Float[Array, "t h w"]) -> list[Float[Array, "t _ _"]]:
    """Returns the share of hole in the window of each position of `LAYERS`.

    The windows are those of the strided convolution followed by the poolings, so that
    each window is centred where its features are.
    """
    share = _pool(hole[..., None], lax.add, 0.0) / 9
    maps = [share[..., 0]]
    for fire in FIRES:
        if fire in POOL_BEFORE:
            share = _pool(share, lax.add, 0.0) / 9
        if fire in LAYERS:
            maps.append(share[..., 0])
    return maps


def load_squeezenet(path: str | Path) -> dict[str, tuple[Array, Array]]:
    """Reads SqueezeNet 1.1's convolutions from a Keras HDF5 file (needs h5py).

    Dataset names are LAYER/.../kernel:0 and LAYER/.../bias:0, with the layers conv1 and
    fire2/squeeze1x1 to fire9/expand3x3; kernels are (h, w, in, out). The network was
    converted from Caffe: BGR, 0..255, ImageNet's mean subtracted.

    Raises:
      ValueError: tensors are missing, unused or of another shape; all are named.
    """
    import h5py  # only benchmarks and tests read such files

    arrays: dict[str, np.ndarray] = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            parts = name.split("/")
            layer = parts[0] if parts[0] == STEM else "/".join(parts[:2])
            kind = parts[-1].removesuffix(":0")
            arrays[f"{layer}/{kind}"] = np.asarray(item, np.float32)

    with h5py.File(path, "r") as file:
        file.visititems(collect)
    expected = shapes()
    problems = [f"missing {name} {expected[name]}" for name in expected.keys() - arrays]
    problems += [f"unused {name}" for name in arrays.keys() - expected]
    problems += [
        f"shape {name} {arrays[name].shape} where {shape} was expected"
        for name, shape in expected.items()
        if name in arrays and arrays[name].shape != shape
    ]
    if problems:
        raise ValueError(
            f"{len(problems)} problems reading SqueezeNet 1.1 from {path}: "
            + "; ".join(sorted(problems))
        )
    layers = [name.removesuffix("/bias") for name in expected if name.endswith("/bias")]
    return {
        layer: (
            jnp.asarray(arrays[f"{layer}/kernel"]),
            jnp.asarray(arrays[f"{layer}/bias"]),
        )
        for layer in layers
    }


def shapes() -> dict[str, tuple[int, ...]]:
    """Returns the shape of each tensor of the network by its name."""
    convolutions, inputs = {STEM: (3, 3, 3, STEM_CHANNELS)}, STEM_CHANNELS
    for fire, (squeezed, expanded) in FIRES.items():
        convolutions[f"{fire}/squeeze1x1"] = (1, 1, inputs, squeezed)
        convolutions[f"{fire}/expand1x1"] = (1, 1, squeezed, expanded)
        convolutions[f"{fire}/expand3x3"] = (3, 3, squeezed, expanded)
        inputs = 2 * expanded
    tensors = {}
    for layer, shape in convolutions.items():
        tensors[f"{layer}/kernel"] = shape
        tensors[f"{layer}/bias"] = shape[-1:]
    return tensors


def _conv(x, weights: tuple[Array, Array], stride: int = 1, padding: str = "SAME"):
    kernel, bias = weights
    x = lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )
    return jax.nn.relu(x + bias)


def _pool(x, reduce, initial: float):
    return lax.reduce_window(x, initial, reduce, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")


def _normalized(x: Float[Array, "t h w c"]) -> Float[Array, "t h w c"]:
    """Returns each pixel's features, scaled to length 1."""
    square = jnp.square(x).sum(-1, keepdims=True)
    # Where all features are zero, the gradient of the root would be infinite.
    length = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
    return x / (length + EPSILON)
