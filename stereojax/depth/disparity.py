"""Converts raw depth to disparity: normalises, cleans edges, scales to pixels."""

from stereojax.depth.edges import clean_edges
from stereojax.depth.normalize import normalize, to_disparity
from stereojax.shapes import Array, Float


def depth_to_disparity(
    depth: Float[Array, "t hd wd"],
    far: Float[Array, ""] | float,
    near: Float[Array, ""] | float,
    size: tuple[int, int],
    *,
    divergence: float,
    convergence: float,
    edge_sharpen: float,
    edge_dilate: float,
) -> Float[Array, "t h w"]:
    """Returns disparity in pixels; inference and data preparation both call this.

    Args:
      depth: raw relative inverse depth of any size and scale, larger = nearer.
      far, near: the shot's range of raw depth, as `shot_range` returns it.
      size: height and width of the result.
      divergence: range from near to far, in % of the width.
      convergence: the normalised depth that is shown on the screen plane; a shot
        without a range of depth is shown there as a whole.
      edge_sharpen, edge_dilate: as `clean_edges` takes them.
    """
    unit = normalize(depth, far, near, flat=convergence)
    unit = clean_edges(unit, *size, sharpen=edge_sharpen, dilate=edge_dilate)
    return to_disparity(
        unit, divergence=divergence, convergence=convergence, width=size[1]
    )
