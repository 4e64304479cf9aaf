"""Records as tf.train.Example: ours, and what others write and read."""

import dataclasses

import pytest
from record_samples import record

from stereojax.records import from_example, to_example, wire


def test_a_record_comes_back_as_it_was():
    whole = record()
    stored = dataclasses.replace(whole, warped=whole.left, occlusion=whole.disparity)
    for one in (whole, stored, record(shot=-1, shift=0.1, first_frame=1 << 40)):
        assert from_example(to_example(one)) == one


def test_the_public_definition_agrees():
    proto = pytest.importorskip("tensorflow_datasets.proto").tf_example_pb2
    ours = to_example(record())
    theirs = proto.Example.FromString(ours)
    features = theirs.features.feature
    assert features["left"].bytes_list.value[2] == record().left[2]
    assert list(features["height"].int64_list.value) == [48]
    assert list(features["provenance/shift"].float_list.value) == [-12.5]
    assert from_example(theirs.SerializeToString()) == record()


@pytest.mark.parametrize(
    "values",
    [[b""], [b"a" * 300, b"b"], [0, -1, 1 << 62, 127, 128], [0.5, -(2.0**90)], []],
)
def test_values_of_each_type(values):
    assert wire.read(wire.write({"x": values, "y": [1]})) == {"x": values, "y": [1]}


def test_numbers_need_not_be_packed():
    feature = wire._field(3, b"\x08\x05\x08\x07")  # value = 5, value = 7
    entry = wire._field(1, b"n") + wire._field(2, feature)
    example = wire._field(1, wire._field(1, entry))
    assert wire.read(example) == {"n": [5, 7]}
    single = wire._field(2, b"\x0d\x00\x00\x00\x3f")  # one float, 0.5
    entry = wire._field(1, b"n") + wire._field(2, single)
    assert wire.read(wire._field(1, wire._field(1, entry))) == {"n": [0.5]}


@pytest.mark.parametrize(
    "data", [b"\x0a\xff", b"\x0a\x05abc", b"nonsense", b"\x0b\x00", b"\x08\x01"]
)
def test_what_is_no_example(data):
    with pytest.raises(ValueError, match=r"not a tf\.train\.Example"):
        wire.read(data)


def test_what_is_no_record():
    with pytest.raises(ValueError, match="no 'provenance/source'"):
        from_example(wire.write({"left": [b"x"]}))
