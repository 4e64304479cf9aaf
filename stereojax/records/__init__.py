"""The one training record: fields, encoding, and random access to files of them."""

from stereojax.records.coding import decode, encode_record
from stereojax.records.example import from_example, to_example
from stereojax.records.record import Frames, Provenance, Record

__all__ = [
    "Frames",
    "Provenance",
    "Record",
    "decode",
    "encode_record",
    "from_example",
    "to_example",
]
