"""Inpaints one window of a shot, continuing from the window before."""

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
    before: Shaped[np.ndarray, "k h w 3"],
    key: Key[Array, ""],
    *,
    dilate: float,
    feather: float,
) -> Shaped[np.ndarray, "t h w 3"]:
    """Returns the right views of a window's frames, as integers like `before`.

    By our recipe the frames shared with the window before cross-fade, known pixels are
    the splat's, and the next window starts from these composed views: so colour shifts
    of the VAE do not accumulate. By the published recipe everything is generated and
    shared frames stay as they were.

    Args:
      window: its frames are counted from the shot's first.
      warped, occlusion: the splats of the window's frames.
      before: the right views of its first `window.overlap` frames.
      key: the shot's noise, of `shot_key`.
      dilate, feather: as `compose` takes them.
    """
    recipe = diffusion.recipe
    frames, height, width = occlusion.shape

    # Short windows are padded behind, so that few shapes are compiled.
    length = recipe.window_length(frames, diffusion.plan.settings.window)
    warped, occlusion = (
        _repeat_last(np.asarray(x), length) for x in (warped, occlusion)
    )

    # Frames of the window before are shown complete to the network.
    shown = warped
    if len(before):
        shared = before / np.float32(np.iinfo(before.dtype).max)
        shown = np.concatenate([shared, warped[len(before) :]])
    latent_shape = diffusion.plan.latent_shape(height, width)
    generated = diffusion.generate(
        shown,
        occlusion,
        frame_noise(key, window.start, length, latent_shape),
        known=len(before),
    )

    # Frame by frame, so that memory does not grow with the window of large pictures.
    right = np.empty((frames, height, width, 3), before.dtype)
    for i in range(frames):
        frame = (jnp.asarray(x[i : i + 1]) for x in (generated, warped, occlusion))
        picture = recipe.compose(*frame, dilate, feather)
        right[i] = np.asarray(as_integers(picture, like=before.dtype))[0]
    return recipe.join(before, right) if len(before) else right


def _repeat_last(x: np.ndarray, length: int) -> np.ndarray:
    """Repeats the last frame up to `length` frames."""
    if len(x) == length:
        return x
    return x[np.minimum(np.arange(length), len(x) - 1)]
