"""Synthesizes the left view of a training pair from one picture, the right view.

A training pair needs a splatted right view whose holes have a known truth. Here the
truth is the film's own frame, so that frame is the right view. It is splatted to the
left eye by its disparity; the result is the record's left view. Splatting that view
back, as every reader of records does, gives the film's frame again, except where nearer
objects occluded it in the left view: these pixels are the holes.

The left view's disocclusions are not in the film. Their disparity is NaN, so that they
land nowhere; their colours only avoid an edge in the JPEG.

Only the disparity is splatted, with sharp weights for the nearest. The colours are
sampled from the frame by bicubic interpolation: the left view is then about as sharp as
a filmed one, and the splat back blurs it as it blurs a film at inference.
"""

import dataclasses

import cv2
import numpy as np

from data_prep.stages.consistency import fill_rows
from data_prep.stages.packing import View
from stereojax.shapes import Float
from stereojax.splat import forward_splat

# Octaves of weight per pixel: averages neighbouring depths, else takes the nearest.
_SHARPNESS = 4.0
_MIN_COVERAGE = 0.1  # of a pixel; less is a gap


@dataclasses.dataclass(frozen=True)
class SynthesizeLeftView:
    """Makes the left view and its disparity from the right view and its disparity."""

    def __call__(
        self, right: View, disparity: Float[np.ndarray, "h w"]
    ) -> tuple[View, Float[np.ndarray, "h w"]]:
        """`disparity`: pixels, 0 or more. In the result, NaN marks disocclusions."""
        # `forward_splat` moves pixels left; mirrored, that is towards the left eye.
        mirrored = np.ascontiguousarray(disparity[:, ::-1])
        splat = forward_splat(mirrored[..., None], mirrored, sharpness=_SHARPNESS)
        moved = np.asarray(splat.warped)[:, ::-1, 0]
        covered = np.asarray(splat.occlusion)[:, ::-1] < 1 - _MIN_COVERAGE
        left_disparity = np.where(covered, moved, np.nan).astype(np.float32)
        y, x = np.indices(left_disparity.shape, dtype=np.float32)
        left = cv2.remap(
            right,
            x - fill_rows(left_disparity),
            y,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return left, left_disparity
