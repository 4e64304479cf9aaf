"""A record as the tf.train.Example that TFDS writes and reads."""

import dataclasses
from typing import Any

from stereojax.records import wire
from stereojax.records.record import Provenance, Record

PICTURES = ("left", "right", "disparity", "warped", "occlusion")
NUMBERS = ("height", "width", "disparity_scale", "disparity_offset")
ORIGIN = "provenance/"  # TFDS's way to write a dictionary in a dictionary


def to_example(record: Record) -> bytes:
    """A serialized tf.train.Example; the same record gives the same bytes."""
    features: dict[str, wire.Value] = {
        name: pictures for name in PICTURES if (pictures := getattr(record, name))
    }
    features |= {name: [getattr(record, name)] for name in NUMBERS}
    for name, value in dataclasses.asdict(record.provenance).items():
        plain = value.encode() if isinstance(value, str) else value
        features[ORIGIN + name] = [plain]
    return wire.write(features)


def from_example(data: bytes) -> Record:
    """The record of `to_example`, or of the Example that TFDS made of it.

    Raises:
      ValueError: this is no Example, or not one of a record.
    """
    features = wire.read(data)
    try:
        origin = {
            f.name: _scalar(features[ORIGIN + f.name], f.type)
            for f in dataclasses.fields(Provenance)
        }
        types = {f.name: f.type for f in dataclasses.fields(Record)}
        numbers = {n: _scalar(features[n], types[n]) for n in NUMBERS}
    except KeyError as error:
        raise ValueError(f"not a stereo record: it has no {error}") from error
    pictures = {name: tuple(features.get(name, ())) for name in PICTURES}
    return Record(**pictures, **numbers, provenance=Provenance(**origin))


def _scalar(values: list, kind: type) -> Any:
    (value,) = values
    return value.decode() if kind is str else kind(value)
