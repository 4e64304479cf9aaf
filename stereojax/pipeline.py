"""One window of a shot, from the left view and its depth to the right view."""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from stereojax.depth.edges import clean_edges
from stereojax.depth.normalize import normalize, to_disparity
from stereojax.inpaint.background import fill_background
from stereojax.inpaint.compose import compose
from stereojax.settings import InferSettings
from stereojax.shapes import Array, Float, Shaped
from stereojax.splat import forward_splat, sharpness_for
from stereojax.stage_types import StereoFrames


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
    height, width = like.shape[1:3]
    far, near = far_near
    # A shot without any depth lies on the screen.
    d = normalize(depth, far, near, flat=look.convergence)
    d = clean_edges(
        d, height, width, sharpen=look.edge_sharpen, dilate=look.edge_dilate
    )
    return to_disparity(
        d, divergence=look.divergence, convergence=look.convergence, width=width
    )


@functools.partial(jax.jit, static_argnames="look")
def render(
    left: Shaped[Array, "t h w 3"],  # uint8, uint16 or float in [0, 1]
    disparity: Float[Array, "t h w"],
    look: Look,
) -> StereoFrames:
    """Splats, fills what the left camera never saw, and composes the right view."""
    width = left.shape[2]
    splat = forward_splat(
        as_float(left), disparity, sharpness=sharpness_for(width), mask="soft"
    )
    fill = fill_background(splat.warped, splat.occlusion)
    right = compose(
        splat.warped,
        splat.occlusion,
        fill,
        dilate=look.hole_dilate,
        feather=look.feather,
    )
    return StereoFrames(right, splat.warped, splat.occlusion, disparity)


def as_float(image: Shaped[Array, "*s"]) -> Float[Array, "*s"]:
    """float32 in [0, 1] from the full range of an unsigned integer."""
    if not jnp.issubdtype(image.dtype, jnp.unsignedinteger):
        return image.astype(jnp.float32)
    return image.astype(jnp.float32) / jnp.iinfo(image.dtype).max


@functools.partial(jax.jit, static_argnames="like")
def as_integers(image: Float[Array, "*s"], like: jnp.dtype) -> Shaped[Array, "*s"]:
    """[0, 1] as the full range of the unsigned integer `like`, rounded."""
    top = jnp.iinfo(like).max
    return jnp.round(jnp.clip(image, 0, 1) * top).astype(like)
