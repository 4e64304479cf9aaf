"""Finds settings without effect: refused as flags, or named and left unreported."""

from stereojax.settings import diffusion
from stereojax.settings.infer import InferSettings, ModelSettings

DEPTH_RANGE = (
    "divergence",
    "convergence",
    "max_disp",
    "depth_low",
    "depth_high",
    "edge_sharpen",
    "edge_dilate",
)
FILL = ("hole_dilate", "feather", "temporal_fill")
LOOK = (*DEPTH_RANGE, "depth_steady", "compositing", *FILL)
OUTPUT = ("layout", "anaglyph", "codec", "crf", "pixel_format")


def unread_settings(model: ModelSettings, settings: InferSettings) -> dict[str, str]:
    """Returns the settings without effect on any film, each with the reason."""
    unread = {}
    if model.fill != "diffusion":
        reason = "the config fills without diffusion; try --config=stereocrafter"
        unread |= dict.fromkeys(diffusion.NAMES, reason)
    elif model.recipe == "published":
        reason = "the published recipe generates every pixel"
        unread |= dict.fromkeys(("hole_dilate", "feather"), reason)
    if model.fill == "diffusion":
        unread["temporal_fill"] = "the config fills with diffusion"
    if settings.layout != "anaglyph":
        unread["anaglyph"] = f"--layout is {settings.layout}, not anaglyph"
    if settings.codec == "ffv1":
        unread["crf"] = "--codec=ffv1 is lossless"
    return unread


def unread_for_film(
    *,
    splat_grid: bool = False,
    depth_only: bool = False,
    background_fill: bool = True,
    units: str = "relative",
    per_frame_scale: bool = True,
) -> dict[str, str]:
    """Returns the settings without effect on one film, each with the reason.

    Args:
      splat_grid: the film is a splat grid.
      depth_only: the output is the depth file.
      background_fill: the holes are filled without diffusion.
      units: of the film's depth: "relative" or "pixels".
      per_frame_scale: the depth was estimated frame by frame, so it can be steadied.
    """
    unread = {}
    if depth_only:
        names = (*LOOK, *OUTPUT, *diffusion.NAMES)
        unread |= dict.fromkeys(names, "--depth_only writes raw depth")
    if splat_grid:
        names = (*DEPTH_RANGE, "depth_steady", "depth_model", "compositing")
        if background_fill:  # which needs the disparity
            names += FILL
        unread |= dict.fromkeys(names, "--splat_grid gives the splats")
    elif units == "pixels":
        names = (*DEPTH_RANGE, "depth_steady")
        unread |= dict.fromkeys(names, "the depth file holds disparity in pixels")
    elif not per_frame_scale:
        unread["depth_steady"] = "the depth model keeps one scale through a shot"
    return unread


# Settings of the model that each choice reads, besides `fill` and `recipe`.
_DIFFUSION = ("recipe", "unet", "vae", "image_encoder")
_DEPTHCRAFTER = ("depth_steps", "depth_guidance", "depth_window", "depth_overlap")


def unread_model_settings(model: ModelSettings, depth_model: str) -> set[str]:
    """Returns the fields of `config.model` that a run does not read."""
    unread = set()
    if model.fill != "diffusion":
        unread |= set(_DIFFUSION)
    if depth_model != "depthcrafter":
        unread |= set(_DEPTHCRAFTER)
        if model.fill != "diffusion":
            unread.add("dtype")
    return unread
