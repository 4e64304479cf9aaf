"""Training pairs from plain films: what a splat to the right and back loses is missing.

    python -m data_prep --config data_mono --input FILMS/ --output DATASET/

Depth is estimated, the film is splatted to the right and from there back; the frame
itself is the truth. No stereo film, and so none of its licences, is needed. `:runlocal`
takes short sequences of small pictures, and the depth prior.
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
