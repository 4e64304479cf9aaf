"""Inpaints one window of a shot, continuing from the previous window."""

import jax.numpy as jnp
import numpy as np

from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.noise import frame_noise
from stereojax.ops.integers import as_integers
from stereojax.shapes import Array, Float, Key, Shaped
from stereojax.windows import Window


def inpaint_window(
    diffusion: Diffusion,
    window: Window,
    warped: Float[np.ndarray | Array, "t h w 3"],
    occlusion: Float[np.ndarray | Array, "t h w"],
    previous: Shaped[np.ndarray, "k h w 3"],
    key: Key[Array, ""],
    *,
    dilate: float,
    feather: float,
) -> Shaped[np.ndarray, "t h w 3"]:
    """Returns the right views of a window's frames, with the dtype of `previous`.

    The recipe decides how the result is composed. `OURS`: pixels outside of holes are
    copied from `warped`, and the shared frames cross-fade from the previous window to
    this window. The next window starts from these composed views, so that colour shifts
    of the VAE do not accumulate. `PUBLISHED`: all pixels of the crop are generated, and
    the shared frames are copied from the previous window.

    Args:
      diffusion: the networks, the settings and the recipe.
      window: frame numbers are counted from the shot's first frame.
      warped, occlusion: the splats of the window's frames.
      previous: right views of the first `window.overlap` frames, from the previous
        window; integers.
      key: the PRNG key of the shot, from `shot_key`.
      dilate, feather: arguments of `compose`.
    """
    recipe = diffusion.recipe
    frames, height, width = occlusion.shape

    # Pad short windows at the end, so that few shapes are compiled.
    length = recipe.window_length(frames, diffusion.plan.settings.window)
    warped, occlusion = (
        _repeat_last(np.asarray(x), length) for x in (warped, occlusion)
    )

    # The network sees the shared frames without holes, from the previous window.
    pictures = warped
    if len(previous):
        shared = previous / np.float32(np.iinfo(previous.dtype).max)
        pictures = np.concatenate([shared, warped[len(previous) :]])
    latent_shape = diffusion.plan.latent_shape(height, width)
    generated = diffusion.generate(
        pictures,
        occlusion,
        frame_noise(key, window.start, length, latent_shape),
        known=len(previous),
    )

    # Compose one frame at a time, to bound the memory of long windows.
    right = np.empty((frames, height, width, 3), previous.dtype)
    for i in range(frames):
        frame = (jnp.asarray(x[i : i + 1]) for x in (generated, warped, occlusion))
        picture = recipe.compose(*frame, dilate, feather)
        right[i] = np.asarray(as_integers(picture, like=previous.dtype))[0]
    return recipe.join(previous, right) if len(previous) else right


def _repeat_last(x: np.ndarray, length: int) -> np.ndarray:
    """Pads to `length` frames by repeating the last frame."""
    if len(x) == length:
        return x
    return x[np.minimum(np.arange(length), len(x) - 1)]
