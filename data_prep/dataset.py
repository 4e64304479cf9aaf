"""Shards as a TFDS dataset: its features, its `dataset_info.json`."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence

import numpy as np
from etils import epath

from data_prep.shards import NAME, ShardPlan
from stereojax.records.record import Provenance
from stereojax.records.source import INFO
from stereojax.settings.data import DataSettings

VERSION = "1.0.0"
PLAN = "plan.json"  # beside the shards: the name of their plan

_DESCRIPTION = """\
Sequences of stereo video for training a model that fills what the left camera did not
see. The left view, splatted to the right by the disparity, is the right view with
holes: stereojax.splat.forward_splat(left, disparity, sharpness=provenance/sharpness),
whose occlusion is the mask. Disparity in pixels is disparity_offset + disparity_scale *
step; the step 65535 lands nowhere."""


def features(settings: DataSettings) -> dict:
    """What `tfds.load` gives of a record: pictures decoded, numbers as they are."""
    import tensorflow_datasets as tfds

    size = settings.height, settings.width
    kinds = {str: tfds.features.Text, int: np.int64, float: np.float32}

    def pictures(channels: int, dtype: type, form: str) -> tfds.features.Sequence:
        return tfds.features.Sequence(
            tfds.features.Image(
                shape=(*size, channels), dtype=dtype, encoding_format=form
            )
        )

    provenance = {}
    for field in dataclasses.fields(Provenance):
        kind = kinds[field.type]
        provenance[field.name] = kind() if field.type is str else kind
    found = {
        "left": pictures(3, np.uint8, "jpeg"),
        "right": pictures(3, np.uint8, "jpeg"),
        "disparity": pictures(1, np.uint16, "png"),
        "disparity_scale": np.float32,
        "disparity_offset": np.float32,
        "height": np.int64,
        "width": np.int64,
        "provenance": provenance,
    }
    if settings.store_warped:
        found["warped"] = pictures(3, np.uint8, "png")
        found["occlusion"] = pictures(1, np.uint16, "png")
    return found


def write_info(
    folder: os.PathLike,
    plans: Sequence[ShardPlan],
    settings: DataSettings,
    films: dict[str, str],
) -> None:
    """Makes a folder of shards a dataset of TFDS; `dataset_info.json` comes last.

    `films`: the hash of each film's content to its path.
    """
    import tensorflow_datasets as tfds

    folder = epath.Path(folder)
    named = {"digest": digest_of(plans, settings), "films": films}
    (folder / PLAN).write_text(json.dumps(named, indent=1) + "\n")
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder,
        template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        dataset_name=NAME,
        filetype_suffix=settings.file_format,
    )
    infos = []
    for split in dict.fromkeys(plan.split for plan in plans):
        shards = [plan for plan in plans if plan.split == split]
        infos.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[len(plan.items) for plan in shards],
                num_bytes=sum(plan.bytes for plan in shards),
                filename_template=template.replace(split=split),
            )
        )
    plain = dataclasses.asdict(settings)
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=features(settings),
        split_infos=infos,
        version=VERSION,
        check_data=False,
        description=_DESCRIPTION,
        metadata=tfds.core.MetadataDict(settings=plain),
    )


def digest_of(plans: Sequence[ShardPlan], settings: DataSettings) -> str:
    """Names a dataset: the same records, shards and settings, the same name."""
    plain = [dataclasses.asdict(plan) for plan in plans]
    text = json.dumps([VERSION, plain, dataclasses.asdict(settings)], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def is_complete(
    folder: os.PathLike, plans: Sequence[ShardPlan], settings: DataSettings
) -> bool:
    """Whether the dataset in `folder` is whole and the one of these plans."""
    folder = epath.Path(folder)
    try:
        if json.loads((folder / PLAN).read_text())["digest"] != digest_of(
            plans, settings
        ):
            return False
        there = {path.name for path in folder.iterdir()}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return there.issuperset({INFO, *(plan.name for plan in plans)})


def films_of(folder: os.PathLike) -> dict[str, str] | None:
    """The films of the dataset in `folder`, as `write_info` was given them.

    None where it does not say; {} where there is no dataset.
    """
    folder = epath.Path(folder)
    if not (folder / INFO).exists():
        return {}
    try:
        return dict(json.loads((folder / PLAN).read_text())["films"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
