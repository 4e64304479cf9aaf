"""A scene: what stands in it, what moves in it, its light and its camera."""

import dataclasses
from typing import Protocol

import numpy as np

from stereojax.synthetic.atlas import Atlas
from stereojax.synthetic.camera import CameraPath, Rig, views
from stereojax.synthetic.light import Light, ShadowMap, open_ground
from stereojax.synthetic.solids import Solid, Solids, stack
from stereojax.synthetic.trace import trace


class Actor(Protocol):
    """Something that moves; it always has the same number of solids."""

    def at(self, time: float) -> list[Solid]: ...


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a set draws: a world without its stereo rig."""

    atlas: Atlas
    still: tuple[Solid, ...]
    actors: tuple[Actor, ...]
    ground: int  # material
    light: Light
    path: CameraPath
    focal: float  # widths of the picture
    stage: tuple[float, float]  # the (x, z) around which things happen

    def solids(self, time: float) -> list[Solid]:
        moving = [solid for actor in self.actors for solid in actor.at(time)]
        return [*self.still, *moving]


@dataclasses.dataclass(frozen=True)
class World:
    """One shot, ready to be seen at any time."""

    scene: Scene
    rig: Rig
    shadows: ShadowMap  # of what does not move

    def at(self, time: float) -> tuple[Solids, ShadowMap]:
        """The solids of one instant, and the sun on its ground."""
        scene = self.scene
        solids = stack(scene.solids(time))
        moving = stack([s for actor in scene.actors for s in actor.at(time)])
        shadows = self.shadows
        if len(moving):
            shadows = shadows.with_shadows(moving, scene.light.sun)
        return solids, shadows.softened()


def prepare(
    scene: Scene,
    duration: float,  # seconds
    width: int,
    max_disparity: float,  # pixels
    screen: float,  # 0..1: how deep in the scene the screen lies; 1 = nearest
) -> World:
    """Chooses the rig so that no disparity of the shot exceeds `max_disparity`.

    The scene is probed at low resolution over the shot. The screen then lies inside
    the depths that were found, so that both signs of disparity occur; what comes nearer
    than anything probed is cut off, in both eyes.
    """
    focal = scene.focal * width
    inverse = _probe(scene, duration)
    nearest = 1.02 * float(inverse.max())
    low, high = np.quantile(inverse, [0.1, 0.97])
    on_screen = float(low + screen * (high - low))
    reach = max(nearest - on_screen, on_screen)
    rig = Rig(focal, max_disparity / (focal * reach), on_screen, 1 / nearest)
    shadows = open_ground(scene.stage, 56.0, 448)
    return World(scene, rig, shadows.with_shadows(stack(scene.still), scene.light.sun))


def _probe(scene: Scene, duration: float) -> np.ndarray:
    """Inverse depths of the left view, coarsely in space and time."""
    height, width = 30, 53
    rig = Rig(scene.focal * width, 0.0, 0.0, 0.3)
    found = []
    for time in np.linspace(0, duration, 7):
        left, _ = views(scene.path, rig, float(time), height, width)
        solids = stack(scene.solids(float(time)))
        depth, _ = trace(left, solids, scene.atlas, np.arange(width), np.arange(height))
        found.append(1 / depth)
    return np.stack(found)
