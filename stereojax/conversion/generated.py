"""Right views that a diffusion model makes, window by window, kept while needed.

A window is written when it is done, so a run that was killed goes on from there; it is
removed when all of its frames are in the film and the next window, which begins with
some of them, is there. So the disk holds a few windows, whatever the film's length.
"""

import dataclasses
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from stereojax import pipeline
from stereojax.conversion.splat_grid import GridWarper
from stereojax.conversion.warping import Warper
from stereojax.conversion.work import part_of
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.noise import shot_key
from stereojax.shapes import Shaped
from stereojax.stage_types import Shot, Splat
from stereojax.video.reader import Reader
from stereojax.windows import Window


@dataclasses.dataclass(frozen=True)
class GeneratedViews:
    """The right views of a film's frames, as integers like the film's own."""

    warper: Warper | GridWarper
    diffusion: Diffusion
    seed: int
    folder: Path
    keep: bool = False  # remove nothing: the film is read again

    def read(self, start: int, stop: int, shot: int) -> Shaped[np.ndarray, "t h w 3"]:
        """Frames `start` to `stop - 1` of one shot; makes what is not there yet."""
        first = self._shot(shot).start
        views = []
        for i, (own, end) in enumerate(self._owned(shot)):
            a, b = max(start - first, own), min(stop - first, end)
            if a < b:
                begins = self._windows(shot)[i].start
                views.append(self._window(shot, i)[a - begins : b - begins])
        return np.concatenate(views)

    def release(self, done: int) -> None:
        """Removes what no frame from `done` on needs."""
        if self.keep:
            return
        for shot in self._shots:
            if shot.start >= done:
                return
            owned = self._owned(shot.index)
            for i, (_, end) in enumerate(owned):
                followed = i + 1 == len(owned) or self._path(shot.index, i + 1).exists()
                if shot.start + end <= done and followed:
                    self._path(shot.index, i).unlink(missing_ok=True)

    def there(self) -> int:
        """Frames that lie here already."""
        return sum(
            end - own
            for shot in self._shots
            for i, (own, end) in enumerate(self._owned(shot.index))
            if self._path(shot.index, i).exists()
        )

    @property
    def _shots(self) -> Sequence[Shot]:
        return self.warper.index.shots

    def _shot(self, shot: int) -> Shot:
        return self._shots[shot]

    def _windows(self, shot: int) -> tuple[Window, ...]:
        return self.diffusion.windows(len(self._shot(shot)))

    def _owned(self, shot: int) -> list[tuple[int, int]]:
        """The frames that each window has the last word on, counted from the shot's."""
        windows = self._windows(shot)
        starts = [w.start for w in windows] + [len(self._shot(shot))]
        return list(itertools.pairwise(starts))

    def _path(self, shot: int, window: int) -> Path:
        return self.folder / f"{shot:06}-{window:06}.npy"

    def _window(self, shot: int, number: int) -> np.ndarray:
        path = self._path(shot, number)
        if not path.exists():
            views = self._make(shot, number)
            part = part_of(path)
            with part.open("wb") as file:
                np.save(file, views)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        return np.load(path, mmap_mode="r")

    def _make(self, shot: int, number: int) -> np.ndarray:
        window = self._windows(shot)[number]
        splat, like = self._splat(shot, window)
        before = np.zeros((0, *splat.warped.shape[1:]), like)
        if number:
            previous = self._windows(shot)[number - 1]
            skip = window.start - previous.start
            before = self._window(shot, number - 1)[skip : skip + window.overlap]
        return pipeline.inpaint(
            self.diffusion,
            window,
            splat,
            np.asarray(before),
            shot_key(self.seed, shot),
            self.warper.look,
        )

    def _splat(self, shot: int, window: Window) -> tuple[Splat, np.dtype]:
        """A window's splats, and the type of the film's pictures."""
        first = self._shot(shot).start
        warped, occlusion = [], []
        with Reader(self.warper.index) as reader:
            for part in self.warper.read(
                first + window.start, first + window.stop, shot, reader
            ):
                count, like = len(part.frames), part.frames[0].image.dtype
                warped.append(np.asarray(part.splat.warped[:count]))
                occlusion.append(np.asarray(part.splat.occlusion[:count]))
        both = (jnp.asarray(np.concatenate(x)) for x in (warped, occlusion))
        return Splat(*both), like
