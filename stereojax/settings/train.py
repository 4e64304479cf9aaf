"""The settings of training: the `train` section of a config.

Each field is also a flag of `stereojax.train`, such as `--config.train.steps=100`.
"""

import dataclasses

from stereojax.cli import InputError
from stereojax.settings.fields import setting

RANDOM = "random"  # in place of a part's name: a small network with random weights
PATCHES = "patches"  # in place of a VAE: pixels rearranged into channels


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """The settings that determine what a run learns, and how it runs.

    From the paper: size, frames, strides, known frames, optimizer, learning rate, steps
    and batch. From SVD: the noise levels. Chosen by this project: dropout, mirroring,
    AdamW's remaining hyperparameters, `clip_norm`.
    """

    task: str = setting(
        "inpaint", "training task, by its name in stereojax.training.task"
    )
    seed: int = setting(
        0,
        "seed of random weights, sample order, crops and noise",
        low=0,
        high=2**31 - 1,
    )

    # Networks: names of converted parts, or `random`.
    unet: str = setting("svd/unet", "initial U-Net: a converted network, or random")
    vae: str = setting(
        "svd/vae",
        "VAE: a converted network, random, or patches (pixels moved to channels)",
    )
    image_encoder: str = setting(
        "svd/image_encoder", "CLIP image encoder: a converted network, or random"
    )
    widths: str = setting(
        "64,128", "channels of each level of a random U-Net, multiples of 32"
    )
    dtype: str = setting(
        "auto",
        "dtype of activations; auto is float32 on a CPU, bfloat16 on accelerators",
        choices=("auto", "float32", "bfloat16"),
    )
    frozen_dtype: str = setting(
        "bfloat16",
        "dtype of frozen weights in device memory",
        choices=("bfloat16", "float32"),
    )
    remat: str = setting(
        "block",
        "activations to recompute in the backward pass: those of each block, or none",
        choices=("block", "none"),
    )

    # The frames and the crop of a sample.
    frames: int = setting(25, "number of frames of a sample", low=1, high=200)
    height: int = setting(576, "height of a sample, in pixels", low=8, high=8192)
    width: int = setting(1024, "width of a sample, in pixels", low=8, high=8192)
    min_stride: int = setting(
        1, "smallest stride between a sample's frames, in frames", low=1, high=100
    )
    max_stride: int = setting(
        6, "largest stride between a sample's frames, in frames", low=1, high=100
    )
    zoom: float = setting(
        1.0,
        "largest factor of random enlargement before the crop; 1 is none",
        low=1,
        high=8,
    )
    flip: float = setting(
        0.5, "probability of mirroring a sample and swapping its views", low=0, high=1
    )
    synthetic_scenes: int = setting(
        2000, "number of synthetic scenes to train on without --data", low=1, high=10**9
    )
    synthetic_disparity: float = setting(
        2.0,
        "largest disparity of a synthetic scene, % of the width",
        low=0.1,
        high=30,
    )
    cached_draws: int = setting(
        0,
        "number of samples per clip whose latents are cached on disk and reused; 0 "
        "draws every sample anew, without a cache",
        low=0,
        high=10**6,
    )
    workers: int = setting(
        8,
        "number of processes that read and decode, each two batches ahead; 0 uses "
        "threads",
        low=0,
        high=256,
    )
    prefetch: int = setting(
        2, "number of batches to prefetch to the devices", low=1, high=100
    )

    # The objective.
    sigma_mean: float = setting(
        0.7, "mean of ln(sigma), the log noise level", low=-10, high=10
    )
    sigma_std: float = setting(
        1.6, "standard deviation of ln(sigma), the log noise level", low=0, high=10
    )
    known_frames: int = setting(
        12,
        "largest number of first frames that are given without holes; each sample "
        "draws its own number",
        low=0,
        high=200,
    )
    pooling: str = setting(
        "max",
        "resampling of the hole mask from pixels to latents",
        choices=("max", "nearest"),
    )
    clip_dropout: float = setting(
        0.05, "probability of zeroing only the CLIP image embedding", low=0, high=1
    )
    latent_dropout: float = setting(
        0.05, "probability of zeroing only the latents and the mask", low=0, high=1
    )
    both_dropout: float = setting(
        0.05,
        "probability of zeroing embedding, latents and mask, for classifier-free "
        "guidance",
        low=0,
        high=1,
    )
    hole_weight: float = setting(
        1.0, "loss weight of latents in a hole; elsewhere it is 1", low=0, high=1000
    )
    pixel_l1: float = setting(
        0.0, "weight of the L1 loss on decoded crops; 0 disables it", low=0, high=1000
    )
    pixel_lpips: float = setting(
        0.0,
        "weight of the LPIPS loss on decoded crops; 0 disables it",
        low=0,
        high=1000,
    )
    pixel_crop: int = setting(
        128, "side of a decoded crop, in pixels", low=16, high=4096
    )
    pixel_frames: int = setting(
        2, "number of frames of a decoded crop", low=1, high=200
    )

    # The optimizer.
    steps: int = setting(26000, "number of updates in total", low=1, high=10**9)
    batch: int = setting(
        8, "number of samples per update, over all devices", low=1, high=10**6
    )
    accumulate: int = setting(
        0,
        "number of microbatches per device and update; 0 makes each sample one",
        low=0,
        high=10**4,
    )
    optimizer: str = setting(
        "adamw", "optimizer of the trainable parameters", choices=("adamw", "sgd")
    )
    learning_rate: float = setting(
        1e-5, "learning rate, constant after the warmup", low=0, high=10
    )
    warmup_steps: int = setting(
        0, "number of updates of linear learning-rate warmup from 0", low=0, high=10**9
    )
    weight_decay: float = setting(1e-2, "AdamW's decoupled weight decay", low=0, high=1)
    beta1: float = setting(0.9, "AdamW's first-moment decay", low=0, high=1)
    beta2: float = setting(0.999, "AdamW's second-moment decay", low=0, high=1)
    epsilon: float = setting(
        1e-8, "AdamW's epsilon, added to the denominator", low=0, high=1
    )
    clip_norm: float = setting(
        1.0,
        "largest global norm of the gradients, to which they are clipped; 0 disables "
        "clipping",
        low=0,
        high=1e6,
    )
    fsdp: int = setting(
        0,
        "number of devices over which a copy of the state is sharded; 0 is all of a "
        "host",
        low=0,
        high=10**5,
    )

    # Logs, checkpoints and validation.
    log_every: int = setting(
        10,
        "number of updates from one row of metrics.jsonl to the next",
        low=1,
        high=10**9,
    )
    checkpoint_every: int = setting(
        500, "number of updates from one checkpoint to the next", low=1, high=10**9
    )
    keep: int = setting(3, "number of newest checkpoints to keep", low=1, high=10**6)
    keep_best: int = setting(
        1, "number of best checkpoints, by validation, to keep", low=0, high=1000
    )
    validate_every: int = setting(
        1000,
        "number of updates from one validation to the next; 0 disables validation",
        low=0,
        high=10**9,
    )
    validation_scenes: int = setting(
        8, "number of held-out samples to validate on", low=1, high=10**6
    )
    validation_steps: int = setting(
        8, "number of sampler steps in validation", low=2, high=100
    )

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
                f"cached_draws={self.cached_draws}: expected 0, because pixel_l1 and "
                "pixel_lpips need pixels, and the cache holds only latents"
            )
        if self.accumulate and self.batch % self.accumulate:
            raise InputError(
                f"batch={self.batch}: expected a multiple of "
                f"accumulate={self.accumulate}"
            )

    @property
    def needs_pixels(self) -> bool:
        """Whether the loss compares decoded pixels."""
        return self.pixel_l1 > 0 or self.pixel_lpips > 0

    @property
    def levels(self) -> tuple[int, ...]:
        """Returns `widths` as integers.

        Raises:
          InputError: `widths` is not a list of multiples of 32.
        """
        try:
            widths = tuple(int(text) for text in self.widths.split(","))
        except ValueError:
            widths = (0,)
        # GroupNorm has 32 groups; an attention head has 32 channels.
        if any(width < 32 or width % 32 for width in widths):
            raise InputError(
                f"config.train.widths={self.widths}: expected multiples of 32 such as "
                "64,128"
            )
        return widths

    @property
    def span(self) -> int:
        """The largest number of clip frames that a sample spans."""
        return (self.frames - 1) * self.max_stride + 1
