"""The set `room`: walls, pictures, shelves, laid tables, lamps and people."""

import numpy as np

from stereojax.synthetic.actors import Rigid, crowd, make_clothes
from stereojax.synthetic.atlas import Palette
from stereojax.synthetic.props import crates, table, twig, wire
from stereojax.synthetic.scene_parts import SceneParts, muted_color, random_camera_path
from stereojax.synthetic.solids import box, capsule, ellipsoid


def room(rng: np.random.Generator, palette: Palette) -> SceneParts:
    """Returns a random room; the camera looks along z to the far wall."""
    floor = palette.add(str(rng.choice(["planks", "tiles"])), rng.uniform(0.4, 0.7))
    kind = str(rng.choice(["rough", "bricks", "cloth"]))
    tint = muted_color(rng, 0.8, 1.4, 0.25)
    wall = palette.add(kind, {"bricks": 0.6}.get(kind, 0.4), tint, variant=5)
    plaster = palette.add("rough", 0.3, (1.4, 1.35, 1.25), variant=6)
    wood = palette.add("planks", 0.9, variant=7)
    dark = palette.add("bark", 1.2, (0.6, 0.5, 0.45))
    metal = palette.add("smooth", 1.0, (0.3, 0.3, 0.32), variant=8)
    glow = palette.add("smooth", 1.0, (2.4, 2.1, 1.6), variant=8)
    rug = palette.add("cloth", 0.8, muted_color(rng, 0.3, 1.3), variant=3)
    art = [palette.add("picture", r, variant=v) for v, r in ((0, 0.9), (1, 1.3))]
    leaf = palette.add("foliage", 1.8, cutout=True)
    books = [
        palette.add("cloth", 3.0, muted_color(rng, 0.1, 1.4), variant=4)
        for _ in range(5)
    ]
    wide, deep, tall = (
        rng.uniform(2.6, 4.0),
        rng.uniform(6.5, 10),
        rng.uniform(2.5, 3.2),
    )
    static = [
        box((0, tall / 2, deep + 0.1), (wide + 0.2, tall / 2, 0.1), wall, shadow=False),
        box((-wide - 0.1, tall / 2, 3), (0.1, tall / 2, deep), plaster, shadow=False),
        box((wide + 0.1, tall / 2, 3), (0.1, tall / 2, deep), wall, shadow=False),
        box((0, tall + 0.1, 3), (wide + 0.2, 0.1, deep), plaster, shadow=False),
        box((0, 0.05, deep), (wide, 0.05, 0.02), dark),
        box((rng.uniform(-0.5, 0.5), 0.005, deep * 0.5), (1.3, 0.008, 1.0), rug,
            yaw=rng.uniform(-0.4, 0.4), shadow=False),
    ]  # fmt: skip
    for x, kind in ((-0.5, 0), (0.45, 1)):
        size = 0.5 / (0.9 if kind == 0 else 1.3)
        place = (x * wide, rng.uniform(1.4, 1.7), deep - 0.02)
        static.append(box(place, (size, size, 0.02), art[kind], shadow=False))
    side = rng.choice([-1.0, 1.0])
    static += _shelf(rng, side * (wide - 0.2), deep * 0.62, tall * 0.75, wood, books)
    for _ in range(3):
        x, z = rng.uniform(-0.7, 0.7) * wide, rng.uniform(2.6, deep - 1.2)
        static += _laid_table(rng, x, z, wood, metal, books, leaf, dark)
    static += crates(rng, -side * (wide - 0.5), deep - 0.8, 0.6, wood, 3)
    for _ in range(3):
        x, z = rng.uniform(-0.6, 0.6) * wide, rng.uniform(2.2, deep - 1)
        hang = rng.uniform(1.7, 2.1)
        static += wire((x, tall, z), (x, hang, z), 0.0, 0.008, metal, 1)
        static.append(ellipsoid((x, hang, z), (0.14, 0.1, 0.14), glow, shadow=False))
    stem = np.array([side * rng.uniform(0.5, 0.9), 0.9, rng.uniform(1.9, 2.4)])
    static += twig(rng, stem, (0.0, 0.28, 0.02), 0.008, dark, 4)
    static.append(capsule(stem - [0, 0.9, 0], stem, 0.011, dark))
    clothes = make_clothes(palette, rng, 3)
    places = [
        (rng.uniform(-0.5, 0.5) * wide, rng.uniform(3.0, 4.2),
         rng.uniform(2, 4.3), 0.0),
        (rng.uniform(-0.6, 0.6) * wide, rng.uniform(4, deep - 1),
         side * np.pi / 2, rng.uniform(0.5, 0.9)),
        (rng.uniform(-0.6, 0.6) * wide, rng.uniform(3, deep - 1), np.pi, 0.5),
    ]  # fmt: skip
    toy = palette.add("tiles", 1.5, muted_color(rng, 0.4, 1.5), variant=3)
    ball = Rigid(
        (ellipsoid((0, 0.13, 0), (0.13, 0.13, 0.13), toy),),
        (rng.uniform(-1, 1), 0.0, rng.uniform(2.6, 3.6)),
        (rng.uniform(-0.5, 0.5), 0.0, 0.2),
        spin=4.0, bounce=rng.uniform(0.3, 0.9),
        bounces_per_second=rng.uniform(1.0, 1.6),
    )  # fmt: skip
    mobile = Rigid(
        tuple(
            box((0.32 * np.cos(a), -0.1 * i, 0.32 * np.sin(a)), (0.09, 0.09, 0.02),
                books[i], yaw=a)
            for i, a in enumerate(np.linspace(0, 5, 4))
        ),
        (rng.uniform(-0.4, 0.4) * wide, 2.1, rng.uniform(2.8, 4)),
        spin=rng.uniform(0.6, 1.5),
    )  # fmt: skip
    position = (rng.uniform(-0.4, 0.4) * wide, rng.uniform(1.3, 1.65), 0.0)
    return SceneParts(
        static,
        [ball, mobile, *crowd(rng, clothes, places)],
        floor,
        random_camera_path(rng, position, pitch=-0.08, pace=0.5),
        float(rng.uniform(0.7, 1.0)),
        (0.0, 5.0),
    )


