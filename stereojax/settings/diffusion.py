"""The settings of the diffusion fill; lengths in pixels refer to the film's size."""

import dataclasses

from stereojax.settings.fields import setting


@dataclasses.dataclass(frozen=True)
class DiffusionSettings:
    """The settings of configs whose fill is diffusion; other configs refuse them."""

    unet: str | None = setting(
        None,
        "weights of the U-Net that fills holes: a converted network, such as"
        " stereocrafter/unet, or the folder of a training run; by default the config's",
    )
    seed: int = setting(0, "seed of the noise that is denoised", low=0, high=2**31 - 1)
    steps: int = setting(8, "number of noise levels of the sampler", low=2, high=100)
    schedule: str = setting(
        "align_your_steps",
        "schedule of the noise levels",
        choices=("align_your_steps", "karras"),
    )
    guidance: float = setting(
        1.0,
        "scale of classifier-free guidance; 1 is off and halves the time",
        low=0,
        high=10,
    )
    window: int = setting(25, "number of frames denoised together", low=1, high=200)
    overlap: int = setting(
        4, "number of frames that consecutive windows share", low=0, high=199
    )
    tile_height: int = setting(
        640, "largest height of a tile, px of the film; smaller needs less memory",
        low=64, high=8192,
    )  # fmt: skip
    tile_width: int = setting(
        1024, "largest width of a tile, px of the film", low=64, high=8192
    )
    tile_overlap: int = setting(
        128, "smallest overlap of neighbouring tiles, px of the film", low=0, high=1024
    )
    tile_num: int = setting(
        0, "number of tiles along each axis, as in the published code; 0 takes it from"
        " --tile_height and --tile_width",
        low=0, high=16,
    )  # fmt: skip
    # Tiles that are denoised independently may generate different content in their
    # overlap, and its mean is blurred. (With random networks neither choice shows a
    # seam: `python -m benchmarks.tile_seams`.)
    tile_sync: str = setting(
        "every_step",
        "time at which overlapping tiles are blended: after every sampler step, or once"
        " at the end",
        choices=("every_step", "end"),
    )
    tiles_at_once: int = setting(
        1, "number of tiles that a device denoises at once; 0 is all", low=0, high=256
    )


NAMES = tuple(field.name for field in dataclasses.fields(DiffusionSettings))
