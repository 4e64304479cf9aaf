"""Plans the inpainting of a film: windows of frames, the canvas, its tiles.

The plan depends on the sizes of the networks and not on their weights.
"""

import dataclasses

from stereojax.cli import InputError
from stereojax.inpaint.recipe import Recipe
from stereojax.inpaint.tiles import Tiles
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.windows import Window


@dataclasses.dataclass(frozen=True)
class Plan:
    """Applies a recipe to the sizes of a U-Net and a VAE."""

    settings: DiffusionSettings
    recipe: Recipe
    factor: int  # the VAE's: pixels per latent, along each axis
    multiple: int  # the U-Net's: a tile's height and width are multiples of this
    channels: int = 4  # channels of the latents

    def windows(self, frames: int) -> tuple[Window, ...]:
        """Plans the windows of a shot with `frames` frames."""
        settings = self.settings
        return self.recipe.plan_windows(frames, settings.window, settings.overlap)

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """Returns the size, in pixels, to which pictures of this size are fitted."""
        return self.recipe.canvas(height, width, self.multiple * self.factor)

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Returns the shape of one frame's noise, for pictures of this size."""
        down, across = (n // self.factor for n in self.canvas(height, width))
        return down, across, self.channels

    def tiles(self, height: int, width: int) -> Tiles:
        """Plans the tiles, in latents, of pictures of this size.

        Raises:
          InputError: the settings allow no tiles of pictures of this size.
        """
        canvas = self.latent_shape(height, width)[:2]
        try:
            return self.recipe.plan_tiles(
                canvas, self.settings, self.factor, self.multiple
            )
        except ValueError as error:
            raise InputError(
                f"a picture of {width}x{height} px in tiles (--tile_num, "
                "--tile_height, --tile_width, --tile_overlap; a latent is "
                f"{self.factor} px): {error}"
            ) from None
