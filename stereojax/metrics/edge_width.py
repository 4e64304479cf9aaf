"""Width of silhouette edges and of wires, to fractions of a pixel, from their profile.

Both are integrals of the near surface's opacity along a row. So they need no search for
crossings, see partly covered pixels in part, and grow with every ghost of the near
colour.
"""

import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float


def opacity(
    picture: Float[Array | np.ndarray, "*b w c"],
    near: Float[Array | np.ndarray, "... c"],  # broadcasts against the picture
    far: Float[Array | np.ndarray, "... c"],  # broadcasts against the picture
) -> Float[Array, "*b w"]:
    """Returns how much of each pixel shows the near colour: 0 = far, 1 = near.

    The pixel's colour is projected on the line from the far to the near colour, and
    clipped to [0, 1].

    Args:
      picture: rows of the view that is measured.
      near: colour of the near surface.
      far: colour of the background, without the near surface. It differs from
        `near` at every pixel.
    """
    picture, near, far = (jnp.asarray(x, jnp.float32) for x in (picture, near, far))
    line = near - far
    along = ((picture - far) * line).sum(-1) / jnp.square(line).sum(-1)
    return jnp.clip(along, 0, 1)


def wire_width(opacity: Float[Array | np.ndarray, "*b w"]) -> Float[Array, "*b"]:
    """Returns the width in pixels of the wire that each row crosses: its covered area.

    A wire of 3 px that covers two pixels fully and two by half is 3 px wide. A wire
    that is drawn twice is twice as wide.

    Args:
      opacity: rows that contain one wire and nothing else of its colour.
    """
    return jnp.asarray(opacity).sum(-1)


def edge_width(opacity: Float[Array | np.ndarray, "*b w"]) -> Float[Array, "*b"]:
    """Returns the width in pixels of the edge or edges that each row crosses.

    It is 6 * sum(a * (1 - a)) over the opacities a, which is the length of the ramp
    for a linear ramp. A hard edge has 0 where it falls between two pixels and 1.5 where
    it halves one; the mean over all positions is 1, the width of a pixel. So take the
    mean over many rows of a slanted edge, and compare it with the true view's.
    A band of half opacity next to the edge, such as a ghost, adds 1.5 times its width.

    Args:
      opacity: rows that cross the silhouette; the sum over all its edges is returned.
    """
    opacity = jnp.asarray(opacity)
    return 6 * (opacity * (1 - opacity)).sum(-1)


def edge_roughness(
    opacity: Float[Array | np.ndarray, "n w"],
    true_opacity: Float[Array | np.ndarray, "n w"],
) -> Float[Array, ""]:
    """Returns how far the edge's position scatters from row to row, in pixels.

    The position in a row is the area that the near surface covers there; the result is
    the standard deviation of its error against the truth. A shift of the whole edge
    counts nothing, stairs and bumps count.

    Args:
      opacity: rows that cross one edge, with the near surface on one side of it.
      true_opacity: the same of the true view.
    """
    return (jnp.asarray(opacity) - true_opacity).sum(-1).std()
