"""Depth, splat and background fill, without diffusion: runs on any machine.

    python -m stereojax.infer --input film.mp4 --output film_3d.mp4

Depth is Depth Anything V2 Small (Apache-2.0), downloaded and converted on first use. If
that fails, it is the embedded prior, three rules of thumb without weights. The fill is
a membrane. `:runlocal` downloads nothing and uses the prior. Training with this config
trains the network of `stereocrafter`.
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
