"""Training pairs from 2D films: holes from splatting to the right and back.

    python -m data_prep --config data_mono --input FILMS/ --output DATASET/

Depth is estimated for each frame. The frame is splatted to the right view and back; the
pixels that this loses are the hole, and the original frame is the ground truth. No
stereo films, and none of their licences, are needed. `:runlocal` has short sequences of
small pictures and the depth prior.
"""

from ml_collections import ConfigDict

from configs.stereocrafter import train


def get_config(variant: str = "") -> ConfigDict:
    if variant not in ("", "runlocal"):
        raise ValueError(f"expected no variant or runlocal, got {variant}")
    config = ConfigDict()
    config.data = ConfigDict({"kind": "mono", "depth_model": "auto"})
    if variant:
        config.data.update({"width": 512, "height": 288, "longest": 25, "shortest": 8})
        config.data.depth_model = "prior"
    config.train = train(variant)
    return config
