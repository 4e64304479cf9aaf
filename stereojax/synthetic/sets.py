"""The sets that a shot can be drawn from, and their light."""

import numpy as np

from stereojax.synthetic.atlas import Palette
from stereojax.synthetic.light import Light
from stereojax.synthetic.park import park
from stereojax.synthetic.room import room
from stereojax.synthetic.street import street
from stereojax.synthetic.world import Scene

SETS = {"street": street, "park": park, "room": room}


def draw_scene(name: str, rng: np.random.Generator) -> Scene:
    """A scene of the named set; the generator decides everything else."""
    palette = Palette()
    light = _light(rng, palette, indoors=name == "room")
    draw = SETS[name](rng, palette)
    return Scene(
        atlas=palette.atlas(rng),
        still=tuple(draw.still),
        actors=tuple(draw.actors),
        ground=draw.ground,
        light=light,
        path=draw.path,
        focal=draw.focal,
        stage=draw.stage,
    )


def _light(rng, palette: Palette, indoors: bool) -> Light:
    """A time of day: the height and warmth of the sun, the clouds, the haze."""
    high = rng.uniform(0.9, 1.3) if indoors else rng.uniform(0.45, 1.2)
    around = rng.uniform(-2.4, 2.4)
    sun = np.array([np.cos(high) * np.sin(around), np.sin(high), 0.0])
    sun[2] = -np.cos(high) * np.cos(around)
    warm = np.clip((1.0 - high) / 0.6, 0, 1) if not indoors else rng.uniform(0.2, 0.8)
    sun_color = np.array([1.0, 0.93 - 0.22 * warm, 0.84 - 0.45 * warm])
    overcast = rng.uniform(0, 0.8) ** 2
    strength = (1.7 if not indoors else 0.9) * (1 - 0.8 * overcast)
    sky_color = np.array([0.55, 0.68, 0.9]) * (0.75 + 0.5 * overcast)
    if indoors:
        sky_color = np.array([0.85, 0.8, 0.72])
    zenith = np.array([0.16, 0.34, 0.72]) * (1 - 0.3 * overcast) + 0.25 * overcast
    horizon = np.array([0.68, 0.74, 0.8]) + warm * np.array([0.22, 0.02, -0.2])
    bounce = np.array([0.3, 0.27, 0.22])
    haze = 0.002 if indoors else rng.uniform(0.002, 0.016)
    clouds = palette.add("clouds", rng.uniform(0.3, 0.6))
    return Light(
        *(
            a.astype(np.float32)
            for a in (sun, strength * sun_color, sky_color, bounce, zenith, horizon)
        ),
        haze,
        clouds,
        exposure=float(rng.uniform(0.8, 1.1)),
    )
