"""A config whose run takes seconds; its data comes from --data."""

from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
    config = ConfigDict()
    config.train = ConfigDict(
        {
            "unet": "random",
            "vae": "patches",
            "image_encoder": "random",
            "widths": "64",
            "frames": 3,
            "height": 16,
            "width": 32,
            "max_stride": 2,
            "known_frames": 2,
            "batch": 2,
            "accumulate": 1,
            "remat": "none",
            "steps": 40,
            "learning_rate": 1e-3,
            "workers": 0,
            "log_every": 1,
            "checkpoint_every": 7,
            "keep": 2,
            "validate_every": 0,
        }
    )
    return config
