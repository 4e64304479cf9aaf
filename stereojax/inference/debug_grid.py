"""What goes into the files: packed views, and the published tool's grid."""

import numpy as np

from stereojax.shapes import Float, Shaped


def grid(
    left: Shaped[np.ndarray, "h w 3"],
    depth: Float[np.ndarray, "h w"],  # in [0, 1], 1 = nearest
    occlusion: Float[np.ndarray, "h w"],
    warped: Shaped[np.ndarray, "h w 3"],
) -> Shaped[np.ndarray, "_h _w 3"]:
    """Left and coloured depth, over mask and warped: four pictures in one."""
    upper = np.concatenate([left, like(left, inferno(depth))], axis=1)
    mask = np.repeat(occlusion[..., None], 3, axis=-1)
    lower = np.concatenate([like(left, mask), warped], axis=1)
    return np.concatenate([upper, lower])


def inferno(depth: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w 3"]:
    """[0, 1] in the colours that depth is mostly shown in."""
    import mediapy

    return mediapy.to_rgb(np.clip(depth, 0, 1), vmin=0, vmax=1, cmap="inferno")


def like(
    image: Shaped[np.ndarray, "h w 3"], values: Float[np.ndarray, "h w 3"]
) -> Shaped[np.ndarray, "h w 3"]:
    """Values in [0, 1] as the integers that `image` is made of."""
    top = np.iinfo(image.dtype).max
    return np.rint(np.clip(values, 0, 1) * top).astype(image.dtype)
