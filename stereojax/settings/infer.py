"""The settings of inference.

Each field of `InferSettings` is also a field of `config.infer` and a flag of
`stereojax.infer`; each field of `ModelSettings` is a field of `config.model`.
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
    """The fill method of a config, its networks and DepthCrafter's sampling."""

    fill: str = setting(
        "background",
        "method that fills the holes: background extends the background, diffusion"
        " generates content",
        choices=("background", "diffusion"),
    )
    recipe: str = setting(
        "ours",
        "recipe of the diffusion fill: this project's, or the published code's",
        choices=("ours", "published"),
    )
    unet: str = setting(
        "stereocrafter/unet", "weights of the U-Net: a converted network, or random"
    )
    vae: str = setting("svd/vae", "weights of the VAE: a converted network, or random")
    image_encoder: str = setting(
        "svd/image_encoder",
        "weights of the CLIP image encoder: a converted network, or random",
    )
    dtype: str = setting(
        "auto",
        "dtype that networks compute in; auto is float32 on a CPU, bfloat16 elsewhere",
        choices=("auto", "float32", "bfloat16"),
    )
    depth_steps: int = setting(
        5, "number of noise levels of DepthCrafter", low=2, high=100
    )
    depth_guidance: float = setting(
        1.0,
        "scale of DepthCrafter's classifier-free guidance; 1 is off, in half the time",
        low=0,
        high=10,
    )
    depth_window: int = setting(
        110, "number of frames that DepthCrafter denoises together", low=1, high=200
    )
    depth_overlap: int = setting(
        25,
        "number of frames that consecutive windows of DepthCrafter share",
        low=0,
        high=199,
    )


@dataclasses.dataclass(frozen=True)
class InferSettings(DiffusionSettings):
    """Settings that determine the pictures and the format of a converted video.

    Lengths in pixels refer to a picture 1024 px wide and scale with the width.
    """

    divergence: float = setting(
        2.0, "disparity range from far to near, % of the picture width", low=0, high=10
    )
    convergence: float = setting(
        0.67, "normalised depth shown at the screen plane; 0 is far, 1 is near",
        low=-1, high=2,
    )  # fmt: skip
    max_disp: float | None = setting(
        None,
        "largest disparity to either side, px of the film, as in the published code;"
        " replaces --divergence",
        low=0,
        high=500,
    )
    depth_model: str = setting(
        "auto", "model that estimates depth", choices=DEPTH_MODELS
    )
    depth_low: float = setting(
        1.0, "percentile of a shot's depth that is mapped to far", low=0, high=50
    )
    depth_high: float = setting(
        99.0, "percentile of a shot's depth that is mapped to near", low=50, high=100
    )
    depth_steady: float = setting(
        12.0,
        "standard deviation, in frames, of the window that smooths the scale of"
        " per-frame depth; 0 is off",
        low=0,
        high=240,
    )
    edge_sharpen: float = setting(
        4.0,
        "radius in which soft depth edges are sharpened to steps, px at 1024 px width;"
        " 0 is off",
        low=0,
        high=32,
    )
    compositing: str = setting(
        "coverage",
        "compositing of the splat: coverage is by area, so that thin objects keep their"
        " width; published is StereoCrafter's",
        choices=COMPOSITING,
    )
    edge_dilate: float = setting(
        2.0,
        "dilation of the foreground in the depth map, px at 1024 px width",
        low=0,
        high=32,
    )
    hole_dilate: float = setting(
        2.0,
        "dilation of the holes before they are filled, px at 1024 px width",
        low=0,
        high=32,
    )
    feather: float = setting(
        0.0,
        "width of the blend between fill and picture, px at 1024 px width",
        low=0,
        high=64,
    )
    temporal_fill: bool = setting(
        False, "holes first show what other frames of the shot show there"
    )
    layout: str = setting(
        "full_sbs", "packing of the two views in the output", choices=LAYOUTS
    )
    anaglyph: str = setting(
        "dubois", "colour method of the red-cyan anaglyph layout", choices=ANAGLYPHS
    )
    codec: str | None = setting(
        None,
        "video codec; by default h264, or hevc above 4096 px width or 8 bits",
        choices=CODECS,
    )
    crf: float | None = setting(
        None,
        "constant rate factor of the codec; a smaller one gives a better and larger"
        " file; by default visually lossless",
        low=0,
        high=63,
    )
    pixel_format: str | None = setting(
        None, "pixel format by its name in FFmpeg, such as yuv444p; by default the"
        " source's",
    )  # fmt: skip
    segment_frames: int = setting(
        24, "number of frames in an encoded segment; a crash loses at most one segment",
        low=1, high=1000,
    )  # fmt: skip
