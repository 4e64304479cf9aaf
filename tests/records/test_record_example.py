"""Records as tf.train.Example, also as TensorFlow reads and writes them."""

import dataclasses

import pytest
from record_samples import record

from stereojax.records import from_example, to_example, wire


def test_a_record_survives_the_round_trip():
    plain = record()
    stored = dataclasses.replace(plain, warped=plain.left, occlusion=plain.disparity)
    for one in (plain, stored, record(shot=-1, shift=0.1, first_frame=1 << 40)):
        assert from_example(to_example(one)) == one


def test_the_protobuf_definition_of_tensorflow_parses_it():
    proto = pytest.importorskip("tensorflow_datasets.proto").tf_example_pb2
    example = proto.Example.FromString(to_example(record()))
    features = example.features.feature
    assert features["left"].bytes_list.value[2] == record().left[2]
    assert list(features["height"].int64_list.value) == [48]
    assert list(features["provenance/shift"].float_list.value) == [-12.5]
    assert from_example(example.SerializeToString()) == record()


@pytest.mark.parametrize(
    "values",
    [[b""], [b"a" * 300, b"b"], [0, -1, 1 << 62, 127, 128], [0.5, -(2.0**90)], []],
)
def test_values_of_each_type_survive_the_round_trip(values):
    assert wire.parse_features(wire.serialize_features({"x": values, "y": [1]})) == {
        "x": values,
        "y": [1],
    }


def test_unpacked_numbers_are_parsed():
    feature = wire._field(3, b"\x08\x05\x08\x07")  # value = 5, value = 7
    entry = wire._field(1, b"n") + wire._field(2, feature)
    example = wire._field(1, wire._field(1, entry))
    assert wire.parse_features(example) == {"n": [5, 7]}
    single = wire._field(2, b"\x0d\x00\x00\x00\x3f")  # one float, 0.5
    entry = wire._field(1, b"n") + wire._field(2, single)
    assert wire.parse_features(wire._field(1, wire._field(1, entry))) == {"n": [0.5]}


@pytest.mark.parametrize(
    "data", [b"\x0a\xff", b"\x0a\x05abc", b"nonsense", b"\x0b\x00", b"\x08\x01"]
)
def test_bytes_that_are_no_example_are_an_error(data):
    with pytest.raises(ValueError, match=r"not a tf\.train\.Example"):
        wire.parse_features(data)


def test_an_example_that_is_no_record_is_an_error():
    with pytest.raises(ValueError, match="'provenance/source' is missing"):
        from_example(wire.serialize_features({"left": [b"x"]}))
