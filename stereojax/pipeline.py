"""One window of a shot, from the left view and its depth to the right view.

disparity = disparity_of(depth, ...)
splat = warp(left, disparity)
right = fill(splat, ...)          # from the surroundings, frame by frame
right = inpaint(..., *splat, ...)  # by diffusion, window after window
"""

import dataclasses
import functools

import jax
import numpy as np

from stereojax.depth.disparity import depth_to_disparity
from stereojax.inpaint.background import fill_background
from stereojax.inpaint.compose import compose
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.inpaint_window import next_window
from stereojax.ops.integers import as_float
from stereojax.settings import InferSettings
from stereojax.shapes import Array, Float, Key, Shaped
from stereojax.splat import forward_splat, sharpness_for
from stereojax.stage_types import Splat
from stereojax.windows import Window


@dataclasses.dataclass(frozen=True)
class Look:
    """The settings that a rendered picture depends on; static under jit."""

    divergence: float
    convergence: float
    edge_sharpen: float
    edge_dilate: float
    hole_dilate: float
    feather: float

    @classmethod
    def of(cls, settings: InferSettings, width: int) -> "Look":
        """The look at a picture `width` pixels wide."""
        names = [f.name for f in dataclasses.fields(cls)]
        look = cls(**{name: getattr(settings, name) for name in names})
        if settings.max_disp is None:
            return look
        # The published depth runs over [-1, 1] times max_disp, so over twice as much.
        percent = 200 * settings.max_disp / width
        return dataclasses.replace(look, divergence=percent)


@functools.partial(jax.jit, static_argnames="look")
def disparity_of(
    depth: Float[Array, "t hd wd"],
    far_near: Float[Array, "2"],
    look: Look,
    like: Shaped[Array, "t h w 3"],
) -> Float[Array, "t h w"]:
    """Disparity in pixels of the left view `like`, from raw relative inverse depth.

    `far_near` is the shot's (far, near) range of raw depth.
    """
    return depth_to_disparity(
        depth,
        *far_near,
        like.shape[1:3],
        divergence=look.divergence,
        convergence=look.convergence,
        edge_sharpen=look.edge_sharpen,
        edge_dilate=look.edge_dilate,
    )


@jax.jit
def warp(
    left: Shaped[Array, "t h w 3"],  # uint8, uint16 or float in [0, 1]
    disparity: Float[Array, "t h w"],
) -> Splat:
    """What the left camera saw, from where the right one stands."""
    sharpness = sharpness_for(left.shape[2])
    return forward_splat(as_float(left), disparity, sharpness=sharpness, mask="soft")


@functools.partial(jax.jit, static_argnames="look")
def fill(splat: Splat, look: Look) -> Float[Array, "t h w 3"]:
    """The right view: what the left camera never saw is its background, going on."""
    background = fill_background(splat.warped, splat.occlusion)
    return compose(
        splat.warped,
        splat.occlusion,
        background,
        dilate=look.hole_dilate,
        feather=look.feather,
    )


def inpaint(
    diffusion: Diffusion,
    window: Window,
    warped: Float[np.ndarray, "t h w 3"],
    occlusion: Float[np.ndarray, "t h w"],
    before: Shaped[np.ndarray, "k h w 3"],
    key: Key[Array, ""],
    look: Look,
) -> Shaped[np.ndarray, "t h w 3"]:
    """The right views of a window of a shot: what was never seen is generated.

    Args:
      window: counted from the shot's first frame.
      warped, occlusion: the splats of its frames.
      before: the right views of its first `window.overlap` frames.
      key: the shot's noise, of `shot_key`.
    """
    return next_window(
        diffusion,
        window,
        warped,
        occlusion,
        before,
        key,
        dilate=look.hole_dilate,
        feather=look.feather,
    )
