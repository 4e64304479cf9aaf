"""Verification: passes what is right, and fails on one wrong tensor."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import svd_reference as reference
from safetensors.torch import load_file, save_file

from convert_weights.conversion import convert_all
from convert_weights.verify import comparison
from convert_weights.verify.__main__ import _mask_channel, verify
from stereojax import weights
from stereojax.cli import InputError, RunError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    reference.unet(8).save_pretrained(folder / "unet")
    reference.vae().save_pretrained(folder / "vae")
    reference.clip().save_pretrained(folder / "image_encoder")
    return folder


@pytest.fixture(scope="module")
def root(pipeline, tmp_path_factory):
    """The U-Net with a mask channel, so that one run serves both claims."""
    root = tmp_path_factory.mktemp("root")
    for model in ("svd/vae", "svd/image_encoder"):
        convert_all(pipeline, root, model=model)
    convert_all(pipeline, root, init_mask_channel=True)
    return root


def tamper(part: Path, into: Path, change) -> Path:
    """The part as it would be if its conversion had gone wrong."""
    config, state = weights.load(part)
    change(state)
    return weights.save(into, config, state)


def layer(state: dict) -> dict:
    return state["vision_model"]["encoder"]["layers"][1]["self_attn"]


def test_a_right_conversion_passes_stage_by_stage(pipeline, root, capsys):
    verify(pipeline, root)
    told = capsys.readouterr().out
    assert told.count("the same: the largest difference is") == 3
    assert "DIFFERS" not in told
    for stage in ("up_blocks.1", "encoder.mid_block", "vision_model.encoder.layers.2"):
        assert f"  {stage} " in told
    tensors = len(reference.unet(8).state_dict())
    assert f"tensors equal to the source's: {tensors} of {tensors}" in told
    # Noise as the mask changed nothing.
    assert "conv_in's mask channel is all zero: the network does not see" in told


def test_a_square_kernel_left_transposed_fails(pipeline, root, tmp_path, capsys):
    def change(state):
        layer(state)["q_proj"]["kernel"] = layer(state)["q_proj"]["kernel"].T.copy()

    part = tamper(root / "svd/image_encoder", tmp_path / "image_encoder", change)
    message = r"layers\.1 by .*; 1 tensors .*\(.*layers\.1\.self_attn\.q_proj\.kernel"
    with pytest.raises(RunError, match=message):
        verify(pipeline / "image_encoder", part)
    told = capsys.readouterr().out
    assert "DIFFERS" not in told.split("layers.1")[0]  # what comes before is right


def test_what_no_output_shows_fails_too(pipeline, root, tmp_path):
    """A shift of all keys adds the same to every score of a query."""

    def change(state):
        layer(state)["k_proj"]["bias"] += 0.5

    part = tamper(root / "svd/image_encoder", tmp_path / "image_encoder", change)
    with pytest.raises(RunError, match="no output; 1 tensors are not the source's"):
        verify(pipeline / "image_encoder", part)


def test_the_computation_is_compared_and_not_the_tensors_alone(
    pipeline, root, monkeypatch
):
    def scaled(model, way):
        return {stage: 1.01 * x for stage, x in run(model, way).items()}

    run = comparison._run
    monkeypatch.setattr(comparison, "_run", scaled)
    message = r"differs from [^;]*vision_model\.embeddings by 1\.0e-02[^;]*$"
    with pytest.raises(RunError, match=message):
        verify(pipeline / "image_encoder", root)


def test_a_mask_channel_that_counts_is_reported():
    kernel = np.zeros((3, 3, 9, 4), np.float16)
    kernel[1, 1, 8, 2] = -0.25
    told = _mask_channel({"conv_in": {"kernel": kernel}})
    assert told == "conv_in's mask channel is not zero: up to 0.25"


def test_half_precision_and_old_names(tmp_path):
    module = reference.vae()
    module.save_pretrained(tmp_path / "vae")
    (file,) = (tmp_path / "vae").glob("*.safetensors")
    old = {
        name.replace(".to_q.", ".query.").replace(".to_out.0.", ".proj_attn."): x.half()
        for name, x in load_file(file).items()
    }
    save_file(old, file, {"format": "pt"})
    convert_all(tmp_path / "vae", tmp_path)
    verify(tmp_path / "vae", tmp_path)


def test_nothing_to_compare(pipeline, root, tmp_path):
    with pytest.raises(InputError, match=r"--converted=.*: no part of .*unet there"):
        verify(pipeline / "unet", tmp_path)
    with pytest.raises(RunError, match="has sizes"):
        verify(pipeline / "image_encoder", root / "svd/vae")


def test_the_command_says_in_one_line_what_differs(pipeline, root, tmp_path):
    def change(state):
        state["visual_projection"]["kernel"] *= 1.1

    part = tamper(root / "svd/image_encoder", tmp_path / "image_encoder", change)
    line = [sys.executable, "-m", "convert_weights.verify"]
    line += ["--source", str(pipeline / "image_encoder"), "--converted", str(part)]
    env = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {part}: differs from")
    assert done.stderr.count("\n") == 1, done.stderr


def test_without_torch_one_line_says_what_to_install(pipeline, root, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs torch; run: pip install"):
        verify(pipeline, root)
