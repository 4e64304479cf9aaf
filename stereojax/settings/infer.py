"""The settings of inference.

A field of `InferSettings` is a field of `config.infer` and a flag of `infer` at once.
"""

import dataclasses

from stereojax.settings.diffusion import DiffusionSettings
from stereojax.settings.fields import setting

LAYOUTS = (
    "full_sbs",
    "half_sbs",
    "full_tb",
    "half_tb",
    "cross_eyed",
    "anaglyph",
    "right",
    "left_right_files",
)
COMPOSITING = ("coverage", "published")
ANAGLYPHS = ("dubois", "color", "half_color", "gray", "optimized", "true")
CODECS = ("h264", "hevc", "av1", "ffv1")
DEPTH_MODELS = (
    "auto",
    "video_depth_anything_small",
    "video_depth_anything_base",
    "video_depth_anything_large",
    "depth_anything_v2_small",
    "depth_anything_v2_base",
    "depth_anything_v2_large",
    "tcmonodepth_small",
    "depthcrafter",
    "prior",
    "file",
)


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """The networks of a config, and their sampling."""

    fill: str = setting(
        "background",
        "method that fills the holes: extending the background, or diffusion",
        choices=("background", "diffusion"),
    )
    recipe: str = setting(
        "ours",
        "recipe of the diffusion fill: this project's, or the published code's",
        choices=("ours", "published"),
    )
    unet: str = setting(
        "stereocrafter/unet", "weights of the U-Net: name of a part, or random"
    )
    vae: str = setting("svd/vae", "weights of the VAE: name of a part, or random")
    image_encoder: str = setting(
        "svd/image_encoder", "weights of the image encoder: name of a part, or random"
    )
    dtype: str = setting(
        "auto",
        "type that networks compute in; auto is float32 on a CPU, bfloat16 elsewhere",
        choices=("auto", "float32", "bfloat16"),
    )
    depth_steps: int = setting(
        5, "number of noise levels of DepthCrafter", low=2, high=100
    )
    depth_guidance: float = setting(
        1.0,
        "strength of DepthCrafter's guidance; 1 is off and halves the work",
        low=0,
        high=10,
    )
    depth_window: int = setting(
        110, "number of frames that DepthCrafter denoises together", low=1, high=200
    )
    depth_overlap: int = setting(
        25, "number of frames that DepthCrafter's windows share", low=0, high=199
    )


@dataclasses.dataclass(frozen=True)
class InferSettings(DiffusionSettings):
    """The look of a converted video. Pixels are those of a picture 1024 px wide."""

    divergence: float = setting(
        2.0, "near-to-far disparity range, % of picture width", low=0, high=10
    )
    convergence: float = setting(
        0.67, "normalised depth on the screen plane, 0 = far to 1 = near",
        low=-1, high=2,
    )  # fmt: skip
    max_disp: float | None = setting(
        None,
        "published strength, +-pixels of the film's width; sets --divergence",
        low=0,
        high=500,
    )
    depth_model: str = setting(
        "auto", "model that estimates depth", choices=DEPTH_MODELS
    )
    depth_low: float = setting(
        1.0, "percentile of a shot's depth that counts as far", low=0, high=50
    )
    depth_high: float = setting(
        99.0, "percentile of a shot's depth that counts as near", low=50, high=100
    )
    depth_steady: float = setting(
        12.0,
        "number of frames over which depth estimated frame by frame keeps its scale;"
        " 0: off",
        low=0,
        high=240,
    )
    edge_sharpen: float = setting(
        4.0,
        "radius within which soft depth edges become steps, px; 0: off",
        low=0,
        high=32,
    )
    compositing: str = setting(
        "coverage",
        "splat compositing: by area, which keeps thin things thin, or StereoCrafter's",
        choices=COMPOSITING,
    )
    edge_dilate: float = setting(
        2.0, "growth of the foreground in depth, px", low=0, high=32
    )
    hole_dilate: float = setting(
        2.0, "growth of the holes before they are filled, px", low=0, high=32
    )
    feather: float = setting(
        0.0, "width of the seam between fill and picture, px", low=0, high=64
    )
    layout: str = setting(
        "full_sbs", "packing of the two eyes in the output", choices=LAYOUTS
    )
    anaglyph: str = setting(
        "dubois", "method of the red-cyan anaglyph layout", choices=ANAGLYPHS
    )
    codec: str | None = setting(
        None,
        "video codec; by default h264, and hevc above 4096 px width or 8 bits",
        choices=CODECS,
    )
    crf: float | None = setting(
        None,
        "constant rate factor of the codec, smaller is better; by default visually"
        " lossless",
        low=0,
        high=63,
    )
    pixel_format: str | None = setting(
        None, "pixel format in FFmpeg's notation, such as yuv444p; by default like the"
        " source's",
    )  # fmt: skip
    segment_frames: int = setting(
        24, "number of frames encoded together: the most that a crash loses",
        low=1, high=1000,
    )  # fmt: skip
