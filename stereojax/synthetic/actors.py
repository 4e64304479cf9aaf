"""Moving objects: people who walk or stand, and rigid bodies that spin and bounce."""

import dataclasses

import numpy as np

from stereojax.synthetic.atlas import Palette
from stereojax.synthetic.scene_parts import muted_color
from stereojax.synthetic.solids import Solid, box, capsule, ellipsoid, rotation_axes

_TURN_SECONDS = 9.0  # an actor turns round each time that this has passed


@dataclasses.dataclass(frozen=True)
class Clothes:
    """Material indices of one person."""

    skin: int
    hair: int
    top: int
    legs: int
    shoes: int


@dataclasses.dataclass(frozen=True)
class Person:
    """A person who walks back and forth on a line; speed 0: stands and gestures."""

    start: tuple[float, float]  # x, z
    heading: float  # radians; 0 = along z
    speed: float  # metres per second
    height: float  # metres
    clothes: Clothes
    phase: float  # radians; initial phase of the stride
    coat: bool  # wears a coat

    def at(self, time: float) -> list[Solid]:
        """Returns the body parts at `time`, in seconds."""
        h, c = self.height, self.clothes
        walk_seconds, back = _walk_back_and_forth(time)
        forward = np.array([np.sin(self.heading), np.cos(self.heading)])
        x, z = np.array(self.start) + self.speed * walk_seconds * forward
        heading = self.heading + np.pi * back
        axes = rotation_axes(heading)
        # One stride (two steps) covers about 0.85 of the height.
        stride = self.phase + 2 * np.pi * time * self.speed / (0.85 * h)
        bob = 0.012 * h * abs(np.cos(stride)) if self.speed else 0.0
        origin = np.array([x, bob, z])

        def capsule_between(a, b, radius, material):
            ends = origin + h * (np.array([a, b]) @ axes)
            return capsule(*ends, h * radius, material)

        def ellipsoid_at(center, radii, material):
            place = origin + h * (np.array(center) @ axes)
            return ellipsoid(place, h * np.array(radii), material, yaw=heading)

        body = [
            ellipsoid_at((0, 0.68, 0), (0.098, 0.165, 0.068), c.top),
            ellipsoid_at((0, 0.52, 0), (0.088, 0.08, 0.068), c.legs),
            capsule_between((-0.085, 0.8, 0), (0.085, 0.8, 0), 0.042, c.top),
            capsule_between((0, 0.8, 0), (0, 0.9, 0), 0.03, c.skin),
            ellipsoid_at((0, 0.93, 0.008), (0.045, 0.068, 0.054), c.skin),
            ellipsoid_at((0, 0.95, -0.008), (0.051, 0.06, 0.058), c.hair),
        ]
        if self.coat:
            body.append(ellipsoid_at((0, 0.5, 0), (0.105, 0.2, 0.085), c.top))
        swing = 0.42 if self.speed else 0.03
        for side in (-1, 1):
            leg_phase = stride if side < 0 else stride + np.pi
            angle = swing * np.sin(leg_phase)
            bend = 1.2 * swing * max(0.0, np.cos(leg_phase))
            hip = np.array([0.05 * side, 0.51, 0])
            knee = hip + 0.24 * _down(angle)
            ankle = knee + 0.235 * _down(angle - bend)
            toe = ankle + np.array([0.01 * side, -0.005, 0.085])
            body += [
                capsule_between(hip, knee, 0.05, c.legs),
                capsule_between(knee, ankle, 0.036, c.legs),
                capsule_between(ankle, toe, 0.026, c.shoes),
            ]
            lift = -angle
            if not self.speed:
                lift = 0.3 + 0.5 * max(0.0, np.sin(1.7 * time + self.phase + side))
            shoulder = np.array([0.115 * side, 0.79, 0])
            elbow = shoulder + 0.165 * _down(lift) + [0.018 * side, 0, 0]
            hand = elbow + 0.15 * _down(lift + 0.45 + lift * (not self.speed))
            body += [
                capsule_between(shoulder, elbow, 0.031, c.top),
                capsule_between(elbow, hand, 0.025, c.top if self.coat else c.skin),
            ]
        return body


def _walk_back_and_forth(time: float) -> tuple[float, bool]:
    """Returns (seconds of walking from the start to here, whether walking back)."""
    turns, part = divmod(time, _TURN_SECONDS)
    back = bool(turns % 2)
    return (_TURN_SECONDS - part if back else part), back


