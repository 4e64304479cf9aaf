"""One instant of a world, seen by both eyes."""

import dataclasses

import numpy as np

from stereojax.shapes import Float
from stereojax.synthetic.camera import views
from stereojax.synthetic.light import ShadowMap
from stereojax.synthetic.shade import shade
from stereojax.synthetic.trace import Sight, bands, look, occluded, trace
from stereojax.synthetic.world import World

# A rotated grid: four places in a pixel, no two in one row or column.
_PLACES = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))


@dataclasses.dataclass(frozen=True)
class StereoFrame:
    """Both views of one frame and the truth about them.

    Truth is that of pixel centres; colours average the pixel.
    """

    left: Float[np.ndarray, "h w 3"]  # in [0, 1]
    right: Float[np.ndarray, "h w 3"]
    disparity: Float[
        np.ndarray, "h w"
    ]  # of the left view; x_right = x_left - disparity
    right_disparity: Float[np.ndarray, "h w"]  # of the right view, same sign
    occlusion: Float[np.ndarray, "h w"]  # of the right view; 1 = the left sees it not
    inverse_depth: Float[np.ndarray, "h w"]  # of the left view; 1 = the shot's nearest


def render_frame(world: World, time: float, height: int, width: int) -> StereoFrame:
    """Renders the instant `time` (seconds into the shot)."""
    scene, rig = world.scene, world.rig
    solids, shadows = world.at(time)
    left, right = views(scene.path, rig, time, height, width)
    left, right = (look(view, solids, scene.atlas) for view in (left, right))
    left_color, left_depth = _see(world, left, shadows)
    right_color, right_depth = _see(world, right, shadows)
    return StereoFrame(
        left_color,
        right_color,
        rig.disparity(left_depth),
        rig.disparity(right_depth),
        occluded(left, right_depth),
        (rig.near / left_depth).astype(np.float32),
    )


def _see(world: World, sight: Sight, shadows: ShadowMap):
    """What one eye sees: its picture, and the depth at its pixels' centres."""
    view = sight.view
    color = np.empty((view.height, view.width, 3), np.float32)
    depth = np.empty((view.height, view.width), np.float32)
    for band in bands(view.height, view.width, 1 + len(_PLACES)):
        color[band], depth[band] = _see_band(world, sight, shadows, band)
    return color, depth


def _see_band(world: World, sight: Sight, shadows: ShadowMap, band: slice):
    view, light = sight.view, world.scene.light
    x, y = np.array([(0, 0), *_PLACES], np.float32).T[:, :, None, None]
    columns = np.arange(view.width, dtype=np.float32) + x
    rows = np.arange(band.start, band.stop, dtype=np.float32)[:, None] + y
    depth, surface = trace(sight, columns, rows, band.start, (1.0, 1.0))

    def colors(at):
        u = np.broadcast_to(view.across(columns), depth.shape).ravel()[at]
        v = np.broadcast_to(view.down(rows), depth.shape).ravel()[at]
        return shade(
            view, sight.solids, sight.atlas, world.scene.ground, light, shadows,
            u, v, depth.ravel()[at], surface.ravel()[at],
        )  # fmt: skip

    shape = depth.shape[1:]
    pixels = shape[0] * shape[1]
    center = colors(slice(0, pixels))
    # Textures are filtered, so only edges need more than one colour a pixel.
    with np.errstate(invalid="ignore"):
        edge = (surface != surface[:1]) | (np.abs(depth / depth[:1] - 1) > 0.05)
    at = np.flatnonzero(edge)
    change = colors(at) - center[at % pixels]
    color = center * len(_PLACES)
    for channel in range(3):
        color[:, channel] += np.bincount(at % pixels, change[:, channel], pixels)
    color = color * (light.exposure / len(_PLACES))
    # A soft shoulder, then gamma 2.
    color = np.sqrt(np.maximum(color / (1 + 0.25 * color), 0))
    return np.minimum(color, 1).reshape(*shape, 3), depth[0]
