"""Conversion of Video Depth Anything: file formats, refused models, the download."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import torch
import video_depth_reference as reference
from safetensors.torch import save_file
from stand_in_hub import StandInHub

from convert_weights import convert
from convert_weights.fetch import find_or_fetch
from stereojax import weights
from stereojax.cli import InputError
from stereojax.depth.video_depth import VideoDepth

ROOT = Path(__file__).parents[2]
FILE = "video_depth_anything_vitx.pth"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return reference.save(reference.tiny(), tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def converted(hub, tmp_path_factory):
    return convert(hub, tmp_path_factory.mktemp("root"))


def changed_copy(hub, folder, change):
    """Copies the checkpoint to `folder`, with its tensors changed by `change`."""
    shutil.copytree(hub, folder)
    tensors = torch.load(hub / FILE)
    change(tensors)
    torch.save(tensors, folder / FILE)
    return folder


def equal(a, b):
    a, b = weights.load(a)[1], weights.load(b)[1]
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


def test_config_json_of_the_part(converted):
    config = json.loads((converted / "config.json").read_text())
    assert converted.name == config["part"] == "video_depth_anything"
    assert config["class"] == "VideoDepthAnything"
    assert config["sizes"]["out_channels"] == list(reference.MAPS)
    assert (config["sizes"]["frames"], config["sizes"]["temporal_heads"]) == (32, 8)


def test_safetensors_and_half_precision(hub, converted, tmp_path):
    tensors = torch.load(hub / FILE)
    (tmp_path / "safe").mkdir()
    shutil.copy(hub / "config.json", tmp_path / "safe")
    save_file(tensors, tmp_path / "safe" / "model.safetensors")
    assert equal(convert(tmp_path / "safe", tmp_path / "root"), converted)
    half = {name: tensor.half() for name, tensor in tensors.items()}
    save_file(half, tmp_path / "safe" / "model.safetensors")
    config, state = weights.load(convert(tmp_path / "safe", tmp_path / "half"))
    assert config["dtype"] == "float16"
    full = weights.load(converted)[1]
    jax.tree.map(
        lambda half, full: np.testing.assert_array_equal(half, full.astype(half.dtype)),
        state,
        full,
    )


def test_one_error_lists_all_problems_and_nothing_is_written(hub, tmp_path):
    block = "head.motion_modules.2.temporal_transformer."

    def change(tensors):
        del tensors[f"{block}proj_out.bias"]
        tensors[f"{block}proj_in.weight"] = torch.zeros(64, 63)
        tensors[f"{block}norms.extra"] = torch.zeros(4)

    with pytest.raises(InputError) as error:
        convert(changed_copy(hub, tmp_path / "hub", change), tmp_path / "root")
    assert str(error.value) == (
        "3 problems converting video_depth_anything: "
        f"shape {block}proj_in.weight (64, 63) where (64, 64) was expected; "
        f"missing {block}proj_out.bias (64,); unused {block}norms.extra (4,)"
    )
    assert not (tmp_path / "root").exists()


def test_a_metric_model_is_refused(hub, tmp_path):
    shutil.copytree(hub, tmp_path / "hub")
    (tmp_path / "hub" / FILE).rename(tmp_path / "hub" / f"metric_{FILE}")
    with pytest.raises(InputError, match="a metric model"):
        convert(tmp_path / "hub", tmp_path / "root")


def test_the_command_line_prints_the_licence(hub, converted, tmp_path):
    for name, licence in (
        ("video_depth_anything_small", "Apache-2.0"),
        ("video_depth_anything_large", "CC-BY-NC-4.0"),
    ):
        line = [sys.executable, "-m", "convert_weights", f"--model={name}"]
        line += [f"--source={hub}", f"--output={tmp_path}"]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"licence of {name}: {licence}" in done.stdout
        assert equal(tmp_path / name, converted)


def test_the_small_model_is_fetched_at_its_first_use(hub, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    name, repo = (
        "video_depth_anything_small",
        "depth-anything/Video-Depth-Anything-Small",
    )
    # The repository has no config.json: sizes that shapes do not give are the
    # published ones.
    tensors = {"video_depth_anything_vits.pth": checkpoint_of_published_depth(hub)}
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it is an error now
    with StandInHub(repo, tensors) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        folder = find_or_fetch(name, root=tmp_path)
        assert "licence: Apache-2.0" in capfd.readouterr().err
        with pytest.raises(InputError, match=r"Anything-Large .*CC-BY-NC-4\.0"):
            find_or_fetch("video_depth_anything_large", root=tmp_path)
    assert VideoDepth.load(folder).name == name


def checkpoint_of_published_depth(hub):
    """Returns the bytes of a .pth with as many blocks as the published small model."""
    import io

    tensors = torch.load(hub / FILE)
    for name in list(tensors):
        if name.startswith("pretrained.blocks.4."):
            for i in range(5, 12):
                tensors[name.replace("blocks.4", f"blocks.{i}")] = tensors[name]
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()
