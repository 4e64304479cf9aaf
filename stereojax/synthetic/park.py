"""The set `park`: lawn, trees, bushes, rocks, a fence, hills, people and a ball."""

import numpy as np

from stereojax.synthetic.actors import Rigid, crowd, make_clothes
from stereojax.synthetic.atlas import Palette
from stereojax.synthetic.props import bush, fence, table, tree, twig
from stereojax.synthetic.scene_parts import SceneParts, random_camera_path
from stereojax.synthetic.solids import box, capsule, ellipsoid


def park(rng: np.random.Generator, palette: Palette) -> SceneParts:
    """Returns a random park; the camera looks along z over a lawn."""
    lawn = palette.add("grass", 0.22, detail=1.2)
    stone = palette.add("rough", 0.5, (0.8, 0.78, 0.74))
    sand = palette.add("rough", 0.4, (1.0, 0.85, 0.62), variant=1)
    wood = palette.add("planks", 0.9)
    bark = palette.add("bark", 0.9)
    hill = palette.add("foliage", 0.2, (0.9, 1.0, 0.9), variant=2)
    leaves = [
        palette.add("foliage", rng.uniform(0.45, 0.8), cutout=True, variant=v)
        for v in (0, 1)
    ]
    toy = palette.add("tiles", 1.0, (1.5, 0.5, 0.3), variant=3)
    static = [
        ellipsoid((x, -6, rng.uniform(90, 130)), (40, rng.uniform(16, 30), 20), hill)
        for x in (-70, -25, 20, 65)
    ]
    for _ in range(9):
        z = rng.uniform(8, 45)
        x = rng.uniform(-0.55, 0.55) * (z + 6)
        crown = None if rng.uniform() < 0.2 else int(rng.choice(leaves))
        static += tree(rng, x, z, rng.uniform(4, 8), bark, crown)
    for _ in range(6):
        z = rng.uniform(5, 25)
        x = rng.uniform(-0.6, 0.6) * (z + 4)
        static += bush(rng, x, z, rng.uniform(0.5, 1.1), int(rng.choice(leaves)))
    for _ in range(5):
        z, size = rng.uniform(3.5, 14), rng.uniform(0.2, 0.6)
        x = rng.uniform(-0.5, 0.5) * (z + 2)
        radii = size * rng.uniform([1, 0.6, 1], [1.6, 1, 1.6])
        yaw = rng.uniform(0, 3)
        static.append(ellipsoid((x, 0.2 * size, z), radii, stone, yaw=yaw))
    side = rng.choice([-1.0, 1.0])
    static += fence(rng, (side * 2.5, 5), (side * 9, 24), 1.1, 16, bark)
    path = rng.uniform(-2, 2)
    static.append(
        box((path, 0.0, 30), (1.1, 0.012, 45), sand, yaw=rng.uniform(-0.2, 0.2),
            shadow=False)
    )  # fmt: skip
    bench = rng.uniform(-3, 3), rng.uniform(5, 9)
    static += table(*bench, (0.8, 0.25), 0.45, rng.uniform(-0.5, 0.5), wood, bark)
    if rng.uniform() < 0.7:
        # A branch close to the camera.
        base = np.array([-side * 1.6, rng.uniform(1.5, 2.4), rng.uniform(2.0, 2.8)])
        tip = base + np.array([side * 0.5, rng.uniform(-0.1, 0.15), 0.1])
        static.append(capsule(base, tip, 0.014, bark))
        static += twig(rng, tip, (tip - base) * 0.55, 0.009, bark, 4)
    ball = Rigid(
        (ellipsoid((0, 0.2, 0), (0.2, 0.2, 0.2), toy),),
        (rng.uniform(-1.5, 1.5), 0.0, rng.uniform(4, 7)),
        (rng.uniform(-0.8, 0.8), 0.0, rng.uniform(-0.2, 0.5)),
        spin=3.0, bounce=rng.uniform(0.4, 1.2),
        bounces_per_second=rng.uniform(0.8, 1.5),
    )  # fmt: skip
    clothes = make_clothes(palette, rng, 4)
    places = []
    for i in range(4):
        z = rng.uniform(3.5 + 2 * i, 5 + 3.5 * i)
        speed = 0.0 if rng.uniform() < 0.3 else rng.uniform(0.8, 1.6)
        places.append((rng.uniform(-0.4, 0.4) * z, z, rng.uniform(0, 6.28), speed))
    position = (rng.uniform(-1, 1), rng.uniform(1.2, 1.8), 0.0)
    return SceneParts(
        static,
        [ball, *crowd(rng, clothes, places)],
        lawn,
        random_camera_path(rng, position, pitch=-0.06),
        float(rng.uniform(0.75, 1.4)),
        (0.0, 20.0),
    )
