"""The stereo camera: its motion and the projection of points to both views.

Two parallel cameras; the right one's sensor is shifted so that the convergence
distance has disparity 0: disparity = focal * baseline * (1 / z - 1 / z_screen), in
pixels, with the same depth z along the optical axis for both eyes.
"""

import dataclasses

import numpy as np

from stereojax.shapes import Float
from stereojax.synthetic.solids import Solids, rotation_axes

_EDGES = np.array(
    [[a, a | bit] for a in range(8) for bit in (1, 2, 4) if not a & bit], np.int32
)
_RETURN_SECONDS = 4.0  # time scale of a camera move, which slows down and returns


@dataclasses.dataclass(frozen=True)
class CameraPath:
    """A camera that pans, moves and shakes; metres, radians, seconds."""

    position: tuple[float, float, float]
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw: float = 0.0
    pitch: float = 0.0
    yaw_rate: float = 0.0
    pitch_rate: float = 0.0
    shake: float = 0.0  # amplitude of the angles, radians
    sway: float = 0.0  # amplitude of the position, metres
    phases: tuple[float, ...] = (0.0,) * 10

    def at(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns position (3,) and axes (3, 3; rows right, up, forward) at `time`."""
        p = self.phases
        angles = [
            self.shake
            * (np.sin(5.3 * time + p[2 * i]) + 0.5 * np.sin(13.1 * time + p[2 * i + 1]))
            for i in range(3)
        ]
        sway = [self.sway * np.sin((3.1 + i) * time + p[6 + i]) for i in range(3)]
        # The move is bounded, so that the camera stays in the scene in long shots.
        run = _RETURN_SECONDS * np.sin(time / _RETURN_SECONDS)
        position = np.array(self.position) + np.array(self.velocity) * run + sway
        axes = rotation_axes(
            self.yaw + self.yaw_rate * run + angles[0],
            self.pitch + self.pitch_rate * run + angles[1],
            0.4 * angles[2],
        )
        return position, axes


@dataclasses.dataclass(frozen=True)
class Rig:
    """The stereo geometry of one shot."""

    focal: float  # pixels
    baseline: float  # metres
    screen: float  # inverse distance (1 / metres) that has disparity 0
    near: float  # metres; both cameras clip nearer points

    def disparity(self, depth: np.ndarray) -> np.ndarray:
        """Returns pixels for depths in metres along the optical axis (inf allowed)."""
        return (self.focal * self.baseline * (1 / depth - self.screen)).astype(
            np.float32
        )


@dataclasses.dataclass(frozen=True)
class View:
    """One camera at one time."""

    eye: Float[np.ndarray, "3"]
    axes: Float[np.ndarray, "3 3"]  # rows: right, up, forward
    rig: Rig
    height: int
    width: int
    shift: float  # pixels by which this view is shifted right

    def across(self, x: np.ndarray) -> np.ndarray:
        """Returns the horizontal ray tangents at columns x (0 = first pixel centre)."""
        middle = self.width / 2 + self.shift
        return ((x + 0.5 - middle) / self.rig.focal).astype(np.float32)

    def down(self, y: np.ndarray) -> np.ndarray:
        """Returns the vertical ray tangents (upwards) at rows y."""
        return ((self.height / 2 - 0.5 - y) / self.rig.focal).astype(np.float32)

    def windows(self, solids: Solids) -> Float[np.ndarray, "n 4"]:
        """Returns bounds (x0, x1, y0, y1) of each solid's projection, in pixels.

        Not clipped to the frame; x0 > x1 if the solid is behind the camera.
        """
        points = (solids.corners() - self.eye) @ self.axes.T
        a, b = points[:, _EDGES[:, 0]], points[:, _EDGES[:, 1]]
        near = self.rig.near
        # Clip edges that cross the near plane.
        crosses = (a[..., 2] < near) != (b[..., 2] < near)
        step = np.where(crosses, b[..., 2] - a[..., 2], 1)
        cut = a + ((near - a[..., 2]) / step)[..., None] * (b - a)
        points = np.concatenate([points, cut], axis=1)
        in_front = np.concatenate([points[:, :8, 2] >= near, crosses], axis=1)
        z = np.where(in_front, points[..., 2], 1)
        x = points[..., 0] / z * self.rig.focal + self.width / 2 + self.shift
        y = self.height / 2 - points[..., 1] / z * self.rig.focal
        low = [np.where(in_front, a, np.inf).min(axis=1) - 2 for a in (x, y)]
        high = [np.where(in_front, a, -np.inf).max(axis=1) + 2 for a in (x, y)]
        return np.stack([low[0], high[0], low[1], high[1]], axis=1)


def views(
    path: CameraPath, rig: Rig, time: float, height: int, width: int
) -> tuple[View, View]:
    """Returns the left and the right view; `path` is the motion of the left camera."""
    position, axes = path.at(time)
    axes = axes.astype(np.float32)
    left = position.astype(np.float32)
    right = (position + rig.baseline * axes[0]).astype(np.float32)
    shift = rig.focal * rig.baseline * rig.screen
    return (
        View(left, axes, rig, height, width, 0.0),
        View(right, axes, rig, height, width, shift),
    )
