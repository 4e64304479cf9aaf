"""The settings of training: the `train` section of a config.

A field is also a flag of `train`: `--config.train.steps=100`.
"""

import dataclasses

from stereojax.cli import InputError
from stereojax.settings.fields import setting

RANDOM = "random"  # in place of a part's name: a small network of random weights
PATCHES = "patches"  # in place of the VAE's: pixels, rearranged


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """All that decides what a run learns.

    The paper gives the size, the frames, the strides, the known frames, the optimizer,
    its rate, the steps and the batch; the noise levels are SVD's. The rest is ours:
    dropout, mirror images, AdamW's other numbers, `clip_norm`.
    """

    task: str = setting("inpaint", "what is learnt: name in stereojax.training.task")
    seed: int = setting(0, "of everything that is drawn", low=0, high=2**31 - 1)

    # Networks: names of parts, or `random`.
    unet: str = setting("svd/unet", "part that training begins from; or random")
    vae: str = setting("svd/vae", "part that makes latents; random; or patches")
    image_encoder: str = setting(
        "svd/image_encoder", "part that embeds the first frame; or random"
    )
    widths: str = setting("64,128", "channels of a random U-Net, by level")
    dtype: str = setting(
        "auto",
        "of activations; auto is float32 on a CPU, bfloat16 elsewhere",
        choices=("auto", "float32", "bfloat16"),
    )
    frozen_dtype: str = setting(
        "bfloat16", "that frozen weights are held in", choices=("bfloat16", "float32")
    )
    remat: str = setting(
        "block", "what gradients recompute to save memory", choices=("block", "none")
    )

    # What is seen of a record.
    frames: int = setting(25, "frames of a sample", low=1, high=200)
    height: int = setting(576, "of a sample, px", low=8, high=8192)
    width: int = setting(1024, "of a sample, px", low=8, high=8192)
    min_stride: int = setting(1, "smallest step from frame to frame", low=1, high=100)
    max_stride: int = setting(6, "largest step from frame to frame", low=1, high=100)
    zoom: float = setting(
        1.0, "largest enlargement before the crop; 1 is the whole", low=1, high=8
    )
    flip: float = setting(
        0.5, "chance of a mirror image, whose eyes are swapped", low=0, high=1
    )
    synthetic_scenes: int = setting(
        2000, "different scenes where there is no --data", low=1, high=10**9
    )
    synthetic_disparity: float = setting(
        2.0, "most of a synthetic scene's, % of the width", low=0.1, high=30
    )
    cached_draws: int = setting(
        0,
        "samples of a clip, whose latents are kept on disk; 0: always new ones",
        low=0,
        high=10**6,
    )
    workers: int = setting(
        8,
        "processes that read and decode, each two batches ahead; 0: threads",
        low=0,
        high=256,
    )
    prefetch: int = setting(2, "batches ready in advance", low=1, high=100)

    # The objective.
    sigma_mean: float = setting(0.7, "of ln(sigma)", low=-10, high=10)
    sigma_std: float = setting(1.6, "of ln(sigma)", low=0, high=10)
    known_frames: int = setting(
        12, "at most so many first frames are given complete", low=0, high=200
    )
    pooling: str = setting(
        "max", "from pixels of a hole to latents", choices=("max", "nearest")
    )
    clip_dropout: float = setting(
        0.05, "chance that only the image embedding is zero", low=0, high=1
    )
    latent_dropout: float = setting(
        0.05, "chance that only latents and mask are zero", low=0, high=1
    )
    both_dropout: float = setting(
        0.05, "chance that all three are: what guidance leads from", low=0, high=1
    )
    hole_weight: float = setting(
        1.0, "weight of a latent in a hole; 1 elsewhere", low=0, high=1000
    )
    pixel_l1: float = setting(
        0.0, "weight of L1 on decoded crops; 0: none", low=0, high=1000
    )
    pixel_lpips: float = setting(
        0.0, "weight of LPIPS on decoded crops; 0: none", low=0, high=1000
    )
    pixel_crop: int = setting(128, "side of a decoded crop, px", low=16, high=4096)
    pixel_frames: int = setting(2, "frames of a decoded crop", low=1, high=200)

    # The optimizer.
    steps: int = setting(26000, "updates in all", low=1, high=10**9)
    batch: int = setting(8, "samples an update, over all devices", low=1, high=10**6)
    accumulate: int = setting(
        0,
        "parts that a device works through for an update; 0: one a sample",
        low=0,
        high=10**4,
    )
    optimizer: str = setting("adamw", "its rule", choices=("adamw", "sgd"))
    learning_rate: float = setting(1e-5, "constant", low=0, high=10)
    warmup_steps: int = setting(
        0, "steps over which it rises from 0", low=0, high=10**9
    )
    weight_decay: float = setting(1e-2, "of AdamW", low=0, high=1)
    beta1: float = setting(0.9, "of AdamW", low=0, high=1)
    beta2: float = setting(0.999, "of AdamW", low=0, high=1)
    epsilon: float = setting(1e-8, "of AdamW", low=0, high=1)
    clip_norm: float = setting(
        1.0, "gradients are shortened to this norm; 0: never", low=0, high=1e6
    )
    fsdp: int = setting(
        0,
        "devices that share one copy of the state; 0: all of a host",
        low=0,
        high=10**5,
    )

    # What is kept and what is said.
    log_every: int = setting(10, "steps from row to row", low=1, high=10**9)
    checkpoint_every: int = setting(500, "steps between checkpoints", low=1, high=10**9)
    keep: int = setting(3, "newest checkpoints that stay", low=1, high=10**6)
    keep_best: int = setting(1, "best ones, by validation, that stay", low=0, high=1000)
    validate_every: int = setting(
        1000, "steps from validation to validation; 0: none", low=0, high=10**9
    )
    validation_scenes: int = setting(8, "held-out samples", low=1, high=10**6)
    validation_steps: int = setting(8, "of the sampler", low=2, high=100)

    def __post_init__(self):
        if self.min_stride > self.max_stride:
            raise InputError(
                f"min_stride={self.min_stride}: expected at most "
                f"max_stride={self.max_stride}"
            )
        dropped = self.clip_dropout + self.latent_dropout + self.both_dropout
        if dropped > 1:
            raise InputError(
                "clip_dropout + latent_dropout + both_dropout is "
                f"{dropped:g}: expected at most 1"
            )
        if self.cached_draws and self.needs_pixels:
            raise InputError(
                f"cached_draws={self.cached_draws}: expected 0, as pixel_l1 and "
                "pixel_lpips need pictures, and only latents are kept"
            )
        if self.accumulate and self.batch % self.accumulate:
            raise InputError(
                f"batch={self.batch}: expected a multiple of "
                f"accumulate={self.accumulate}"
            )

    @property
    def needs_pixels(self) -> bool:
        """Whether the loss is also of pictures."""
        return self.pixel_l1 > 0 or self.pixel_lpips > 0

    @property
    def levels(self) -> tuple[int, ...]:
        """`widths` as numbers.

        Raises:
          InputError: it is no such list.
        """
        try:
            widths = tuple(int(text) for text in self.widths.split(","))
        except ValueError:
            widths = (0,)
        # Norms are over 32 groups of channels, attention over heads of 32.
        if any(width < 32 or width % 32 for width in widths):
            raise InputError(
                f"config.train.widths={self.widths}: expected multiples of 32 such as "
                "64,128"
            )
        return widths

    @property
    def span(self) -> int:
        """Frames from the first to the last of a sample, at most."""
        return (self.frames - 1) * self.max_stride + 1