def _down(angle: float) -> np.ndarray:
    """Returns the unit vector down, rotated forward by `angle` radians."""
    return np.array([0.0, -np.cos(angle), np.sin(angle)])


@dataclasses.dataclass(frozen=True)
class Rigid:
    """Solids that move as one body: along a line, spinning, bouncing."""

    solids: tuple[Solid, ...]  # relative to the origin of the body
    start: tuple[float, float, float]
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    heading: float = 0.0
    spin: float = 0.0  # radians per second
    bounce: float = 0.0  # height of each bounce, metres
    bounces_per_second: float = 1.0

    def at(self, time: float) -> list[Solid]:
        """Returns the solids at `time`, in seconds."""
        axes = rotation_axes(self.heading + self.spin * time)
        part = (self.bounces_per_second * time) % 1.0
        seconds = _walk_back_and_forth(time)[0] if self.bounce else time
        place = np.array(self.start) + np.array(self.velocity) * seconds
        place[1] += self.bounce * 4 * part * (1 - part)
        return [
            dataclasses.replace(s, center=place + s.center @ axes, axes=s.axes @ axes)
            for s in self.solids
        ]


def make_clothes(
    palette: Palette, rng: np.random.Generator, people: int
) -> list[Clothes]:
    """Adds clothes for `people` people to the palette; returns their materials."""
    skin_tones = (
        np.array([[0.62, 0.38, 0.27], [0.42, 0.23, 0.14], [0.8, 0.55, 0.43]]) * 1.2
    )
    out = []
    for i in range(people):
        skin = skin_tones[rng.integers(len(skin_tones))] * rng.uniform(0.8, 1.1)
        top, legs = muted_color(rng, 0.1, 1.3), muted_color(rng, 0.06, 0.5)
        hair = np.array([0.25, 0.17, 0.1]) * rng.uniform(0.3, 2.5)
        out.append(
            Clothes(
                palette.add("smooth", 1.5, skin, detail=0.2, variant=9),
                palette.add("bark", 5.0, hair),
                palette.add("cloth", rng.uniform(1.2, 2.5), top, variant=i % 2),
                palette.add("cloth", 2.0, legs, variant=2),
                palette.add("smooth", 2.0, (0.15, 0.12, 0.1), variant=9),
            )
        )
    return out


def crowd(rng, clothes: list[Clothes], places) -> list[Person]:
    """Returns people at `places`: (x, z, heading, speed) each."""
    return [
        Person(
            (x, z), heading, speed, rng.uniform(1.55, 1.9), c,
            rng.uniform(0, 6.28), bool(rng.uniform() < 0.35),
        )
        for c, (x, z, heading, speed) in zip(clothes, places, strict=False)
    ]  # fmt: skip


def car(palette: Palette, rng) -> tuple[Solid, ...]:
    """Returns a car around the origin, facing along z."""
    body = muted_color(rng, 0.1, 1.5)
    paint = palette.add("smooth", 0.4, body, detail=0.1, variant=9)
    glass = palette.add("clouds", 0.5, (0.12, 0.14, 0.17), detail=0.1)
    tyre = palette.add("smooth", 3.0, (0.12, 0.12, 0.13), variant=9)
    lamp = palette.add("smooth", 3.0, (2.0, 1.8, 1.4), detail=0.1, variant=9)
    wheels = [
        ellipsoid((0.78 * x, 0.32, 1.3 * z), (0.14, 0.32, 0.32), tyre)
        for x in (-1, 1)
        for z in (-1, 1)
    ]
    lamps = [
        ellipsoid((0.6 * x, 0.68, 2.1 * z), (0.15, 0.1, 0.06), lamp)
        for x in (-1, 1)
        for z in (-1, 1)
    ]
    return (
        box((0, 0.62, 0), (0.86, 0.3, 2.1), paint),
        ellipsoid((0, 0.9, 1.1), (0.85, 0.14, 1.0), paint),
        box((0, 1.13, -0.25), (0.74, 0.24, 1.05), glass),
        box((0, 1.39, -0.3), (0.76, 0.035, 1.0), paint),
        *[
            capsule((0.72 * x, 0.92, 0.8), (0.7 * x, 1.38, 0.62), 0.04, paint)
            for x in (-1, 1)
        ],
        *wheels,
        *lamps,
    )
