"""The settings of the diffusion fill; pixels are the film's own."""

import dataclasses

from stereojax.settings.fields import setting


@dataclasses.dataclass(frozen=True)
class DiffusionSettings:
    """The settings of a config whose fill is diffusion; other configs refuse them."""

    unet: str | None = setting(
        None,
        "weights of the U-Net that fills holes: the name of a part, or the folder of a"
        " training run; the config's by default",
    )
    seed: int = setting(0, "random seed of the noise", low=0, high=2**31 - 1)
    steps: int = setting(8, "number of noise levels", low=2, high=100)
    schedule: str = setting(
        "align_your_steps",
        "spacing of the noise levels",
        choices=("align_your_steps", "karras"),
    )
    guidance: float = setting(
        1.0,
        "strength of classifier-free guidance; 1 is off and halves the work",
        low=0,
        high=10,
    )
    window: int = setting(25, "number of frames denoised together", low=1, high=200)
    overlap: int = setting(
        4, "number of frames that a window shares with the previous", low=0, high=199
    )
    tile_height: int = setting(
        640, "largest height of a tile, px; smaller needs less memory",
        low=64, high=8192,
    )  # fmt: skip
    tile_width: int = setting(1024, "largest width of a tile, px", low=64, high=8192)
    tile_overlap: int = setting(
        128, "smallest overlap of neighbouring tiles, px", low=0, high=1024
    )
    tile_num: int = setting(
        0, "number of tiles each way, as the published tool counts; 0: by size",
        low=0, high=16,
    )  # fmt: skip
    # At the end, neighbours may have come to differ where they meet, and the mean of
    # two inventions is a blur. (Random networks show no seam either way:
    # `python -m benchmarks.tile_seams`.)
    tile_sync: str = setting(
        "every_step",
        "time at which overlapping tiles are blended: after every step, or once at the"
        " end",
        choices=("every_step", "end"),
    )
    tiles_at_once: int = setting(
        1, "number of tiles that a device denoises together; 0: all", low=0, high=256
    )


NAMES = tuple(field.name for field in dataclasses.fields(DiffusionSettings))
