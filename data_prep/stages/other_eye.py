"""A training pair from one picture: it is the right view, the left one is made of it.

What a training pair has to give is a splatted right view with holes of known truth.
Here the truth is the film's own frame, so that frame is the right view. It is splatted
to the left eye by its disparity, and what that eye sees is the record's left view.
Splatted back, by the code that serves every record, it lands on the film's frame again,
except on what something nearer hid from the left eye: these are the holes.

What the left eye sees and the film does not show is unknown. It has no disparity (NaN),
so that nothing lands from there; its colours only spare the JPEG an edge.

Only the disparity is splatted there, nearest first. The colours are then taken from the
frame by bicubic interpolation, so that a left view is about as sharp as a filmed one,
and the way back blurs it just as the splat blurs a film that is converted.
"""

import dataclasses

import cv2
import numpy as np

from data_prep.stages.consistency import fill_rows
from data_prep.stages.packing import View
from stereojax.shapes import Float
from stereojax.splat import forward_splat

# Octaves of weight per pixel: between neighbours in depth a mean, else the nearest.
_SHARPNESS = 4.0
_COVERED = 0.1  # of a pixel; less is a gap


@dataclasses.dataclass(frozen=True)
class OtherEye:
    """From the right view and its disparity to the left view and its own."""

    def __call__(
        self, right: View, disparity: Float[np.ndarray, "h w"]
    ) -> tuple[View, Float[np.ndarray, "h w"]]:
        """Disparities in pixels, 0 or more; NaN in what comes back is a gap."""
        # Mirrored, the left eye is a right one, and its splat moves pixels left.
        mirrored = np.ascontiguousarray(disparity[:, ::-1])
        splat = forward_splat(mirrored[..., None], mirrored, sharpness=_SHARPNESS)
        moved = np.asarray(splat.warped)[:, ::-1, 0]
        seen = np.asarray(splat.occlusion)[:, ::-1] < 1 - _COVERED
        found = np.where(seen, moved, np.nan).astype(np.float32)
        y, x = np.indices(found.shape, dtype=np.float32)
        left = cv2.remap(
            right,
            x - fill_rows(found),
            y,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return left, found
