"""Training pairs from stereo films, as in StereoCrafter (arXiv 2409.07447) sec. 3.2.

    python -m data_prep --config data_stereo --input FILMS/ --output DATASET/

Keeps sequences of up to 145 frames at 576x1024 whose left view, splatted to the right,
has a PSNR above 25 dB against the right view. `:runlocal` has short sequences of small
pictures: a clip of 8 frames is enough.
"""

from ml_collections import ConfigDict

from configs.stereocrafter import train


def get_config(variant: str = "") -> ConfigDict:
    if variant not in ("", "runlocal"):
        raise ValueError(f"expected no variant or runlocal, got {variant}")
    config = ConfigDict()
    config.data = ConfigDict({"kind": "stereo", "matcher": "sgbm"})
    if variant:
        config.data.update({"width": 512, "height": 288, "longest": 25, "shortest": 8})
    config.train = train(variant)
    return config
