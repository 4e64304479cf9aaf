"""Conversion of SVD's networks: pipelines, variants, refused configs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import svd_reference as reference
import torch
from flax import nnx
from safetensors.torch import load_file, save_file
from stand_in_hub import StandInHub
from svd_reference import error, noise, run, to_jax, to_numpy

from convert_weights import convert
from convert_weights.conversion import convert_all
from stereojax import weights
from stereojax.cli import InputError
from stereojax.svd.networks import build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A folder like SVD's repository: three networks, other folders, a file on top."""
    folder = reference.save_pipeline(tmp_path_factory.mktemp("pipeline"))
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    (folder / "model_index.json").write_text("{}")
    (folder / "svd_xt.safetensors").write_bytes(b"another layout")
    return folder


@pytest.fixture(scope="module")
def root(pipeline, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    folders = convert_all(pipeline, root)
    assert [str(f.relative_to(root)) for f in folders] == [
        "svd/image_encoder",
        "svd/unet",
        "svd/vae",
    ]
    return root


@pytest.fixture
def copy(pipeline, tmp_path):
    """A copy of the pipeline that a test may change."""
    return Path(shutil.copytree(pipeline, tmp_path / "copy"))


def edit(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def network(folder: Path):
    config, state = weights.load(folder)
    model = build(config["class"], config["sizes"])
    return weights.load_state(model, state, what=config["part"])


def test_config_json_of_the_parts(root):
    config = weights.read_config(root / "svd/unet")
    assert config["class"] == "UNetSpatioTemporalConditionModel"
    assert config["sizes"] == {
        "in_channels": 8,
        "out_channels": 4,
        "block_out_channels": [64, 128],
        "layers_per_block": 1,
        "num_attention_heads": [2, 4],
        "cross_attention_dim": 32,
        "addition_time_embed_dim": 32,
        "num_frames": 25,
    }
    assert config["licence"] == "Stable Video Diffusion community licence"
    assert weights.read_config(root / "svd/vae")["sizes"] == {
        "latent_channels": 4,
        "block_out_channels": [64, 64, 128],
        "layers_per_block": 2,
        "scaling_factor": 0.18215,
    }


def test_a_network_loaded_from_its_part_computes_the_same(root):
    """tests/svd compares the networks without a part on disk."""
    pixels = noise(2, 3, 28, 28)
    expected = to_numpy(reference.clip()(pixels).image_embeds)
    assert (
        error(run(network(root / "svd/image_encoder"), to_jax(pixels)), expected) < 1e-4
    )


def test_a_unet_of_nine_channels_is_stereocrafters(tmp_path):
    reference.unet(9).save_pretrained(tmp_path / "repo" / "unet_diffusers")
    folders = convert_all(tmp_path / "repo", tmp_path / "root")
    assert folders == [tmp_path / "root/stereocrafter/unet"]


def test_depthcrafter_is_detected_by_class_or_selected_by_model(copy, tmp_path):
    unet = copy / "unet"
    selected = convert(unet, tmp_path, model="depthcrafter/unet")
    edit(unet, _class_name="DiffusersUNetSpatioTemporalConditionModelDepthCrafter")
    detected = convert(unet, tmp_path)
    assert selected == detected == tmp_path / "depthcrafter/unet"
    assert weights.read_config(detected)["licence"].startswith("academic research only")


def test_a_mask_channel_of_zeros_can_be_added(pipeline, root, tmp_path):
    (folder,) = convert_all(pipeline, tmp_path, init_mask_channel=True)
    assert folder == tmp_path / "stereocrafter_init/unet"
    config, state = weights.load(folder)
    assert config["sizes"]["in_channels"] == 9
    kernel = state["conv_in"]["kernel"]
    _, before = weights.load(root / "svd/unet")
    assert kernel.shape == (3, 3, 9, 64)
    np.testing.assert_array_equal(kernel[:, :, :8], before["conv_in"]["kernel"])
    assert not kernel[:, :, 8].any()
    assert nnx.state(network(folder))  # loads as a U-Net of 9 channels


def test_a_mask_channel_needs_a_unet_of_eight_channels(pipeline, tmp_path):
    with pytest.raises(InputError, match="8 input channels, not svd/vae"):
        convert_all(pipeline / "vae", tmp_path, init_mask_channel=True)
    reference.unet(9).save_pretrained(tmp_path / "nine")
    with pytest.raises(InputError, match="8 input channels, not stereocrafter/unet"):
        convert_all(tmp_path / "nine", tmp_path, init_mask_channel=True)


def test_half_precision_is_preferred_to_full(copy, tmp_path):
    encoder = copy / "image_encoder"
    half = {k: v.half() for k, v in load_file(encoder / "model.safetensors").items()}
    # Old files hold the position IDs.
    half["vision_model.embeddings.position_ids"] = torch.arange(5)[None]
    save_file(half, encoder / "model.fp16.safetensors", {"format": "pt"})
    folder = convert(encoder, tmp_path)
    assert weights.read_config(folder)["dtype"] == "float16"
    full = convert(encoder / "model.safetensors", tmp_path)
    assert weights.read_config(full)["dtype"] == "float32"


def test_shards_of_half_precision(tmp_path):
    unet = reference.unet(8)
    unet.save_pretrained(tmp_path / "hub", max_shard_size="8MB", variant="fp16")
    names = [p.name for p in (tmp_path / "hub").glob("*.safetensors")]
    assert len(names) > 1 and all("fp16-0000" in name for name in names)
    folder = convert(tmp_path / "hub", tmp_path / "root")
    assert folder.name == "unet"


def test_old_names_of_the_vae(copy, root, tmp_path):
    file = copy / "vae/diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = {}
    for name, tensor in load_file(file).items():
        for now, before in old.items():
            name = name.replace(f"attentions.0.{now}.", f"attentions.0.{before}.")
        tensors[name] = tensor
    assert sum("proj_attn" in name for name in tensors) == 4
    save_file(tensors, file, {"format": "pt"})
    folder = convert(copy / "vae", tmp_path)
    digests = [weights.fingerprint(f) for f in (folder, root / "svd/vae")]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("unet", {"in_channels": 7}, "7 input channels; expected 8 .* or 9"),
        ("unet", {"transformer_layers_per_block": 2}, "is 2; only 1 can be converted"),
        ("unet", {"layers_per_block": [1, 2]}, "layers_per_block is .*a number"),
        ("unet", {"num_attention_heads": [2]}, "num_attention_heads is .*integers"),
        ("unet", {"down_block_types": ["DownBlock2D"] * 2}, "down_block_types is"),
        ("vae", {"out_channels": 4}, "out_channels is 4; only 3 can be converted"),
        ("image_encoder", {"hidden_act": "quick_gelu"}, "only gelu can be converted"),
        ("unet", {"block_out_channels": [64, 96]}, "shape .* was expected"),
    ],
)
def test_unsupported_settings_are_refused(copy, tmp_path, part, changes, message):
    edit(copy / part, **changes)
    with pytest.raises(InputError, match=message):
        convert(copy / part, tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_a_missing_config_is_an_error(copy, tmp_path):
    (copy / "vae/config.json").unlink()
    with pytest.raises(InputError, match=r"vae: config\.json, .* is missing"):
        convert(copy / "vae", tmp_path)


def test_a_pipeline_without_supported_networks_lists_its_networks(copy, tmp_path):
    for part in ("unet", "vae", "image_encoder"):
        edit(copy / part, _class_name="UNet2DConditionModel", architectures=None)
    with pytest.raises(InputError, match=r"holds .*unet \(UNet2DConditionModel\)"):
        convert_all(copy, tmp_path)


def test_one_model_of_a_pipeline(pipeline, tmp_path):
    (folder,) = convert_all(pipeline, tmp_path, model="svd/vae")
    assert folder == tmp_path / "svd/vae"


def test_only_the_selected_network_is_fetched(pipeline, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    files = {
        p.relative_to(pipeline).as_posix(): p.read_bytes()
        for p in pipeline.rglob("*")
        if p.is_file()
    }
    with StandInHub("stabilityai/svd", files) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        folders = convert_all("stabilityai/svd", tmp_path, model="svd/image_encoder")
        fetched = " ".join(map(str, hub.requests))
    assert folders == [tmp_path / "svd/image_encoder"]
    assert "image_encoder/model.safetensors" in fetched
    assert "unet/diffusion_pytorch_model" not in fetched
    assert "svd_xt" not in fetched


def test_the_command_converts_a_pipeline(pipeline, tmp_path):
    line = [sys.executable, "-m", "convert_weights"]
    line += ["--source", str(pipeline), "--output", str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for part in ("unet", "vae", "image_encoder"):
        assert f"wrote {tmp_path / 'svd' / part} (float32" in done.stdout
