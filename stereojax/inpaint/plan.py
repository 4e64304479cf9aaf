"""Plans the inpainting of a film: windows of frames, canvas size and tiles.

The canvas is the padded or cropped picture that the networks process. The plan depends
on the sizes of the networks and not on their weights.
"""

import dataclasses

from stereojax.cli import InputError
from stereojax.inpaint.recipe import Recipe
from stereojax.inpaint.tiles import Tiles
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.windows import Window


@dataclasses.dataclass(frozen=True)
class Plan:
    """Plans windows, canvas and tiles for one U-Net and one VAE."""

    settings: DiffusionSettings
    recipe: Recipe
    factor: int  # pixels per latent of the VAE, along each axis
    multiple: int  # the U-Net needs tiles of a multiple of this many latents per axis
    channels: int = 4  # channels of the latents

    def windows(self, frames: int) -> tuple[Window, ...]:
        """Plans the windows of a shot with `frames` frames."""
        settings = self.settings
        return self.recipe.plan_windows(frames, settings.window, settings.overlap)

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """Returns (height, width) of the canvas of a picture, in pixels."""
        return self.recipe.canvas(height, width, self.multiple * self.factor)

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Returns the shape of the latents, and of the noise, of one picture."""
        down, across = (n // self.factor for n in self.canvas(height, width))
        return down, across, self.channels

    def tiles(self, height: int, width: int) -> Tiles:
        """Plans the tiles, in latents, of a picture of `height` x `width` pixels.

        Raises:
          InputError: the canvas cannot be tiled with the tile settings.
        """
        canvas = self.latent_shape(height, width)[:2]
        try:
            return self.recipe.plan_tiles(
                canvas, self.settings, self.factor, self.multiple
            )
        except ValueError as error:
            raise InputError(
                f"cannot tile a picture of {width}x{height} px with --tile_num, "
                "--tile_height, --tile_width and --tile_overlap "
                f"(1 latent is {self.factor} px): {error}"
            ) from None
