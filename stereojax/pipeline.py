"""The path of a frame: left, depth -> disparity -> splat -> fill -> compose.

`render_window` is what runs: for the film, for a preview's contact sheet and for the
windows of the diffusion fill.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from stereojax.depth.disparity import depth_to_disparity
from stereojax.inpaint.compose import composite
from stereojax.inpaint.fill import Fill
from stereojax.inpaint.grow import grow_hole
from stereojax.ops.integers import as_float
from stereojax.settings import InferSettings
from stereojax.shapes import Array, Float, Shaped
from stereojax.splat import forward_splat, sharpness_for
from stereojax.stage_types import FrameRange, Splat, StereoFrames, WindowDepth


@dataclasses.dataclass(frozen=True)
class RenderLook:
    """The settings that a rendered picture depends on; static under jit."""

    divergence: float
    convergence: float
    edge_sharpen: float
    edge_dilate: float
    compositing: str
    hole_dilate: float
    feather: float

    @classmethod
    def from_settings(cls, settings: InferSettings, width: int) -> "RenderLook":
        """Returns the look of a picture `width` pixels wide."""
        names = [f.name for f in dataclasses.fields(cls)]
        look = cls(**{name: getattr(settings, name) for name in names})
        if settings.max_disp is None:
            return look
        # The published depth is in [-1, 1] times max_disp: the range is twice that.
        percent = 200 * settings.max_disp / width
        return dataclasses.replace(look, divergence=percent)


def render_window(
    left: Shaped[Array, "t h w 3"],
    depth: WindowDepth,
    frames: FrameRange,
    look: RenderLook,
    fill: Fill,
    *,
    splat: Splat | None = None,
) -> StereoFrames:
    """Renders some frames of a shot.

    Args:
      left: uint8, uint16 or float in [0, 1]; may end with copies of its last frame.
      depth: of the frames of `left`.
      frames: the frames' numbers in the film, without the padding.
      splat: of a film that is a splat grid; None: `left` is splatted here.
    """
    disparity = disparity_of(depth, look, left.shape[1:3])
    grow, feather = look.hole_dilate, look.feather
    if splat is None:
        splat, warped_disparity = splat_left(left, disparity, look.compositing)
    else:  # a splat grid has no disparity that could tell the background
        warped_disparity, grow, feather = jnp.zeros_like(disparity), 0.0, 0.0
    if fill.composed:
        right = fill(splat, frames)
    else:
        # The hole with the background's mixed pixels; 0 to 1 where the fill fades out.
        share = grow_hole(splat.occlusion, warped_disparity, grow=grow, feather=feather)
        filled = fill(Splat(splat.warped, to_hole(share)), frames)
        right = composite(splat.warped, filled, share)
    return StereoFrames(right, splat.warped, splat.occlusion, disparity)


@functools.partial(jax.jit, static_argnames=("look", "size"))
def disparity_of(
    depth: WindowDepth, look: RenderLook, size: tuple[int, int]
) -> Float[Array, "t h w"]:
    """Returns disparity in pixels of a picture of `size` (height, width)."""
    if depth.units == "pixels":
        return depth.values
    return depth_to_disparity(
        depth.values,
        *depth.far_near,
        size,
        divergence=look.divergence,
        convergence=look.convergence,
        edge_sharpen=look.edge_sharpen,
        edge_dilate=look.edge_dilate,
    )


@functools.partial(jax.jit, static_argnames="compositing")
def splat_left(
    left: Shaped[Array, "t h w 3"], disparity: Float[Array, "t h w"], compositing: str
) -> tuple[Splat, Float[Array, "t h w"]]:
    """Splats the left view, and its disparity, to the right eye."""
    # The disparity is one more channel; where there is none, nothing lands.
    finite = jnp.where(jnp.isfinite(disparity), disparity, 0)
    channels = [as_float(left), finite[..., None]]
    splat = forward_splat(
        jnp.concatenate(channels, axis=-1),
        disparity,
        compositing=compositing,
        sharpness=sharpness_for(left.shape[2]),
        mask="soft",
    )
    return Splat(splat.warped[..., :3], splat.occlusion), splat.warped[..., 3]


@jax.jit
def to_hole(share: Float[Array, "t h w"]) -> Float[Array, "t h w"]:
    """Returns the occlusion of a fill that covers every pixel with a share above 0."""
    return (share > 0).astype(jnp.float32)
