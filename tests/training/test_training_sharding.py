"""Trainable parameters and their sharding, on SVD's full-size shapes."""

import math

import jax
import pytest
from jax.sharding import AbstractMesh, PartitionSpec

from stereojax.svd.unet import STEREOCRAFTER, SVD_XT, UNetSpatioTemporalConditionModel
from stereojax.training import inpaint_task
from stereojax.training.sharding import FSDP, apply_rules, fsdp_axis, param_specs
from stereojax.training.state import split_trainable
from stereojax.training.task import find_task
from stereojax.weights.abstract import abstract
from stereojax.weights.structure import split

TEMPORAL = (
    "temporal_res_block",
    "temporal_transformer_blocks",
    "time_pos_embed",
    "time_mixer",
)


def parameters(config):
    model = abstract(lambda rngs: UNetSpatioTemporalConditionModel(config, rngs=rngs))
    return {f"unet.{name}": x for name, x in split(model)[1].items()}


@pytest.fixture(scope="module")
def full():
    return parameters(SVD_XT)


def size(arrays) -> int:
    return sum(math.prod(x.shape) for x in arrays.values())


def test_only_the_spatial_layers_are_trainable(full):
    trainable, frozen = split_trainable(full, inpaint_task.TRAINABLE)
    assert {n for n in full if any(part in n for part in TEMPORAL)} == set(frozen)
    assert size(trainable) + size(frozen) == 1_524_623_082
    assert round(size(trainable) / 1e6, 1) == 868.5


def test_the_mask_channel_is_trainable():
    trainable, _ = split_trainable(parameters(STEREOCRAFTER), inpaint_task.TRAINABLE)
    assert trainable["unet.conv_in.kernel"].shape == (3, 3, 9, 320)


def test_a_parameter_without_a_rule_is_an_error(full):
    odd = {**full, "unet.down_blocks.0.adapter.kernel": full["unet.conv_in.kernel"]}
    with pytest.raises(ValueError, match=r"1 parameters .*adapter"):
        split_trainable(odd, inpaint_task.TRAINABLE)
    odd = {"unet.conv_in.gate": full["unet.conv_in.kernel"]}
    with pytest.raises(ValueError, match=r"any sharding rule: unet\.conv_in\.gate"):
        param_specs(odd, AbstractMesh((1, 2), ("data", "fsdp")))


def test_the_first_rule_that_matches_the_full_name_decides():
    rules = [("a.*", 1), (".*b", 2)]
    assert apply_rules(rules, ["ab", "xb"], what="test") == {"ab": 1, "xb": 2}
    with pytest.raises(ValueError, match="bc"):
        apply_rules(rules, ["bc"], what="test")


def test_eight_devices_hold_an_eighth_each(full):
    specs = param_specs(full, AbstractMesh((1, 8), ("data", "fsdp")))
    held = sum(
        math.prod(x.shape) / (1 if fsdp_axis(specs[name]) is None else 8)
        for name, x in full.items()
    )
    assert held < 1.001 * size(full) / 8
    for name, x in full.items():
        axis = fsdp_axis(specs[name])
        assert axis is None or x.shape[axis] % 8 == 0, name


def test_the_longest_divisible_axis_is_split():
    shapes = {
        "a.kernel": jax.ShapeDtypeStruct((3, 3, 12, 6), float),
        "b.bias": jax.ShapeDtypeStruct((7,), float),
        "c.mix_factor": jax.ShapeDtypeStruct((4,), float),
    }
    assert param_specs(shapes, AbstractMesh((1, 4), ("data", "fsdp"))) == {
        "a.kernel": PartitionSpec(None, None, FSDP),
        "b.bias": PartitionSpec(),
        "c.mix_factor": PartitionSpec(),
    }


def test_a_task_is_found_by_its_name():
    assert find_task("inpaint") is inpaint_task.INPAINT
    with pytest.raises(ValueError, match="task=depht: expected one of inpaint"):
        find_task("depht")
