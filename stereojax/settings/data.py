"""The settings of data preparation: the `data` section of a config.

A field is also a flag of `data_prep`: `--config.min_psnr=27`.
"""

import dataclasses
from typing import Any

from stereojax.cli import InputError
from stereojax.settings.fields import field_type, fill, setting
from stereojax.settings.load import load_config

KINDS = ("stereo", "mono")
SOURCE_LAYOUTS = ("auto", "sbs", "tb", "half_sbs", "half_tb")
GROUPS = ("content", "folder")
SWAPPED_EYES = ("refuse", "swap")
MATCHERS = ("sgbm",)
FILE_FORMATS = ("tfrecord", "array_record")


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """All that decides what a dataset holds. Pixels are at the record's width."""

    kind: str = setting("stereo", "stereo films, or plain ones", choices=KINDS)
    layout: str = setting("auto", "how the eyes are packed", choices=SOURCE_LAYOUTS)
    swapped_eyes: str = setting(
        "refuse", "what to do with a film whose eyes are swapped", choices=SWAPPED_EYES
    )
    max_enlarge: float = setting(
        1.25, "how much smaller than a record a film's views may be", low=1, high=16
    )
    width: int = setting(1024, "width of a record's pictures", low=64, high=8192)
    height: int = setting(576, "height of a record's pictures", low=64, high=8192)
    longest: int = setting(
        145, "frames of the longest sequence; 145 is 25 at stride 6", low=1, high=10000
    )
    shortest: int = setting(25, "frames of the shortest sequence", low=1, high=10000)
    matcher: str = setting("sgbm", "finds a stereo film's disparity", choices=MATCHERS)
    min_psnr: float = setting(
        25.0, "dB of the splatted left view against the right", low=0, high=100
    )
    depth_model: str = setting("auto", "finds a plain film's depth")
    divergence: float = setting(
        2.0, "disparity range given to a plain film, % of width", low=0, high=10
    )
    jpeg_quality: int = setting(95, "of the views", low=75, high=100)
    store_warped: bool = setting(False, "also store what training would recompute")
    validation_percent: float = setting(
        2.0, "share of the films kept for validation", low=0, high=50
    )
    group: str = setting(
        "content", "what is never split: a file, or a folder of them", choices=GROUPS
    )
    file_format: str = setting("tfrecord", "of the shards", choices=FILE_FORMATS)
    shard_megabytes: int = setting(1024, "of a shard, at most", low=1, high=100000)

    def __post_init__(self):
        if self.shortest > self.longest:
            raise InputError(
                f"shortest={self.shortest}: expected at most longest={self.longest}"
            )
        for name in ("width", "height"):
            if (size := getattr(self, name)) % 8:
                raise InputError(
                    f"{name}={size}: expected a multiple of 8, as networks take"
                    f" pictures; {size - size % 8} or {size + 8 - size % 8}"
                )


# What these decide comes after a film is processed: it is not in the key of its work.
AFTERWARDS = ("validation_percent", "group", "file_format", "shard_megabytes")


def resolve_data(config: str, overrides: dict[str, Any]) -> DataSettings:
    """The settings of a preparation: the config's, then the flags that were given."""
    given = {k: _typed(k, v) for k, v in overrides.items() if v is not None}
    section = load_config(config).get("data", {})
    if not section:
        raise InputError(
            f"--config={config}: it has no data section; see data_stereo, data_mono"
        )
    return fill(DataSettings, section | given, "--config.")


def _typed(name: str, value: Any) -> Any:
    """A flag's text as the truth value that the setting wants, where it wants one."""
    kinds = {f.name: field_type(f) for f in dataclasses.fields(DataSettings)}
    truths = {"true": True, "1": True, "false": False, "0": False}
    if kinds.get(name) is bool and isinstance(value, str):
        return truths.get(value.lower(), value)
    return value
