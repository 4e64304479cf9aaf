"""Conversion of Depth Anything V2: both layouts, the command, refused models."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import depth_anything_reference as reference
import jax
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from convert_weights import conversion, convert
from convert_weights.detected_model import DetectedModel
from convert_weights.engine import Table
from stereojax import weights
from stereojax.cli import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return reference.save(reference.tiny(), tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def converted(hub, tmp_path_factory):
    return convert(hub, tmp_path_factory.mktemp("root"))


@pytest.fixture
def copy(hub, tmp_path):
    """A copy of the checkpoint's folder that a test may change."""
    folder = tmp_path / "hub"
    shutil.copytree(hub, folder)
    return folder


def tensors_of(folder):
    return load_file(folder / "model.safetensors")


def command(*args):
    line = [sys.executable, "-m", "convert_weights", *map(str, args)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True)


def equal(a, b):
    a, b = weights.load(a)[1], weights.load(b)[1]
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


def test_config_json_of_the_part(hub, converted):
    config = json.loads((converted / "config.json").read_text())
    assert converted.name == config["part"] == "depth_anything_v2"
    assert config["class"] == "DepthAnythingV2"
    assert config["source"] == str(hub)
    assert config["dtype"] == "float32"
    assert config["sizes"] == {
        "dim": 32,
        "depth": 5,
        "heads": 2,
        "taps": [0, 1, 3, 4],
        "features": 16,
        "out_channels": [8, 12, 16, 16],
        "last": 8,
        "patch": 14,
        "grid": 5,
        "pos_embed_offset": 0.1,
    }


def test_the_original_layout_gives_the_same_arrays(hub, converted, tmp_path):
    tensors = reference.original(tensors_of(hub))
    folder = tmp_path / "original"
    folder.mkdir()
    shutil.copy(
        hub / "config.json", folder
    )  # gives the taps: no published model is so small
    torch.save(tensors, folder / "depth_anything_v2_vitx.pth")
    assert equal(convert(folder, tmp_path / "root"), converted)


def test_the_names_of_transformers_loaded_modules(converted, copy, tmp_path):
    tensors = {
        name.replace("attention.attention.query", "attention.q_proj")
        .replace("attention.attention.key", "attention.k_proj")
        .replace("attention.attention.value", "attention.v_proj")
        .replace("attention.output.dense", "attention.o_proj"): tensor
        for name, tensor in tensors_of(copy).items()
    }
    save_file(tensors, copy / "model.safetensors")
    assert equal(convert(copy, tmp_path / "root"), converted)


def test_half_precision_and_shards(hub, converted, tmp_path):
    model = reference.tiny().half()
    folder = reference.save(model, tmp_path / "half", max_shard_size="100KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    config, state = weights.load(convert(folder, tmp_path / "root"))
    assert config["dtype"] == "float16"
    full = weights.load(converted)[1]
    jax.tree.map(
        lambda half, full: np.testing.assert_array_equal(half, full.astype(half.dtype)),
        state,
        full,
    )


def test_unused_tensors_are_optional(converted, copy, tmp_path):
    tensors = tensors_of(copy)
    unused = [
        name
        for name in tensors
        if "mask_token" in name or "fusion_stage.layers.0.residual_layer1" in name
    ]
    assert len(unused) == 5
    for name in unused:
        del tensors[name]
    save_file(tensors, copy / "model.safetensors")
    assert equal(convert(copy, tmp_path / "root"), converted)


def test_one_error_lists_all_problems_and_nothing_is_written(copy, tmp_path):
    tensors = tensors_of(copy)
    del tensors["backbone.layernorm.bias"]
    tensors["head.conv1.weight"] = torch.zeros(8, 15, 3, 3)
    tensors["backbone.extra"] = torch.zeros(4)
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(InputError) as error:
        convert(copy, tmp_path / "root")
    assert str(error.value) == (
        "3 problems converting depth_anything_v2: "
        "shape head.conv1.weight (8, 15, 3, 3) where (8, 16, 3, 3) was expected; "
        "missing pretrained.norm.bias (32,); unused backbone.extra (4,)"
    )
    assert not (tmp_path / "root").exists()


def test_the_output_may_be_the_parts_own_folder(hub, tmp_path):
    for _ in range(2):  # the second conversion replaces the first
        part = convert(hub, tmp_path / "depth_anything_v2")
        assert part == tmp_path / "depth_anything_v2"
    assert {p.name for p in tmp_path.iterdir()} == {"depth_anything_v2"}


def test_a_folder_that_is_not_a_part_is_not_replaced(hub, tmp_path):
    other = tmp_path / "depth_anything_v2"
    other.mkdir()
    (other / "diary.txt").write_text("dear")
    with pytest.raises(InputError, match="exists and holds no weights"):
        convert(hub, tmp_path)
    assert (other / "diary.txt").read_text() == "dear"


def test_the_model_can_be_selected(hub, tmp_path):
    part = convert(hub, tmp_path, model="depth_anything_v2_small")
    assert part.name == "depth_anything_v2_small"
    assert weights.read_config(part)["licence"] == "Apache-2.0"
    with pytest.raises(InputError, match="--model=unet: expected one of depth_any"):
        convert(hub, tmp_path, model="unet")


def test_another_published_size_than_the_selected_is_refused():
    base = DetectedModel("depth_anything_v2_base", {}, Table(), None)
    with pytest.raises(InputError, match="holds depth_anything_v2_base, expected dep"):
        conversion._part_name(base, "depth_anything_v2_small", "x")


def test_a_metric_model_is_refused(copy, tmp_path):
    config = json.loads((copy / "config.json").read_text())
    config["depth_estimation_type"] = "metric"
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="a metric model"):
        convert(copy, tmp_path / "root")


def test_another_model_is_refused(tmp_path):
    save_file({"unet.conv_in.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"not a model that can be converted.*conv_in"):
        convert(tmp_path, tmp_path / "root")


def test_tensors_that_give_the_sizes_are_required(copy, tmp_path):
    tensors = tensors_of(copy)
    del tensors["backbone.embeddings.position_embeddings"]
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(InputError, match=r"pretrained\.pos_embed, which .* missing"):
        convert(copy, tmp_path / "root")


def test_the_command(hub, converted, tmp_path):
    done = command("--source", hub, "--output", tmp_path / "root")
    assert done.returncode == 0, done.stderr
    assert "licence of depth_anything_v2: not known" in done.stdout
    assert str(tmp_path / "root" / "depth_anything_v2") in done.stdout
    assert done.stderr == ""
    assert equal(tmp_path / "root" / "depth_anything_v2", converted)


def test_the_command_fails_with_one_line(tmp_path):
    done = command("--source", tmp_path / "nowhere", "--output", tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "nowhere: no such file or folder" in done.stderr
