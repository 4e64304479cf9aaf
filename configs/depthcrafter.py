"""DepthCrafter for depth, the background fill for holes: the slow, cinematic depth.

    python -m stereojax.infer --config depthcrafter --input film.mp4 \\
        --output film_3d.mp4
    python -m stereojax.infer --config depthcrafter:paper ...

As its authors recommend now: 5 noise levels, no guidance, windows of 110 frames that
share 25. `:paper` is how the paper StereoCrafter calls it: 8 levels, guidance 1.2 (so
three times the work), windows of 70. `:runlocal` is neither: the prior, no weights.

Needs converted weights (academic research only; converting prints it):

    python -m convert_weights --source tencent/DepthCrafter --output ROOT
    python -m convert_weights --source stabilityai/stable-video-diffusion-img2vid-xt \\
        --output ROOT

Video Depth Anything is some ten times faster, needs no noise, and its small network is
free for any use; on the film Sintel its authors found DepthCrafter ahead (delta1 0.695
against 0.644), on real scenes well behind.
"""

from ml_collections import ConfigDict

from configs.stereocrafter import train


def get_config(variant: str = "") -> ConfigDict:
    if variant not in ("", "paper", "runlocal"):
        raise ValueError(f"expected no variant, paper or runlocal, got {variant}")
    config = ConfigDict()
    config.model = ConfigDict({"fill": "background"})
    config.infer = ConfigDict(
        {"depth_model": "prior" if variant == "runlocal" else "depthcrafter"}
    )
    config.train = train(variant)
    if variant == "paper":
        config.model.update(
            depth_steps=8, depth_guidance=1.2, depth_window=70, depth_overlap=25
        )
    return config