def _shelf(rng, x: float, z: float, tall: float, wood: int, books: list[int]):
    """Returns a bookcase at a side wall, its length along z."""
    long, deep = rng.uniform(0.8, 1.3), 0.16
    solids = [
        box((x, tall / 2, z + s * long), (deep, tall / 2, 0.02), wood) for s in (-1, 1)
    ]
    for y in np.linspace(0.08, tall, 5):
        solids.append(box((x, y, z), (deep, 0.015, long), wood))
        place = z - long + 0.06
        while y < tall and place < z + long * rng.uniform(0.5, 0.9):
            thick, high = rng.uniform(0.03, 0.09), rng.uniform(0.1, 0.15)
            center = (x, y + 0.015 + high, place + thick)
            solids.append(box(center, (0.12, high, thick), int(rng.choice(books))))
            place += 2 * thick + 0.004
    return solids


def _laid_table(rng, x, z, wood, metal, things, leaf, dark):
    """Returns a table with a few objects on it."""
    high = rng.uniform(0.55, 0.8)
    half = rng.uniform([0.4, 0.3], [0.8, 0.5])
    solids = table(x, z, half, high, rng.uniform(-0.5, 0.5), wood, metal)
    for _ in range(4):
        px, pz = (
            x + rng.uniform(-0.7, 0.7) * half[0],
            z + rng.uniform(-0.6, 0.6) * half[1],
        )
        size = rng.uniform(0.05, 0.12)
        material = int(rng.choice(things))
        match rng.integers(4):
            case 0:
                solids.append(ellipsoid((px, high + size, pz), (size,) * 3, material))
            case 1:
                yaw = rng.uniform(0, 3)
                body = (size, size * 0.6, size)
                solids.append(box((px, high + body[1], pz), body, material, yaw=yaw))
            case 2:
                top = (px, high + 3 * size, pz)
                solids.append(capsule((px, high, pz), top, size * 0.4, material))
            case 3:
                solids.append(
                    capsule((px, high, pz), (px, high + 0.12, pz), 0.06, dark)
                )
                crown = ellipsoid((px, high + 0.3, pz), (0.18, 0.16, 0.18), leaf)
                solids.append(crown)
    return solids
