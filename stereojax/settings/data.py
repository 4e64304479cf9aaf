"""The settings of data preparation: the `data` section of a config.

Each field is also a flag of `data_prep`, such as `--config.min_psnr=27`.
"""

import dataclasses

from stereojax.cli import InputError
from stereojax.settings.fields import setting

KINDS = ("stereo", "mono")
SOURCE_LAYOUTS = ("auto", "sbs", "tb", "half_sbs", "half_tb")
GROUPS = ("content", "folder")
SWAPPED_EYES = ("refuse", "swap")
MATCHERS = ("sgbm",)
FILE_FORMATS = ("tfrecord", "array_record")


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """The settings of a dataset; lengths in pixels refer to a record's pictures."""

    kind: str = setting("stereo", "kind of the input films", choices=KINDS)
    layout: str = setting(
        "auto",
        "packing of the two views in a stereo film: side by side, top and bottom, or"
        " their half-size forms; auto detects it",
        choices=SOURCE_LAYOUTS,
    )
    swapped_eyes: str = setting(
        "refuse",
        "treatment of a stereo film whose views are swapped",
        choices=SWAPPED_EYES,
    )
    max_enlarge: float = setting(
        1.25,
        "largest factor of enlarging a film's views to a record's size; films and shots"
        " that need more are dropped",
        low=1,
        high=16,
    )
    width: int = setting(1024, "width of a record's pictures, px", low=64, high=8192)
    height: int = setting(576, "height of a record's pictures, px", low=64, high=8192)
    longest: int = setting(
        145,
        "length of the longest sequence, frames; 145 hold a sample of 25 at stride 6",
        low=1,
        high=10000,
    )
    shortest: int = setting(
        25, "length of the shortest sequence that is kept, frames", low=1, high=10000
    )
    matcher: str = setting(
        "sgbm", "stereo matcher that estimates a stereo film's disparity",
        choices=MATCHERS,
    )  # fmt: skip
    min_psnr: float = setting(
        25.0,
        "smallest PSNR of the splatted left view against the right view, dB;"
        " sequences below it are dropped",
        low=0,
        high=100,
    )
    depth_model: str = setting(
        "auto", "depth model for mono films, by its name in infer"
    )
    divergence: float = setting(
        2.0,
        "disparity range from far to near of a mono film, % of width",
        low=0,
        high=10,
    )
    jpeg_quality: int = setting(95, "JPEG quality of the views", low=75, high=100)
    store_warped: bool = setting(
        False,
        "whether to store the splatted view and its mask, which training recomputes",
    )
    validation_percent: float = setting(
        2.0, "share of the films that goes into the validation split, %", low=0, high=50
    )
    group: str = setting(
        "content",
        "unit that is never divided between training and validation: films of equal"
        " content, or all films of a folder",
        choices=GROUPS,
    )
    file_format: str = setting(
        "tfrecord", "file format of the shards", choices=FILE_FORMATS
    )
    shard_megabytes: int = setting(
        1024, "largest size of a shard, MB", low=1, high=100000
    )

    def __post_init__(self):
        if self.shortest > self.longest:
            raise InputError(
                f"shortest={self.shortest}: expected at most longest={self.longest}"
            )
        for name in ("width", "height"):
            if (size := getattr(self, name)) % 8:
                raise InputError(
                    f"{name}={size}: expected a multiple of 8, which the networks need,"
                    f" such as {size - size % 8} or {size + 8 - size % 8}"
                )


# Settings that affect the shards only, and not the records of a film.
SHARD_SETTINGS = ("validation_percent", "group", "file_format", "shard_megabytes")
