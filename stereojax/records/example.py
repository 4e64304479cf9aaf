"""Converts a record to and from the tf.train.Example that TFDS reads and writes."""

import dataclasses
from typing import Any

from stereojax.records import wire
from stereojax.records.record import Provenance, Record

PICTURE_FIELDS = ("left", "right", "disparity", "warped", "occlusion")
NUMBER_FIELDS = ("height", "width", "disparity_scale", "disparity_offset")
PROVENANCE_PREFIX = "provenance/"  # TFDS joins the keys of nested dictionaries with "/"


def to_example(record: Record) -> bytes:
    """Serializes a record as a tf.train.Example; equal records give equal bytes."""
    features: dict[str, wire.Value] = {
        name: pictures for name in PICTURE_FIELDS if (pictures := getattr(record, name))
    }
    features |= {name: [getattr(record, name)] for name in NUMBER_FIELDS}
    for name, value in dataclasses.asdict(record.provenance).items():
        feature = value.encode() if isinstance(value, str) else value
        features[PROVENANCE_PREFIX + name] = [feature]
    return wire.serialize_features(features)


def from_example(data: bytes) -> Record:
    """Parses a record that `to_example` or TFDS serialized.

    Raises:
      ValueError: the bytes are not an Example, or lack a feature of a record.
    """
    features = wire.parse_features(data)
    try:
        provenance = {
            f.name: _scalar(features[PROVENANCE_PREFIX + f.name], f.type)
            for f in dataclasses.fields(Provenance)
        }
        types = {f.name: f.type for f in dataclasses.fields(Record)}
        numbers = {n: _scalar(features[n], types[n]) for n in NUMBER_FIELDS}
    except KeyError as error:
        raise ValueError(
            f"not a stereo record: the feature {error} is missing"
        ) from error
    pictures = {name: tuple(features.get(name, ())) for name in PICTURE_FIELDS}
    return Record(**pictures, **numbers, provenance=Provenance(**provenance))


def _scalar(values: list, kind: type) -> Any:
    """Returns the only value of a feature, as a `kind`."""
    (value,) = values
    return value.decode() if kind is str else kind(value)
