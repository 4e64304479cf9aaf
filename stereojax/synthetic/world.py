"""Scenes and worlds: static and moving solids, light, camera and stereo rig."""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np

from stereojax.synthetic.atlas import Atlas
from stereojax.synthetic.camera import CameraPath, Rig, views
from stereojax.synthetic.light import Light, ShadowMap, unshadowed_ground
from stereojax.synthetic.solids import Solid, Solids, concatenate, stack_solids
from stereojax.synthetic.trace import find_visible, trace


@runtime_checkable
class Actor(Protocol):
    """A moving object; it always has the same number of solids."""

    def at(self, time: float) -> list[Solid]: ...


@dataclasses.dataclass(frozen=True)
class Scene:
    """A world without its stereo rig."""

    atlas: Atlas
    static: tuple[Solid, ...]
    actors: tuple[Actor, ...]
    ground: int  # material index
    light: Light
    path: CameraPath
    focal: float  # focal length in picture widths
    stage: tuple[float, float]  # (x, z) of the centre of the action

    def moving(self, time: float) -> Solids:
        """Returns the solids of all actors at `time`."""
        solids = [solid for actor in self.actors for solid in actor.at(time)]
        return stack_solids(solids)


@dataclasses.dataclass(frozen=True)
class World:
    """One shot, which can be rendered at any time."""

    scene: Scene
    rig: Rig
    static: Solids
    shadows: ShadowMap  # of the static solids

    def at(self, time: float) -> tuple[Solids, ShadowMap]:
        """Returns all solids and the shadow map at `time`."""
        moving = self.scene.moving(time)
        shadows = self.shadows.with_shadows(moving, self.scene.light.sun)
        return concatenate(self.static, moving), shadows.blurred()


def prepare_world(
    scene: Scene,
    duration: float,  # seconds
    width: int,
    max_disparity: float,  # pixels
    screen: float,  # position of the screen in the scene's depths, 0..1; 1 = nearest
) -> World:
    """Chooses the rig so that no disparity of the shot exceeds `max_disparity`.

    Depths are sampled at low resolution over the shot. The screen is placed within
    them, so that both signs of disparity occur. Both views clip anything nearer than
    the nearest sample.
    """
    focal = scene.focal * width
    inverse = _probe_inverse_depth(scene, duration)
    nearest = 1.02 * float(inverse.max())
    low, high = np.quantile(inverse, [0.1, 0.97])
    on_screen = float(low + screen * (high - low))
    reach = max(nearest - on_screen, on_screen)
    rig = Rig(focal, max_disparity / (focal * reach), on_screen, 1 / nearest)
    static = stack_solids(scene.static)
    ground = unshadowed_ground(scene.stage, 56.0, 448)
    shadows = ground.with_shadows(static, scene.light.sun)
    return World(scene, rig, static, shadows)


def _probe_inverse_depth(scene: Scene, duration: float) -> np.ndarray:
    """Returns inverse depths of the left view, sampled coarsely in space and time."""
    height, width = 30, 53
    rig = Rig(scene.focal * width, 0.0, 0.0, 0.3)
    static, samples = stack_solids(scene.static), []
    for time in np.linspace(0, duration, int(np.clip(4 * duration, 7, 60))):
        left, _ = views(scene.path, rig, float(time), height, width)
        solids = concatenate(static, scene.moving(float(time)))
        visible = find_visible(left, solids, scene.atlas)
        depth, _ = trace(visible, np.arange(width), np.arange(height)[:, None])
        samples.append(1 / depth)
    return np.stack(samples)
