"""Synthetic videos: shots of seeded scenes, rendered frame by frame."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator

import numpy as np

from stereojax.stage_types import Shot
from stereojax.synthetic.render import StereoFrame, render_frame
from stereojax.synthetic.sets import SETS, draw_scene
from stereojax.synthetic.world import Scene, World, prepare_world


@dataclasses.dataclass(frozen=True)
class SceneConfig:
    """The settings of a synthetic video; with a seed they determine every pixel."""

    frames: int = 48
    height: int = 270
    width: int = 480
    shots: int = 2
    # Upper bound of |disparity|, in % of the width.
    max_disparity_percent: float | int = 2.0
    frame_rate: float | int = 24.0
    # Film sets, one per shot, in random order; each is used once before any repeats.
    sets: tuple[str, ...] = ("street", "park", "room")

    def __post_init__(self):
        for name in ("frames", "height", "width", "shots"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.shots > self.frames:
            raise ValueError(
                f"shots={self.shots}: expected at most frames={self.frames}"
            )
        for name in self.sets:
            if name not in SETS:
                raise ValueError(f"sets={name}: expected names from {', '.join(SETS)}")
        if not self.sets:
            raise ValueError("sets=() is empty; expected at least one name")
        for name in ("max_disparity_percent", "frame_rate"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be positive")


@dataclasses.dataclass(frozen=True)
class SyntheticFilm:
    """A seeded video whose frames can be rendered in any order."""

    seed: int
    config: SceneConfig
    shots: tuple[Shot, ...]

    def __len__(self) -> int:
        return self.config.frames

    @property
    def cuts(self) -> tuple[int, ...]:
        """First frame of each shot after the first."""
        return tuple(shot.start for shot in self.shots[1:])

    def disparity_at_infinity(self, shot: int) -> float:
        """Returns the disparity of points at infinite depth in a shot, in pixels.

        Disparity minus this value is proportional to inverse depth.
        """
        return float(_world(self, shot).rig.disparity(np.full(1, np.inf))[0])

    def render(self, start: int = 0, stop: int | None = None) -> Iterator[StereoFrame]:
        """Yields frames `start` to `stop - 1`."""
        stop = len(self) if stop is None else stop
        if not 0 <= start <= stop <= len(self):
            raise ValueError(
                f"frames {start}:{stop}: expected a range within 0:{len(self)}"
            )
        config = self.config
        for shot in self.shots:
            for frame in range(max(start, shot.start), min(stop, shot.stop)):
                time = (frame - shot.start) / config.frame_rate
                world = _world(self, shot.index)
                yield render_frame(world, time, config.height, config.width)


def make_film(seed: int, **config) -> SyntheticFilm:
    """Returns the video for a seed; `config` are fields of `SceneConfig`.

    >>> film = make_film(0, frames=48, height=180, width=320, shots=2)
    >>> for frame in film.render():
    ...     frame.left, frame.right, frame.disparity, frame.occlusion
    """
    config = SceneConfig(**config)
    rng = np.random.default_rng([seed, 0])
    # Cuts are evenly spaced; with shots of 4 frames or more, each is moved at random.
    length = config.frames / config.shots
    jitter = rng.uniform(-0.2, 0.2, config.shots - 1) * (length if length >= 4 else 0)
    cuts = np.floor(np.arange(1, config.shots) * length + jitter)
    edges = [0, *cuts.astype(int).tolist(), config.frames]
    shots = (Shot(i, a, b) for i, (a, b) in enumerate(itertools.pairwise(edges)))
    return SyntheticFilm(seed, config, tuple(shots))


@functools.lru_cache(maxsize=1)
def _world(film: SyntheticFilm, index: int) -> World:
    """Returns the scene of a shot, with its camera and disparity range."""
    config, shot = film.config, film.shots[index]
    order = np.random.default_rng([film.seed, 1])
    rounds = index // len(config.sets) + 1
    names = np.concatenate([order.permutation(config.sets) for _ in range(rounds)])
    rng = np.random.default_rng([film.seed, 3, index])
    share = rng.uniform(0.6, 1.0) * config.max_disparity_percent / 100
    duration = (len(shot) - 1) / config.frame_rate
    scene = _scene(film.seed, index, str(names[index]))
    screen = rng.uniform(0.4, 0.8)
    return prepare_world(scene, duration, config.width, share * config.width, screen)


@functools.lru_cache(maxsize=1)  # about 100 MB each
def _scene(seed: int, index: int, name: str) -> Scene:
    return draw_scene(name, np.random.default_rng([seed, 2, index]))
