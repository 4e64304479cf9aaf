"""Right views that a diffusion model makes, window by window, kept while needed.

A window is written when it is done, so a run that was killed goes on from there; it is
removed when all of its frames are in the film and the next window, which begins with
some of them, is there. So the disk holds a few windows, whatever the film's length.
"""

import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from stereojax import pipeline
from stereojax.inference.splat_grid import GridWarper
from stereojax.inference.warp import Warper
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.noise import shot_key
from stereojax.shapes import Shaped
from stereojax.stage_types import Shot
from stereojax.storage.atomic import partial_path
from stereojax.video.reading.reader import Reader
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
        for path, shot, number in self._files():
            owned = self._owned(shot)
            end = self._shot(shot).start + owned[number][1]
            last = number + 1 == len(owned)
            if end <= done and (last or self._path(shot, number + 1).exists()):
                path.unlink()

    def there(self) -> int:
        """Frames that lie here already."""
        return sum(
            end - own
            for _, shot, number in self._files()
            for own, end in [self._owned(shot)[number]]
        )

    def _files(self) -> Iterator[tuple[Path, int, int]]:
        """Each window that is here, in order: where, of which shot, which one."""
        for path in sorted(self.folder.glob("??????-??????.npy")):
            shot, number = map(int, path.stem.split("-"))
            yield path, shot, number

    @property
    def _shots(self) -> Sequence[Shot]:
        return self.warper.index.shots

    def _shot(self, shot: int) -> Shot:
        return self._shots[shot]

    def _windows(self, shot: int) -> tuple[Window, ...]:
        return self.diffusion.plan.windows(len(self._shot(shot)))

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
            part = partial_path(path)
            with part.open("wb") as file:
                np.save(file, views)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        return np.load(path, mmap_mode="r")

    def _make(self, shot: int, number: int) -> np.ndarray:
        window = self._windows(shot)[number]
        warped, occlusion, like = self._splat(shot, window)
        before = np.zeros((0, *warped.shape[1:]), like)
        if number:
            previous = self._windows(shot)[number - 1]
            skip = window.start - previous.start
            before = self._window(shot, number - 1)[skip : skip + window.overlap]
        return pipeline.inpaint(
            self.diffusion,
            window,
            warped,
            occlusion,
            np.asarray(before),
            shot_key(self.seed, shot),
            self.warper.look,
        )

    def _splat(
        self, shot: int, window: Window
    ) -> tuple[np.ndarray, np.ndarray, np.dtype]:
        """What of a window is seen, what is not, and the type of the film's pictures.

        In the host's memory: on the device it is wanted tile by tile.
        """
        first = self._shot(shot).start
        warped, occlusion = [], []
        with Reader(self.warper.index) as reader:
            for part in self.warper.read(
                first + window.start, first + window.stop, shot, reader
            ):
                count, like = len(part.frames), part.frames[0].image.dtype
                warped.append(np.asarray(part.splat.warped[:count]))
                occlusion.append(np.asarray(part.splat.occlusion[:count]))
        return np.concatenate(warped), np.concatenate(occlusion), like
