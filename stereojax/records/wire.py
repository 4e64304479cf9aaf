"""Serializes and parses tf.train.Example in protobuf's wire format, without TensorFlow.

Example { Features features = 1; }      Features { map<string, Feature> feature = 1; }
Feature { BytesList = 1 | FloatList = 2 | Int64List = 3 }, each `repeated value = 1`,
numbers packed or not. Follows the public definition (tensorflow/core/example,
Apache-2.0).
"""

import struct
from collections.abc import Iterator, Sequence

import numpy as np

Value = Sequence[bytes] | Sequence[float] | Sequence[int]
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_BYTES, _FLOATS, _INTS = 1, 2, 3


def serialize_features(features: dict[str, Value]) -> bytes:
    """Serializes an Example with sorted keys, so that equal features give equal bytes.

    The type of a feature is the type of its first value: bytes, float or int.
    """
    entries = []
    for name in sorted(features):
        value = _field(1, name.encode()) + _field(2, _feature(features[name]))
        entries.append(_field(1, value))
    return _field(1, b"".join(entries))


def parse_features(data: bytes) -> dict[str, list]:
    """Returns each feature's list of bytes, floats or ints, by name.

    Raises:
      ValueError: the bytes are no Example.
    """
    values = {}
    try:
        for _, features in _fields(memoryview(data)):
            for _, entry in _fields(features):
                parts = dict(_fields(entry))
                values[bytes(parts[1]).decode()] = _values(parts.get(2, b""))
    except (IndexError, KeyError, TypeError, UnicodeDecodeError, struct.error) as error:
        raise ValueError(f"not a tf.train.Example: {error}") from error
    return values


def _feature(values: Value) -> bytes:
    if not len(values):
        return b""
    if isinstance(values[0], bytes):
        return _field(_BYTES, b"".join(_field(1, v) for v in values))
    if isinstance(values[0], float):
        packed = struct.pack(f"<{len(values)}f", *values)
        return _field(_FLOATS, _field(1, packed))
    packed = b"".join(_varint(v & (1 << 64) - 1) for v in values)
    return _field(_INTS, _field(1, packed))


def _values(feature: memoryview | bytes) -> list:
    values = []
    for kind, listing in _fields(feature):
        for _, value in _fields(listing):
            if kind == _BYTES:
                values.append(bytes(value))
            elif kind == _FLOATS:
                values += np.frombuffer(value, "<f4").tolist()
            elif isinstance(value, int):
                values.append(_signed(value))
            else:
                at = 0
                while at < len(value):
                    number, at = _read_varint(value, at)
                    values.append(_signed(number))
    return values


def _fields(data: memoryview | bytes) -> Iterator[tuple[int, memoryview | int]]:
    """Yields the number and the content of each field of a message."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _read_varint(data, at)
        else:
            sizes = {_FIXED64: 8, _FIXED32: 4}
            if wire == _LENGTH:
                size, at = _read_varint(data, at)
            elif wire in sizes:
                size = sizes[wire]
            else:
                raise ValueError(f"not a tf.train.Example: wire type {wire}")
            value = data[at : at + size]
            if len(value) < size:
                raise ValueError("not a tf.train.Example: it is cut short")
            at += size
        yield number, value


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: memoryview | bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
