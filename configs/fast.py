"""Depth, splat and background fill, without diffusion: runs on any machine.

    python -m stereojax.infer --input film.mp4 --output film_3d.mp4

Depth is estimated by Depth Anything V2 Small (Apache-2.0), downloaded and converted on
first use. If that fails, depth is the embedded prior: three rules of thumb, without
weights. Holes are filled by extending the background smoothly. `:runlocal`
downloads nothing and uses the prior. The training section is that of `stereocrafter`.
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
