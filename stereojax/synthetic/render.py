"""Renders both views of a world at one time, with disparity and occlusion."""

import dataclasses

import numpy as np

from stereojax.shapes import Float
from stereojax.synthetic.camera import views
from stereojax.synthetic.light import ShadowMap
from stereojax.synthetic.shade import shade
from stereojax.synthetic.trace import (
    VisibleSolids,
    bands,
    find_visible,
    occluded,
    trace,
)
from stereojax.synthetic.world import World

# Rotated-grid supersampling: four offsets, no two in one row or column.
_SAMPLE_OFFSETS = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))


@dataclasses.dataclass(frozen=True)
class StereoFrame:
    """Both views of one frame, with ground truth.

    The ground truth is sampled at pixel centres; colors are averaged over pixels.
    """

    left: Float[np.ndarray, "h w 3"]  # in [0, 1]
    right: Float[np.ndarray, "h w 3"]
    # Disparity of the left view, in pixels; x_right = x_left - disparity.
    disparity: Float[np.ndarray, "h w"]
    right_disparity: Float[np.ndarray, "h w"]  # of the right view, same sign
    occlusion: Float[np.ndarray, "h w"]  # of the right view; 1 = unseen by the left
    inverse_depth: Float[np.ndarray, "h w"]  # of the left view; 1 = the shot's nearest


def render_frame(world: World, time: float, height: int, width: int) -> StereoFrame:
    """Renders both views at `time`, in seconds from the start of the shot."""
    scene, rig = world.scene, world.rig
    solids, shadows = world.at(time)
    left, right = views(scene.path, rig, time, height, width)
    left, right = (find_visible(view, solids, scene.atlas) for view in (left, right))
    left_color, left_depth = _render_view(world, left, shadows)
    right_color, right_depth = _render_view(world, right, shadows)
    return StereoFrame(
        left_color,
        right_color,
        rig.disparity(left_depth),
        rig.disparity(right_depth),
        occluded(left, right_depth),
        (rig.near / left_depth).astype(np.float32),
    )


def _render_view(world: World, visible: VisibleSolids, shadows: ShadowMap):
    """Returns one view's picture, and the depth at its pixel centres."""
    view = visible.view
    color = np.empty((view.height, view.width, 3), np.float32)
    depth = np.empty((view.height, view.width), np.float32)
    for band in bands(view.height, view.width, 1 + len(_SAMPLE_OFFSETS)):
        color[band], depth[band] = _render_band(world, visible, shadows, band)
    return color, depth


def _render_band(world: World, visible: VisibleSolids, shadows: ShadowMap, band: slice):
    view, light = visible.view, world.scene.light
    x, y = np.array([(0, 0), *_SAMPLE_OFFSETS], np.float32).T[:, :, None, None]
    columns = np.arange(view.width, dtype=np.float32) + x
    rows = np.arange(band.start, band.stop, dtype=np.float32)[:, None] + y
    depth, surface = trace(visible, columns, rows, band.start, (1.0, 1.0))

    def colors(at):
        u = np.broadcast_to(view.across(columns), depth.shape).ravel()[at]
        v = np.broadcast_to(view.down(rows), depth.shape).ravel()[at]
        return shade(
            view, visible.solids, visible.atlas, world.scene.ground, light, shadows,
            u, v, depth.ravel()[at], surface.ravel()[at],
        )  # fmt: skip

    shape = depth.shape[1:]
    pixels = shape[0] * shape[1]
    center = colors(slice(0, pixels))
    # Textures are filtered, so only pixels at edges need supersampling.
    with np.errstate(invalid="ignore"):
        edge = (surface != surface[:1]) | (np.abs(depth / depth[:1] - 1) > 0.05)
    at = np.flatnonzero(edge)
    change = colors(at) - center[at % pixels]
    color = center * len(_SAMPLE_OFFSETS)
    for channel in range(3):
        color[:, channel] += np.bincount(at % pixels, change[:, channel], pixels)
    color = color * (light.exposure / len(_SAMPLE_OFFSETS))
    # Tone curve with a soft shoulder, then gamma 2.
    color = np.sqrt(np.maximum(color / (1 + 0.25 * color), 0))
    return np.minimum(color, 1).reshape(*shape, 3), depth[0]
