"""The inpainting of the published StereoCrafter code, number by number.

    python -m stereojax.infer --config stereocrafter_parity --input film.mp4 \\
        --output film_3d.mp4

Depth is DepthCrafter's, sampled as that code calls it (`--depth_path` takes a file's):
8 levels, guidance 1.2, windows of 70 frames that share 25, and its whole range.

Windows of 23 frames that share 3, cut hard; 8 Karras steps at guidance 1.01; 2x2 tiles,
each on its own, blended once at the end; the mask's top left pixels; frames decoded two
by two; everything regenerated, what the left camera saw as well. Disparity of +-20 px,
the screen at half of the whole range of depth. Where that code cuts rows and columns
off (sides become multiples of 128) this fills them from their surroundings instead.

It is here to be compared with. `stereocrafter` is better and faster.
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
            "steps": 8,
            "schedule": "karras",
            "guidance": 1.01,
            "window": 23,
            "overlap": 3,
            "tile_num": 2,
            "tile_sync": "end",
        }
    )
    # A network is trained on the holes that it will be told of.
    config.train = train(variant)
    config.train.pooling = "nearest"
    if variant:
        config.model.update(unet="random", vae="random", image_encoder="random")
        config.infer.update(
            depth_model="prior", steps=2, window=8, overlap=2, tile_num=1
        )
    return config
