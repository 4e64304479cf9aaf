"""What fills a film's holes: nothing to load, or a diffusion model."""

import dataclasses
import functools
import sys

from stereojax.conversion.options import Options
from stereojax.inpaint.diffusion import Diffusion
from stereojax.inpaint.networks import RANDOM, load_networks
from stereojax.settings import InferSettings, ModelSettings
from stereojax.stage_types import VideoInfo


@dataclasses.dataclass(frozen=True)
class FillChoice:
    """A config's fill, found and not loaded yet."""

    model: ModelSettings
    settings: InferSettings
    options: Options
    identity: str  # tells its weights from any other: part of the key of what it made

    @property
    def generates(self) -> bool:
        return self.model.fill == "diffusion"

    @functools.cached_property
    def diffusion(self) -> Diffusion:
        """The networks in memory.

        Raises:
          InputError: they are not the right ones, or damaged.
        """
        from stereojax.weights import root

        model = self.model
        if model.unet == RANDOM:
            print(
                "fill: small random networks: what they make means nothing",
                file=sys.stderr,
            )
        networks = load_networks(
            model.unet,
            model.vae,
            model.image_encoder,
            root=root(self.options.weights_dir),
            dtype=None if model.dtype == "auto" else model.dtype,
        )
        published = model.recipe == "published"
        return Diffusion(networks, self.settings, published=published)

    def check(self, info: VideoInfo) -> None:
        """Raises InputError where a film of this size cannot be filled."""
        if self.generates:
            self.diffusion.tiles(info.height, info.width)


def choose_fill(
    model: ModelSettings, settings: InferSettings, options: Options
) -> FillChoice:
    """Raises InputError when weights are not there; one line says how to get them."""
    from stereojax.weights import fingerprint, require, root

    parts = (
        ()
        if model.fill == "background"
        else (model.unet, model.vae, model.image_encoder)
    )
    where = root(options.weights_dir)
    marks = [
        RANDOM if part == RANDOM else fingerprint(require(part, root=where))
        for part in parts
    ]
    return FillChoice(model, settings, options, " ".join(marks))
