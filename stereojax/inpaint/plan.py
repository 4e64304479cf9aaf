"""How a film is gone through: windows of frames, the canvas, its tiles.

Known before any network is loaded.
"""

import dataclasses

from stereojax.cli import InputError
from stereojax.inpaint.tiles import Tiles, plan_published_tiles, plan_tiles
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.windows import Window, plan_published_windows, plan_windows

CROP = 128  # the published code cuts to multiples of this


@dataclasses.dataclass(frozen=True)
class Plan:
    """For networks of some sizes; `published` counts as StereoCrafter's code does."""

    settings: DiffusionSettings
    factor: int  # pixels a latent, of the VAE
    multiple: int  # latents that a tile's sides are multiples of, of the U-Net
    channels: int = 4  # of a latent
    published: bool = False

    def windows(self, frames: int) -> tuple[Window, ...]:
        """How a shot of so many frames is gone through."""
        plan = plan_published_windows if self.published else plan_windows
        return plan(frames, self.settings.window, self.settings.overlap)

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """The size in pixels that pictures are padded to; published: cut to."""
        if self.published:
            return height // CROP * CROP, width // CROP * CROP
        multiple = self.multiple * self.factor
        return height + -height % multiple, width + -width % multiple

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Of one frame's noise, for pictures of this size."""
        down, across = (n // self.factor for n in self.canvas(height, width))
        return down, across, self.channels

    def tiles(self, height: int, width: int) -> Tiles:
        """How pictures of this size are tiled, in latents.

        Raises:
          InputError: the settings allow no tiles of it.
        """
        canvas = self.latent_shape(height, width)[:2]
        how = self.settings
        try:
            if 0 in canvas:
                raise ValueError(f"it is smaller than {CROP} px")
            if self.published:
                return plan_published_tiles(canvas, max(1, how.tile_num))
            overlap = how.tile_overlap // self.factor
            longest = how.tile_height // self.factor, how.tile_width // self.factor
            if how.tile_num:
                # Each way, total + overlap * (number - 1) is shared out evenly.
                high, wide = (n + overlap * (how.tile_num - 1) for n in canvas)
                longest = tuple(
                    -(-n // how.tile_num) + self.multiple - 1 for n in (high, wide)
                )
            return plan_tiles(canvas, longest, overlap=overlap, multiple=self.multiple)
        except ValueError as error:
            raise InputError(
                f"a picture of {width}x{height} px in tiles (--tile_num, "
                "--tile_height, --tile_width, --tile_overlap; a latent is "
                f"{self.factor} px): {error}"
            ) from None
