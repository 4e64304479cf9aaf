"""Static props: trees, posts, wires, fences, crates, furniture."""

import itertools

import numpy as np

from stereojax.synthetic.solids import Solid, box, capsule, ellipsoid, rotation_axes


def tree(rng, x: float, z: float, height: float, bark: int, leaves: int | None):
    """Returns a trunk with branches, and crowns of leaves or bare twigs."""
    fork = np.array([x, 0.42 * height, z]) + rng.normal(0, 0.03 * height, 3) * [1, 0, 1]
    radius = 0.026 * height
    solids = [capsule((x, 0, z), fork, radius, bark)]
    count = 6
    for i in range(count):
        angle = 2 * np.pi * (i + rng.uniform(0, 0.6)) / count
        out = np.array([np.cos(angle), rng.uniform(0.9, 2.0), np.sin(angle)])
        tip = fork + out / np.linalg.norm(out) * height * rng.uniform(0.28, 0.42)
        solids.append(capsule(fork, tip, radius * 0.45, bark))
        if leaves is None:
            depth = 3 if z < 14 else 2
            step = 0.7 * (tip - fork)
            solids += twig(rng, tip, step, radius * 0.25, bark, depth)
        else:
            size = height * rng.uniform(0.12, 0.19)
            radii = size * rng.uniform([0.9, 0.65, 0.9], [1.3, 0.95, 1.3])
            solids.append(ellipsoid(tip, radii, leaves, yaw=angle))
    if leaves is not None:
        for _ in range(3):
            top = fork + height * rng.normal([0, 0.32, 0], [0.1, 0.07, 0.1])
            radii = height * rng.uniform(0.12, 0.2) * np.array([1, 0.85, 1])
            solids.append(ellipsoid(top, radii, leaves))
    return solids


def twig(rng, base, step, radius: float, bark: int, depth: int) -> list[Solid]:
    """Returns a branch that forks `depth` times."""
    if depth == 0:
        return []
    solids = []
    for side in (-1, 1):
        yaw, pitch = side * rng.uniform(0.2, 0.9), side * rng.uniform(-0.3, 0.7)
        axes = rotation_axes(yaw, pitch)
        tip = base + 0.85 * (np.array(step) @ axes)
        solids.append(capsule(base, tip, max(radius, 0.004), bark))
        solids += twig(rng, tip, 0.75 * (tip - base), radius * 0.7, bark, depth - 1)
    return solids


def wire(a, b, sag: float, radius: float, material: int, pieces: int = 7):
    """Returns a wire that hangs from a to b."""
    s = np.linspace(0, 1, pieces + 1)[:, None]
    points = np.array(a) + s * (np.array(b) - np.array(a))
    points[:, 1] -= (sag * 4 * s * (1 - s))[:, 0]
    return [
        capsule(p, q, radius, material, shadow=False)
        for p, q in itertools.pairwise(points)
    ]


def lamp_post(x: float, z: float, height: float, side: float, metal: int, glow: int):
    """Returns a street lamp whose arm points to `side` (1 = right)."""
    top = (x, height, z)
    arm = (x + 1.2 * side, height + 0.25, z)
    return [
        capsule((x, 0, z), top, 0.055, metal),
        capsule((x, 0, z), (x, 0.9, z), 0.09, metal),
        capsule(top, arm, 0.035, metal),
        ellipsoid(arm, (0.3, 0.08, 0.12), glow),
    ]


def fence(rng, a, b, height: float, posts: int, material: int, rails: int = 2):
    """Returns posts and rails from a to b (x, z)."""
    a, b = np.array(a, float), np.array(b, float)
    solids = []
    for s in np.linspace(0, 1, posts):
        x, z = a + s * (b - a)
        top = height * rng.uniform(0.95, 1.05)
        solids.append(capsule((x, 0, z), (x, top, z), 0.045, material))
    for y in np.linspace(0.4, 0.85, rails) * height:
        solids.append(capsule((a[0], y, a[1]), (b[0], y, b[1]), 0.025, material))
    return solids


def crates(rng, x: float, z: float, size: float, material: int, count: int):
    """Returns a pile of boxes."""
    solids, y = [], 0.0
    for _ in range(count):
        half = size / 2 * rng.uniform([0.8, 0.8, 0.8], [1.2, 1.0, 1.2])
        place = np.array([x, y + half[1], z]) + rng.normal(0, 0.06, 3) * [1, 0, 1]
        solids.append(box(place, half, material, yaw=rng.uniform(-0.6, 0.6)))
        y += 2 * half[1]
        size *= 0.85
    return solids


def table(x: float, z: float, half, height: float, yaw: float, top: int, legs: int):
    """Returns a table; `half` is half its width and half its depth."""
    axes = rotation_axes(yaw)
    solids = [box((x, height, z), (half[0], 0.025, half[1]), top, yaw=yaw)]
    for i in (-1, 1):
        for j in (-1, 1):
            foot = np.array([i * (half[0] - 0.06), 0, j * (half[1] - 0.06)]) @ axes
            foot += [x, 0, z]
            head = foot + np.array([0, height - 0.03, 0])
            solids.append(capsule(foot, head, 0.025, legs))
    return solids


def bush(rng, x: float, z: float, size: float, leaves: int) -> list[Solid]:
    """Returns a few touching ellipsoids of leaves."""
    solids = []
    for _ in range(int(rng.integers(4, 8))):
        radii = size * rng.uniform([0.3, 0.3, 0.3], [0.6, 0.7, 0.6])
        dx, dz = rng.normal(0, 0.4 * size, 2)
        solids.append(ellipsoid((x + dx, 0.7 * radii[1], z + dz), radii, leaves))
    return solids
