"""The path of a frame: left, depth -> disparity -> splat -> fill -> compose.

`render_window` is what runs: for the film, for a preview's contact sheet and for the
windows of the diffusion fill.
"""

import dataclasses
import functools

import jax

from stereojax.depth.disparity import depth_to_disparity
from stereojax.inpaint.compose import compose
from stereojax.inpaint.fill import Fill
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
    if splat is None:
        splat = splat_left(left, disparity, look.compositing)
    filled = fill(splat, frames)
    right = filled if fill.composed else compose_right(splat, filled, look)
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
) -> Splat:
    """Splats the left view to the right eye."""
    return forward_splat(
        as_float(left),
        disparity,
        compositing=compositing,
        sharpness=sharpness_for(left.shape[2]),
        mask="soft",
    )


def compose_right(
    splat: Splat, filled: Float[Array, "t h w 3"], look: RenderLook
) -> Float[Array, "t h w 3"]:
    """Composes the right view: `filled` in the hole, the splat elsewhere."""
    return compose(
        splat.warped,
        splat.occlusion,
        filled,
        dilate=look.hole_dilate,
        feather=look.feather,
    )
