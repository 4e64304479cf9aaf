"""Builds random scenes of the sets `street`, `park` and `room`, with their light."""

import numpy as np

from stereojax.synthetic.atlas import Palette
from stereojax.synthetic.light import Light
from stereojax.synthetic.park import park
from stereojax.synthetic.room import room
from stereojax.synthetic.street import street
from stereojax.synthetic.world import Scene

SETS = {"street": street, "park": park, "room": room}


def draw_scene(name: str, rng: np.random.Generator) -> Scene:
    """Returns a random scene of the named set."""
    palette = Palette()
    light = _light(rng, palette, indoors=name == "room")
    parts = SETS[name](rng, palette)
    return Scene(
        atlas=palette.atlas(rng),
        static=tuple(parts.static),
        actors=tuple(parts.actors),
        ground=parts.ground,
        light=light,
        path=parts.path,
        focal=parts.focal,
        stage=parts.stage,
    )


def _light(rng, palette: Palette, indoors: bool) -> Light:
    """Returns random light: height and warmth of the sun, clouds, haze."""
    high = rng.uniform(0.9, 1.3) if indoors else rng.uniform(0.4, 1.1)
    # The sun is more often at the side than behind the camera.
    around = rng.choice([-1, 1]) * rng.uniform(0.5, 2.2)
    sun = np.array([np.sin(around) * np.cos(high), np.sin(high), 0.0])
    sun[2] = -np.cos(around) * np.cos(high)
    warm = 0.5 if indoors else np.clip((1.0 - high) / 0.6, 0, 1)
    overcast = rng.uniform(0, 0.9) ** 2
    sun_color = np.array([1.0, 0.94 - 0.2 * warm, 0.86 - 0.42 * warm])
    sun_color = sun_color * (0.5 if indoors else 2.6 * (1 - 0.85 * overcast))
    sky_color = np.array([0.42, 0.52, 0.7]) * (0.75 + 0.7 * overcast)
    zenith = np.array([0.13, 0.3, 0.68]) * (1 - 0.5 * overcast) + 0.25 * overcast
    horizon = np.array([0.62, 0.7, 0.78]) + warm * np.array([0.22, 0.02, -0.2])
    bounce = np.array([0.22, 0.2, 0.16])
    lamp, lamp_color = np.array([rng.uniform(-1.5, 1.5), 2.3, rng.uniform(2, 5)]), 0.0
    if indoors:
        sky_color, bounce = np.array([0.34, 0.33, 0.34]), np.array([0.2, 0.18, 0.15])
        lamp_color = np.array([1.0, 0.86, 0.66]) * rng.uniform(1.2, 2.2)
    colors = sun_color, sky_color, bounce, zenith, horizon
    return Light(
        sun.astype(np.float32),
        *(c.astype(np.float32) for c in colors),
        haze=0.002 if indoors else rng.uniform(0.002, 0.012),
        clouds=palette.add("clouds", rng.uniform(0.3, 0.6)),
        lamp=lamp.astype(np.float32),
        lamp_color=np.full(3, lamp_color, np.float32),
        exposure=float(rng.uniform(0.85, 1.1)),
    )
