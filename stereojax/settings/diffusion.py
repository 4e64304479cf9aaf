"""The settings of the diffusion fill; pixels are the film's own."""

import dataclasses

from stereojax.settings.fields import setting


@dataclasses.dataclass(frozen=True)
class DiffusionSettings:
    """How holes are filled where a config's fill is diffusion; others refuse them."""

    unet: str | None = setting(
        None, "weights that fill, by name, or as the folder that training left"
    )
    seed: int = setting(0, "of the noise", low=0, high=2**31 - 1)
    steps: int = setting(8, "noise levels of the schedule", low=2, high=100)
    schedule: str = setting(
        "align_your_steps",
        "how noise levels are spaced",
        choices=("align_your_steps", "karras"),
    )
    guidance: float = setting(
        1.0, "strength of the conditioning; 1 is half the work", low=0, high=10
    )
    window: int = setting(25, "frames denoised together", low=1, high=200)
    overlap: int = setting(
        4, "frames that a window shares with the one before", low=0, high=199
    )
    tile_height: int = setting(
        640, "longest tile, px; less needs less memory", low=64, high=8192
    )
    tile_width: int = setting(1024, "widest tile, px", low=64, high=8192)
    tile_overlap: int = setting(
        128, "that neighbouring tiles share, px", low=0, high=1024
    )
    tile_num: int = setting(
        0, "this many tiles each way, as the published tool counts; 0: by size",
        low=0, high=16,
    )  # fmt: skip
    # At the end, neighbours may have come to differ where they meet, and the mean of
    # two inventions is a blur. (Random networks show no seam either way:
    # `python -m benchmarks.tile_seams`.)
    tile_sync: str = setting(
        "every_step", "when tiles are blended", choices=("every_step", "end")
    )
    tiles_at_once: int = setting(
        1, "tiles that a device works on together; 0: all", low=0, high=256
    )


NAMES = tuple(field.name for field in dataclasses.fields(DiffusionSettings))
