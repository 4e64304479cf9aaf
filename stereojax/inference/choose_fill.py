"""What fills a film's holes: nothing to load, or a diffusion model."""

import dataclasses
import sys
from pathlib import Path

from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.networks import InpaintParts, find_networks
from stereojax.settings import InferSettings, ModelSettings
from stereojax.settings.run_options import Options
from stereojax.stage_types import VideoInfo
from stereojax.weights import trained_part


@dataclasses.dataclass(frozen=True)
class FillChoice:
    """A config's fill, found and not loaded yet."""

    settings: InferSettings
    networks: InpaintParts | None = None  # None: the holes' surroundings go on
    published: bool = False

    @property
    def identity(self) -> str:
        """Tells what it fills in from any other's, at the same settings."""
        return self.networks.identity if self.networks else "background"

    def check(self, info: VideoInfo) -> None:
        """Raises InputError where a film of this size cannot be filled."""
        if self.networks:
            plan = self.networks.plan(self.settings, self.published)
            plan.tiles(info.height, info.width)

    def load(self) -> Diffusion:
        """Raises InputError where weights are damaged."""
        if not self.networks.folders:
            print(
                "fill: small random networks: what they make means nothing",
                file=sys.stderr,
            )
        networks = self.networks.load()
        return Diffusion(networks, self.settings, published=self.published)


def choose_fill(
    model: ModelSettings, settings: InferSettings, options: Options
) -> FillChoice:
    """Raises InputError when weights are not there; one line says how to get them."""
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
    return FillChoice(settings, networks, model.recipe == "published")


def _trained(unet: str) -> str:
    """Returns the folder of the weights at that path, or `unet` as a part's name."""
    path = Path(unet).expanduser()
    if not path.exists():
        return unet
    # Absolute, so that joining it to the weights root leaves it as it is.
    return str(trained_part(path, flag="unet").resolve())
