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
    """Which networks a config stands for."""

    fill: str = setting(
        "background", "what fills the holes", choices=("background", "diffusion")
    )
    recipe: str = setting(
        "ours", "of the diffusion", choices=("ours", "published")
    )  # fmt: skip
    unet: str = setting("stereocrafter/unet", "weights, or `random` to try it")
    vae: str = setting("svd/vae", "weights, or `random`")
    image_encoder: str = setting("svd/image_encoder", "weights, or `random`")
    dtype: str = setting(
        "auto", "computed in; auto is float32 on a CPU, else bfloat16",
        choices=("auto", "float32", "bfloat16"),
    )  # fmt: skip
    depth_steps: int = setting(5, "noise levels of DepthCrafter", low=2, high=100)
    depth_guidance: float = setting(
        1.0, "of DepthCrafter; 1 is half the work", low=0, high=10
    )
    depth_window: int = setting(
        110, "frames that DepthCrafter sees together", low=1, high=200
    )
    depth_overlap: int = setting(25, "frames that its windows share", low=0, high=199)


@dataclasses.dataclass(frozen=True)
class InferSettings(DiffusionSettings):
    """All that decides how a converted video looks. Pixels are at 1024 px of width."""

    divergence: float = setting(
        2.0, "near-to-far disparity range, % of picture width", low=0, high=10
    )
    convergence: float = setting(
        0.67, "depth on the screen plane, 0 = far to 1 = near", low=-1, high=2
    )
    max_disp: float | None = setting(
        None, "published strength, +-pixels; sets divergence", low=0, high=500
    )
    depth_model: str = setting("auto", "where depth comes from", choices=DEPTH_MODELS)
    depth_low: float = setting(
        1.0, "percentile of a shot's depth that counts as far", low=0, high=50
    )
    depth_high: float = setting(
        99.0, "percentile of a shot's depth that counts as near", low=50, high=100
    )
    depth_steady: float = setting(
        12.0,
        "frames over which depth estimated frame by frame keeps its scale, 0 = off",
        low=0,
        high=240,
    )
    edge_sharpen: float = setting(
        4.0, "radius that turns soft depth edges into steps, px", low=0, high=32
    )
    edge_dilate: float = setting(
        2.0, "growth of the foreground in depth, px", low=0, high=32
    )
    hole_dilate: float = setting(1.0, "growth of the filled hole, px", low=0, high=32)
    feather: float = setting(
        4.0, "width of the seam between fill and picture, px", low=0, high=64
    )
    layout: str = setting("full_sbs", "how the eyes are packed", choices=LAYOUTS)
    anaglyph: str = setting("dubois", "red-cyan method", choices=ANAGLYPHS)
    codec: str | None = setting(
        None, "default h264, hevc above 4096 wide or 8 bits", choices=CODECS
    )
    crf: float | None = setting(
        None, "constant quality; default visually lossless", low=0, high=63
    )
    pixel_format: str | None = setting(None, "as FFmpeg names it, e.g. yuv444p")
    segment_frames: int = setting(
        24, "frames encoded alone: what a crash can cost", low=1, high=1000
    )
