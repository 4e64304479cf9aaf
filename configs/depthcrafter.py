"""DepthCrafter for depth, the background fill for holes: slow, with detailed depth.

    python -m stereojax.infer --config depthcrafter --input film.mp4 \\
        --output film_3d.mp4
    python -m stereojax.infer --config depthcrafter:paper ...

Settings are those that its authors recommend now: 5 noise levels, no guidance, windows
of 110 frames with an overlap of 25. `:paper` has the settings of the StereoCrafter
paper: 8 levels, guidance 1.2 (three times the work), windows of 70 frames. `:runlocal`
uses the depth prior, which needs no weights.

Needs converted weights (licence: academic research only; the converter prints it):

    python -m convert_weights --source tencent/DepthCrafter --output ROOT
    python -m convert_weights --source stabilityai/stable-video-diffusion-img2vid-xt \\
        --output ROOT

Video Depth Anything is about ten times faster, needs no noise, and its small network is
free for any use. Its authors measured delta1 0.695 for DepthCrafter against 0.644 for
theirs on the animated film Sintel, and much lower values for DepthCrafter on real
scenes.
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
