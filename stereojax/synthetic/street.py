"""The set `street`: houses, lamps, wires, parked cars, people and traffic."""

import numpy as np

from stereojax.synthetic.actors import Rigid, car, crowd, make_clothes
from stereojax.synthetic.atlas import Palette
from stereojax.synthetic.props import crates, lamp_post, tree, wire
from stereojax.synthetic.scene_parts import SceneParts, muted_color, random_camera_path
from stereojax.synthetic.solids import box, capsule


def street(rng: np.random.Generator, palette: Palette) -> SceneParts:
    """Returns a random street; the camera looks along it, from road or pavement."""
    asphalt = palette.add("rough", 0.35, np.array([0.55, 0.55, 0.58]), detail=1.3)
    paving = palette.add("tiles", 0.45, (0.9, 0.9, 0.9))
    paint = palette.add("rough", 1.0, (1.5, 1.5, 1.4))
    metal = palette.add("smooth", 1.0, (0.25, 0.27, 0.28), variant=8)
    glow = palette.add("smooth", 1.0, (2.0, 1.9, 1.6), variant=8)
    wood = palette.add("planks", 0.8)
    bark = palette.add("bark", 1.0)
    leaves = palette.add("foliage", rng.uniform(0.5, 0.8), cutout=True)
    walls = [
        palette.add(
            "facade",
            rng.uniform(0.07, 0.11),
            muted_color(rng, 0.6, 1.3, 0.25),
            variant=v,
        )
        for v in (0, 1, 2, 0, 1, 2)
    ]
    walls.append(palette.add("bricks", 0.5))
    half = rng.uniform(3.2, 4.2)
    kerb = half + rng.uniform(2.2, 3.2)
    static = []
    for side in (-1.0, 1.0):
        middle = side * (half + kerb) / 2
        static.append(
            box((middle, 0.06, 30), ((kerb - half) / 2, 0.07, 40), paving, shadow=False)
        )
        z = -6.0
        while z < 60:
            long, height = rng.uniform(6, 13), rng.uniform(6, 16)
            back = kerb + rng.uniform(0, 0.6) + 4
            wall = int(rng.choice(walls))
            place = (side * back, height / 2, z + long / 2)
            static.append(box(place, (4, height / 2, long / 2), wall))
            z += long + (rng.uniform(1, 4) if rng.uniform() < 0.3 else 0.0)
        posts = [(side * (half + 0.4), float(p)) for p in np.arange(5, 40, 9)]
        for x, z in posts:
            if rng.uniform() < 0.75:
                static += lamp_post(x, z, 5.0, -side, metal, glow)
            else:
                static += tree(rng, x, z, rng.uniform(4, 6), bark, leaves)
        for x, z in [(side * (half + 0.25), z) for z in np.arange(4, 16, 1.6)]:
            static.append(capsule((x, 0, z), (x, 0.95, z), 0.05, metal))
        static += crates(rng, side * (kerb - 0.6), rng.uniform(5, 12), 0.7, wood, 3)
    for z in np.arange(6, 40, 9):
        height = rng.uniform(5.2, 6.0)
        a, b = (-kerb, height, z), (kerb, height + rng.uniform(-0.5, 0.5), z + 2)
        static += wire(a, b, rng.uniform(0.3, 0.7), 0.018, metal)
    static += [
        box((0, 0.006, z), (0.07, 0.006, 0.9), paint, shadow=False)
        for z in np.arange(2, 42, 4.0)
    ]
    static.append(box((0, 7, 66), (12, rng.uniform(6, 12), 4), int(rng.choice(walls))))
    for side in (-1.0, 1.0):
        if rng.uniform() < 0.8:
            parked = Rigid(
                car(palette, rng), (side * (half - 1.0), 0.0, rng.uniform(9, 22)),
                heading=0.0 if side > 0 else np.pi,
            )  # fmt: skip
            static += parked.at(0.0)
    speed = rng.uniform(2, 6)
    traffic = Rigid(
        car(palette, rng),
        (-half / 2, 0.0, rng.uniform(14, 26)),
        (0.0, 0.0, -speed),
        np.pi,
    )
    clothes = make_clothes(palette, rng, 6)
    places = []
    for i in range(6):
        side = -1 if i % 2 else 1
        away = bool(rng.uniform() < 0.5)
        places.append(
            (
                side * (half + rng.uniform(0.9, 1.8)), rng.uniform(4 + i, 7 + 2 * i),
                0.0 if away else np.pi, rng.uniform(0.9, 1.5),
            )
        )  # fmt: skip
    # One person crosses the road close to the camera.
    side = rng.choice([-1.0, 1.0])
    places[0] = (side * rng.uniform(0.2, 1.4), rng.uniform(3.0, 4.5),
                 -side * np.pi / 2, rng.uniform(0.8, 1.3))  # fmt: skip
    position = (rng.uniform(-1.5, 2.0), rng.uniform(1.3, 1.9), 0.0)
    return SceneParts(
        static,
        [traffic, *crowd(rng, clothes, places)],
        asphalt,
        random_camera_path(rng, position, pitch=-0.02),
        float(rng.uniform(0.75, 1.25)),
        (0.0, 20.0),
    )
