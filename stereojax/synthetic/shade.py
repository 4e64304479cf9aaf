"""Computes the color of the surface that a ray hits."""

import numpy as np

from stereojax.shapes import Float, Int
from stereojax.synthetic.atlas import SIZE, Atlas
from stereojax.synthetic.camera import View
from stereojax.synthetic.light import Light, ShadowMap, sky
from stereojax.synthetic.solids import BOX, CAPSULE, ELLIPSOID, GROUND, Solids
from stereojax.synthetic.trace import FACES, foliage_uv

_GRAIN_REPEAT = 5.7  # grain repeats per repeat of its texture


def shade(
    view: View,
    solids: Solids,
    atlas: Atlas,
    ground: int,
    light: Light,
    shadows: ShadowMap,
    u: Float[np.ndarray, "n"],
    v: Float[np.ndarray, "n"],
    depth: Float[np.ndarray, "n"],
    surface: Int[np.ndarray, "n"],
) -> Float[np.ndarray, "n 3"]:
    """Returns linear light along rays with tangents (u, v) that hit `surface`."""
    direction = [u * a[0] + (v * a[1] + a[2]) for a in view.axes.T]
    solid = surface // FACES
    kinds = np.append(solids.kind, [GROUND])
    color = np.empty((len(u), 3), np.float32)
    # The sky, then all surfaces.
    is_sky = solid > len(solids)
    sky_rays = np.flatnonzero(is_sky)
    color[sky_rays] = sky(light, atlas, [d[sky_rays] for d in direction])
    hits = np.flatnonzero(~is_sky)
    if not len(hits):
        return color
    solid, surface, depth = solid[hits], surface[hits], depth[hits]
    direction = [d[hits] for d in direction]
    # Hit point, normal and texture coordinates of each ray.
    point = [e + depth * d for e, d in zip(view.eye, direction, strict=True)]
    normal = np.empty((3, len(hits)), np.float32)
    uv = np.empty((2, len(hits)), np.float32)
    material = np.append(solids.material, ground)[solid].astype(np.int32)
    repeat = atlas.repeat[material]
    kind = kinds[solid]
    for one in (BOX, ELLIPSOID, CAPSULE):
        at = np.flatnonzero(kind == one)
        if len(at):
            place = [p[at] for p in point]
            normal[:, at], uv[:, at] = _surface(
                one, solids, solid[at], surface[at] % FACES, place, repeat[at],
                atlas.cutout[material[at]], atlas.scatter[material[at]],
            )  # fmt: skip
    at = np.flatnonzero(kind == GROUND)
    normal[:, at] = np.array([[0], [1], [0]])
    uv[:, at] = np.stack([point[0][at] * repeat[at], point[2][at] * repeat[at]])

    facing = sum(n * d for n, d in zip(normal, direction, strict=True))
    facing /= np.sqrt(sum(d * d for d in direction))
    # Turn normals to the camera: the far side of a leaf body is seen from inside.
    normal *= -np.sign(facing)
    slant = np.clip(np.abs(facing), 0.3, 1)
    texels = depth * (1 / view.rig.focal) * repeat * SIZE / slant
    level = np.log2(np.maximum(texels, 1e-3)) + 0.2
    albedo = _albedo(atlas, material, uv, level)

    # Sun with shadows, ambient light, lamp, then haze.
    sunny = np.maximum(sum(n * s for n, s in zip(normal, light.sun, strict=True)), 0)
    sunny[at] *= shadows.at(point[0][at], point[2][at])
    up = (0.5 + 0.5 * normal[1])[:, None]
    # Ambient occlusion near the ground.
    corner = 1 - 0.45 * np.exp(-np.maximum(point[1], 0) * 4)
    corner[at] = 0.9
    around = light.bounce_color + up * (light.sky_color - light.bounce_color)
    incoming = sunny[:, None] * light.sun_color + corner[:, None] * around
    if light.lamp_color.any():
        incoming += _lamp(light, point, normal)
    lit = albedo * incoming
    clear = np.exp(-light.haze * depth)[:, None]
    color[hits] = light.horizon + clear * (lit - light.horizon)
    return color


def _lamp(light: Light, point, normal):
    """Returns a lamp's light, by its angle and the square of its distance."""
    away = [a - p for a, p in zip(light.lamp, point, strict=True)]
    squared = sum(a * a for a in away)
    facing = sum(n * a for n, a in zip(normal, away, strict=True)) / np.sqrt(squared)
    strength = np.maximum(0.15 + 0.85 * facing, 0) / (1 + squared / 3)
    return strength[:, None] * light.lamp_color


def _albedo(atlas: Atlas, material, uv, level):
    """Returns the texture color, with grain where the texture is magnified."""
    texture = atlas.texture[material]
    rgba = atlas.sample(texture, uv[0], uv[1], level)
    albedo = rgba[:, :3] * atlas.tint[material]
    # The grain fades in as texels grow.
    strength = atlas.detail[material] * np.clip(0.7 - 0.45 * level, 0, 1)
    at = np.flatnonzero(strength > 0)
    if len(at):
        finer = np.clip(level[at] + np.log2(_GRAIN_REPEAT), 0, 8).astype(np.int32)
        grain = atlas.sample_fourth_channel(
            texture[at], uv[0][at] * _GRAIN_REPEAT, uv[1][at] * _GRAIN_REPEAT, finer
        )
        albedo[at] *= (1 + strength[at] * (grain - 0.5))[:, None]
    return albedo


def _surface(kind, solids: Solids, solid, face, point, repeat, leaves, scatter):
    """Returns unit normals (world) and texture coordinates on solids of one kind."""
    axes = np.take(solids.axes.reshape(-1, 9), solid, axis=0).T
    half = np.take(solids.half, solid, axis=0).T
    center = np.take(solids.center, solid, axis=0).T
    x, y, z = (p - c for p, c in zip(point, center, strict=True))
    local = [
        axes[3 * i] * x + axes[3 * i + 1] * y + axes[3 * i + 2] * z for i in range(3)
    ]
    if kind == BOX:
        sign = np.sign(np.choose(face, local))
        normal = [np.where(face == i, sign, 0) for i in range(3)]
        u = np.where(face == 0, local[2], local[0]) * repeat + 0.5
        v = np.where(face == 1, local[2], local[1]) * repeat + 0.5
    elif kind == ELLIPSOID:
        ball = [a / h for a, h in zip(local, half, strict=True)]
        normal = [a / h for a, h in zip(ball, half, strict=True)]
        around = np.arctan2(ball[0], -ball[2]) / (2 * np.pi)
        u = around * np.maximum(1, np.round(2 * np.pi * half[0] * repeat))
        v = np.arccos(np.clip(ball[1], -1, 1)) * half[1] * repeat
        lu, lv = foliage_uv(local, half, repeat)
        u, v = np.where(leaves, lu, u), np.where(leaves, lv, v)
    else:
        along = np.clip(local[1], -half[1], half[1])
        normal = [local[0], local[1] - along, local[2]]
        around = np.arctan2(local[0], -local[2]) / (2 * np.pi)
        u = around * np.maximum(1, np.round(2 * np.pi * half[0] * repeat))
        v = local[1] * repeat
    over = 1 / np.sqrt(sum(n * n for n in normal))
    normal = [n * over for n in normal]
    world = [
        axes[i] * normal[0] + axes[3 + i] * normal[1] + axes[6 + i] * normal[2]
        for i in range(3)
    ]
    u, v = (
        np.where(scatter, u + 0.37 * solid, u),
        np.where(scatter, v + 0.61 * solid, v),
    )
    return np.stack(world), np.stack([u, v])
