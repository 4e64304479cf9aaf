"""Chooses the fill of a film's holes: the background, or a diffusion model."""

import dataclasses
import sys
from pathlib import Path

from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.networks import InpaintParts, find_networks
from stereojax.inpaint.published import PUBLISHED
from stereojax.inpaint.recipe import OURS, Recipe
from stereojax.settings import InferSettings, ModelSettings
from stereojax.settings.run_options import RunOptions
from stereojax.stage_types import VideoInfo
from stereojax.weights import trained_part


@dataclasses.dataclass(frozen=True)
class FillChoice:
    """A config's fill: its weights are located and not loaded yet."""

    settings: InferSettings
    networks: InpaintParts | None = None  # None: the background fill
    recipe: Recipe = OURS

    @property
    def identity(self) -> str:
        """Identifies the fill's weights: part of the key of its results."""
        return self.networks.identity if self.networks else "background"

    def check(self, info: VideoInfo) -> None:
        """Raises InputError if a film of this size cannot be tiled."""
        if self.networks:
            plan = self.networks.plan(self.settings, self.recipe)
            plan.tiles(info.height, info.width)

    def load(self) -> Diffusion:
        """Raises InputError if weights are damaged."""
        if not self.networks.folders:
            print(
                "fill: small random networks: the holes are filled with noise",
                file=sys.stderr,
            )
        return Diffusion(self.networks.load(), self.settings, recipe=self.recipe)


def choose_fill(
    model: ModelSettings, settings: InferSettings, options: RunOptions
) -> FillChoice:
    """Raises InputError if weights are absent; the line names the convert command."""
    from stereojax.weights import root

    if model.fill == "background" or options.depth_only:
        return FillChoice(settings)
    networks = find_networks(
        _trained(settings.unet) if settings.unet else model.unet,
        model.vae,
        model.image_encoder,
        root=root(options.weights_dir),
        dtype=model.dtype,
    )
    recipe = PUBLISHED if model.recipe == "published" else OURS
    return FillChoice(settings, networks, recipe)


def _trained(unet: str) -> str:
    """Returns the weights folder of a training run at that path, else `unet` itself."""
    path = Path(unet).expanduser()
    if not path.exists():
        return unet
    # Absolute, so that joining it to the weights root leaves it as it is.
    return str(trained_part(path, flag="unet").resolve())
