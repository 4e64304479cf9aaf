"""The training record: fields, encoding, and random access to files of records."""

from stereojax.records.coding import decode_record, encode_record
from stereojax.records.example import from_example, to_example
from stereojax.records.record import Frames, Provenance, Record
from stereojax.records.source import RecordSource, open_records

__all__ = [
    "Frames",
    "Provenance",
    "Record",
    "RecordSource",
    "decode_record",
    "encode_record",
    "from_example",
    "open_records",
    "to_example",
]
