"""The inpainting of the published StereoCrafter code, numerically the same.

    python -m stereojax.infer --config stereocrafter_parity --input film.mp4 \\
        --output film_3d.mp4

Depth is DepthCrafter's with the published settings: 8 levels, guidance 1.2, windows of
70 frames with an overlap of 25, and the full range of its depth. `--depth_path` reads
depth from a file instead.

Windows have 23 frames with an overlap of 3, without a cross-fade. The sampler has 8
Karras steps at guidance 1.01, on 2x2 tiles that are sampled separately and blended once
at the end. The latent mask has the top left pixel of each block. Frames are decoded in
pairs. All pixels are regenerated, including those that the left camera saw. Disparity
is +-20 px, with the screen plane at half of the depth range. The published code crops
rows and columns, so that both sides are multiples of 128; here they are filled from
their surroundings.

This config is a reference for comparison; `stereocrafter` is better and faster.
"""

from ml_collections import ConfigDict

from configs.stereocrafter import train


def get_config(variant: str = "") -> ConfigDict:
    if variant not in ("", "runlocal"):
        raise ValueError(f"expected no variant or runlocal, got {variant}")
    config = ConfigDict()
    config.model = ConfigDict(
        {"fill": "diffusion", "recipe": "published", "dtype": "float32"}
    )
    config.model.update(
        depth_steps=8, depth_guidance=1.2, depth_window=70, depth_overlap=25
    )
    config.infer = ConfigDict(
        {
            "depth_model": "depthcrafter",
            "max_disp": 20.0,
            "convergence": 0.5,
            "depth_low": 0.0,
            "depth_high": 100.0,
            "edge_sharpen": 0.0,
            "edge_dilate": 0.0,
            "compositing": "published",
            "steps": 8,
            "schedule": "karras",
            "guidance": 1.01,
            "window": 23,
            "overlap": 3,
            "tile_num": 2,
            "tile_sync": "end",
        }
    )
    # Training pools the mask to latents as inference does.
    config.train = train(variant)
    config.train.pooling = "nearest"
    if variant:
        config.model.update(unet="random", vae="random", image_encoder="random")
        config.infer.update(
            depth_model="prior", steps=2, window=8, overlap=2, tile_num=1
        )
    return config
