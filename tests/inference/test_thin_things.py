"""Thin objects keep their width in the right eye."""

import jax.numpy as jnp
import numpy as np
import pytest

from stereojax.inpaint.fill import BackgroundFill
from stereojax.metrics.edge_width import opacity, wire_width
from stereojax.pipeline import RenderLook, render_window
from stereojax.settings import InferSettings
from stereojax.stage_types import FrameRange, WindowDepth

HEIGHT, WIDTH = 16, 320
WIRES = (1, 2, 3, 5, 8)  # px
WALL, RED = np.float32([0.3, 0.4, 0.5]), np.float32([1, 0, 0])


def wires() -> tuple[np.ndarray, np.ndarray]:
    """Red wires in front of a wall, and which pixels are wire."""
    left = np.tile(WALL, (1, HEIGHT, WIDTH, 1))
    wire = np.zeros((1, HEIGHT, WIDTH), bool)
    for k, width in enumerate(WIRES):
        wire[:, :, 44 + 60 * k : 44 + 60 * k + width] = True
    left[wire] = RED
    return left, wire


def widths(right: np.ndarray, disparity: float) -> list[float]:
    """Returns the width of each wire in the middle row, px."""
    starts = (44 + 60 * k - int(disparity) for k in range(len(WIRES)))
    rows = (right[0, HEIGHT // 2, s - 8 : s + 20] for s in starts)
    return [float(wire_width(opacity(row, RED, WALL))) for row in rows]


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25, 0.4, 0.5, 0.75, 0.9])
def test_wires_keep_their_width_at_every_fraction_of_a_pixel(fraction):
    left, wire = wires()
    look = RenderLook.from_settings(InferSettings(), WIDTH)
    near = np.float32(10 + fraction)
    disparity = jnp.asarray(np.where(wire, near, np.float32(2)))
    depth = WindowDepth(disparity, jnp.zeros(2), "pixels")
    frames = FrameRange(shot=0, start=0, stop=1)
    stereo = render_window(jnp.asarray(left), depth, frames, look, BackgroundFill())
    found = widths(np.asarray(stereo.right), near)
    assert np.abs(np.subtract(found, WIRES)).max() < 0.4, found
