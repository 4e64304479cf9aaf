"""A scene: what stands in it, what moves in it, its light and its camera."""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np

from stereojax.synthetic.atlas import Atlas
from stereojax.synthetic.camera import CameraPath, Rig, views
from stereojax.synthetic.light import Light, ShadowMap, open_ground
from stereojax.synthetic.solids import Solid, Solids, join, stack
from stereojax.synthetic.trace import look, trace


@runtime_checkable
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

    def moving(self, time: float) -> Solids:
        """What its actors are made of at `time`."""
        return stack([solid for actor in self.actors for solid in actor.at(time)])


@dataclasses.dataclass(frozen=True)
class World:
    """One shot, ready to be seen at any time."""

    scene: Scene
    rig: Rig
    still: Solids
    shadows: ShadowMap  # of what does not move

    def at(self, time: float) -> tuple[Solids, ShadowMap]:
        """The solids of one instant, and the sun on its ground."""
        moving = self.scene.moving(time)
        shadows = self.shadows.with_shadows(moving, self.scene.light.sun)
        return join(self.still, moving), shadows.softened()


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
    still = stack(scene.still)
    shadows = open_ground(scene.stage, 56.0, 448).with_shadows(still, scene.light.sun)
    return World(scene, rig, still, shadows)


def _probe(scene: Scene, duration: float) -> np.ndarray:
    """Inverse depths of the left view, coarsely in space and time."""
    height, width = 30, 53
    rig = Rig(scene.focal * width, 0.0, 0.0, 0.3)
    still, found = stack(scene.still), []
    for time in np.linspace(0, duration, int(np.clip(4 * duration, 7, 60))):
        left, _ = views(scene.path, rig, float(time), height, width)
        solids = join(still, scene.moving(float(time)))
        sight = look(left, solids, scene.atlas)
        depth, _ = trace(sight, np.arange(width), np.arange(height)[:, None])
        found.append(1 / depth)
    return np.stack(found)
