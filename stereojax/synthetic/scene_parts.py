"""The result of a set, and random colors and camera moves for all sets."""

import dataclasses

import numpy as np

from stereojax.synthetic.camera import CameraPath
from stereojax.synthetic.solids import Solid


@dataclasses.dataclass(frozen=True)
class SceneParts:
    """The parts of a scene that its set chooses; fields as in `world.Scene`."""

    static: list[Solid]
    actors: list
    ground: int
    path: CameraPath
    focal: float
    stage: tuple[float, float]


def muted_color(
    rng: np.random.Generator, dark: float, bright: float, vivid: float = 0.75
) -> np.ndarray:
    """Returns a random linear color, mostly less saturated than `vivid`."""
    hue, value = rng.uniform(0, 2 * np.pi), rng.uniform(dark, bright)
    vivid = vivid * rng.uniform(0.0, 1.0) ** 1.5
    return value * (1 + vivid * np.cos(hue + np.array([0.0, 2.1, 4.2])))


def random_camera_path(
    rng: np.random.Generator, position, *, pitch: float, pace: float = 1.0
) -> CameraPath:
    """Returns a random dolly, truck, pan, crane or hand-held move."""
    move = rng.choice(["dolly", "truck", "pan", "crane", "hand"])
    sign = rng.choice([-1.0, 1.0])
    velocity, yaw_rate, pitch_rate, yaw = [0.0, 0.0, 0.0], 0.0, 0.0, 0.0
    if move == "dolly":
        velocity[2] = pace * rng.uniform(0.5, 1.3)
    elif move == "truck":
        velocity[0] = sign * pace * rng.uniform(0.3, 0.8)
        yaw_rate = -sign * rng.uniform(0, 0.05)
    elif move == "pan":
        yaw_rate = sign * rng.uniform(0.08, 0.2)
        yaw = -sign * 0.12
    elif move == "crane":
        velocity[1] = pace * rng.uniform(0.2, 0.45)
        velocity[2] = pace * rng.uniform(0.0, 0.5)
        pitch_rate = -rng.uniform(0.01, 0.05)
    shake = rng.uniform(0.003, 0.007) if move == "hand" else rng.uniform(0, 0.0015)
    return CameraPath(
        tuple(float(a) for a in position),
        tuple(velocity),
        float(yaw + rng.uniform(-0.08, 0.08)),
        float(pitch + rng.uniform(-0.03, 0.03)),
        float(yaw_rate),
        float(pitch_rate),
        float(shake),
        0.02 if move == "hand" else 0.004,
        tuple(rng.uniform(0, 2 * np.pi, 10).tolist()),
    )
