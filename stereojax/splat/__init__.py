"""Forward splatting of a view to the other eye; needs only jax and numpy."""

from stereojax.splat.api import forward_splat, sharpness_for
from stereojax.splat.choice import Choice, choose
from stereojax.stage_types import Splat

__all__ = ["Choice", "Splat", "choose", "forward_splat", "sharpness_for"]
