"""A shot is inpainted window by window, each going on from the one before."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from stereojax.inpaint.background import fill_background
from stereojax.inpaint.compose import compose, fill_share
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.match_colors import match_colors
from stereojax.inpaint.noise import frame_noise
from stereojax.ops.integers import as_integers
from stereojax.shapes import Array, Float, Key, Shaped
from stereojax.windows import Window, ramp

_LENGTHS = 8  # short shots are filled up to a multiple of this: fewer shapes to compile


def next_window(
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
    """The right views of a window's frames, as integers of the type of `before`.

    Those that it shares with the window before cross-fade from that one's. Known pixels
    are the splat's, whatever was generated; and that is what the next window sees of
    this one, so nothing that the VAE does to colours adds up.

    Published: everything is generated, shared frames stay what they were, and what lies
    beyond the published cut is filled from its surroundings.

    Args:
      window: its frames are counted from the shot's first.
      warped, occlusion: of the window's frames.
      before: the right views of its first `window.overlap` frames.
      key: the shot's noise.
      dilate, feather: of `compose`.
    """
    frames, height, width = occlusion.shape
    length = frames if diffusion.published else _length(diffusion, frames)
    warped, occlusion = (_repeated(np.asarray(x), length) for x in (warped, occlusion))
    given = warped
    if len(before):
        shared = before / np.float32(np.iinfo(before.dtype).max)
        given = np.concatenate([shared, warped[len(before) :]])
    generated = diffusion.generate(
        given,
        occlusion,
        frame_noise(
            key, window.start, length, diffusion.plan.latent_shape(height, width)
        ),
        known=len(before),
    )
    # Each frame by itself, so that a window of large pictures takes no more memory.
    right = np.empty((frames, height, width, 3), before.dtype)
    for i in range(frames):
        one = (jnp.asarray(x[i : i + 1]) for x in (generated, warped, occlusion))
        if diffusion.published:
            picture = _replaced(*one)
        else:
            picture = _composed(*one, dilate, feather)
        right[i] = np.asarray(as_integers(picture, like=before.dtype))[0]
    if not len(before):
        return right
    if diffusion.published:
        return np.concatenate([before, right[len(before) :]])
    weight = ramp(len(before))[:, None, None, None]
    mixed = (1 - weight) * before + weight * right[: len(before)]
    return np.concatenate([np.rint(mixed).astype(right.dtype), right[len(before) :]])


@functools.partial(jax.jit, static_argnames=("dilate", "feather"))
def _composed(
    generated: Array, warped: Array, occlusion: Array, dilate: float, feather: float
) -> Array:
    doubtful = fill_share(occlusion, dilate=dilate, feather=feather)
    matched = match_colors(generated, warped, 1 - doubtful)
    return compose(warped, occlusion, matched, dilate=dilate, feather=feather)


@jax.jit
def _replaced(generated: Array, warped: Array, occlusion: Array) -> Array:
    """Filled from its surroundings where nothing was generated, beyond the cut."""
    right = compose(warped, occlusion, fill_background(warped, occlusion))
    return right.at[:, : generated.shape[1], : generated.shape[2]].set(generated)


def _length(diffusion: Diffusion, frames: int) -> int:
    """What a shot's windows are filled up to; a single picture stays one."""
    if frames == 1:
        return 1
    longest = max(diffusion.plan.settings.window, frames)
    return min(-(-frames // _LENGTHS) * _LENGTHS, longest)


def _repeated(x: np.ndarray, length: int) -> np.ndarray:
    """The last frame repeats up to `length`."""
    if len(x) == length:
        return x
    return x[np.minimum(np.arange(length), len(x) - 1)]
