"""The interface of fills, and the fills without networks."""

from typing import Protocol, runtime_checkable

from stereojax.inpaint.background import fill_background
from stereojax.shapes import Array, Float
from stereojax.stage_types import FrameRange, Splat


@runtime_checkable
class Fill(Protocol):
    """Fills the holes of a film's splatted views.

    A fill that needs frames beyond those of the call reads them from the film. It may
    generate a whole shot in the first call and keep the result for later calls.
    """

    # True if the results are right views that the caller uses without compositing.
    composed: bool

    def __call__(self, splat: Splat, frames: FrameRange) -> Float[Array, "t h w 3"]:
        """Returns complete pictures in [0, 1] for the splats of `frames`.

        `splat` may be padded at the end with copies of its last frame.
        """
        ...

    def release(self, stop: int) -> None:
        """Frees results kept for frames before `stop`, which are encoded already."""
        ...


class BackgroundFill:
    """Extends the background into the hole, frame by frame."""

    composed = False

    def __call__(self, splat: Splat, frames: FrameRange) -> Float[Array, "t h w 3"]:
        return fill_background(splat.warped, splat.occlusion)

    def release(self, stop: int) -> None:
        pass


class NoFill:
    """Leaves holes black, for callers that need only the splats."""

    composed = True

    def __call__(self, splat: Splat, frames: FrameRange) -> Float[Array, "t h w 3"]:
        return splat.warped

    def release(self, stop: int) -> None:
        pass
