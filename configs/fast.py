"""Depth, splat and background fill: no diffusion, no weights of ours; runs anywhere.

    python -m stereojax.infer --input film.mp4 --output film_3d.mp4

Depth is Depth Anything V2 Small (Apache-2.0), converted on first use; without it the
embedded prior, which knows no more than that lower is nearer. The fill is a membrane.
`:runlocal` fetches nothing: the prior at once. What `train` trains with it is the
network of `stereocrafter`.
"""

from ml_collections import ConfigDict

from configs.stereocrafter import train


def get_config(variant: str = "") -> ConfigDict:
    if variant not in ("", "runlocal"):
        raise ValueError(f"expected no variant or runlocal, got {variant}")
    config = ConfigDict()
    config.model = ConfigDict({"fill": "background"})
    config.infer = ConfigDict({"depth_model": "prior" if variant else "auto"})
    config.train = train(variant)
    return config
