"""Verification: a correct conversion passes, one wrong tensor fails."""

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
    return reference.save_pipeline(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def root(pipeline, tmp_path_factory):
    """The converted networks. The U-Net has a mask channel."""
    root = tmp_path_factory.mktemp("root")
    for model in ("svd/vae", "svd/image_encoder"):
        convert_all(pipeline, root, model=model)
    convert_all(pipeline, root, init_mask_channel=True)
    return root


def save_changed(part: Path, folder: Path, change) -> Path:
    """Saves a copy of the part with its arrays changed, as by a wrong conversion."""
    config, state = weights.load(part)
    change(state)
    return weights.save(folder, config, state)


def layer(state: dict) -> dict:
    return state["vision_model"]["encoder"]["layers"][1]["self_attn"]


def test_a_correct_conversion_passes_stage_by_stage(pipeline, root, capsys):
    verify(pipeline, root)
    output = capsys.readouterr().out
    assert output.count("the same: the largest difference is") == 3
    assert "DIFFERS" not in output
    for stage in ("up_blocks.1", "encoder.mid_block", "vision_model.encoder.layers.2"):
        assert f"  {stage} " in output
    tensors = len(reference.unet(8).state_dict())
    assert f"tensors equal to the source's: {tensors} of {tensors}" in output
    # The mask input was noise.
    assert "conv_in's mask channel is all zero: the network does not see" in output


def test_a_square_kernel_left_transposed_fails(pipeline, root, tmp_path, capsys):
    def change(state):
        layer(state)["q_proj"]["kernel"] = layer(state)["q_proj"]["kernel"].T.copy()

    part = save_changed(root / "svd/image_encoder", tmp_path / "image_encoder", change)
    message = r"layers\.1 by .*; 1 tensors .*\(.*layers\.1\.self_attn\.q_proj\.kernel"
    with pytest.raises(RunError, match=message):
        verify(pipeline / "image_encoder", part)
    output = capsys.readouterr().out
    assert "DIFFERS" not in output.split("layers.1")[0]  # earlier stages are equal


def test_a_wrong_tensor_without_effect_on_the_output_fails(pipeline, root, tmp_path):
    """A bias of the keys adds a constant to all scores of a query."""

    def change(state):
        layer(state)["k_proj"]["bias"] += 0.5

    part = save_changed(root / "svd/image_encoder", tmp_path / "image_encoder", change)
    with pytest.raises(RunError, match="all outputs agree; 1 tensors differ from"):
        verify(pipeline / "image_encoder", part)


def test_a_wrong_computation_with_equal_tensors_fails(pipeline, root, monkeypatch):
    def run_scaled(model, forward):
        return {stage: 1.01 * x for stage, x in run(model, forward).items()}

    run = comparison._run_flax
    monkeypatch.setattr(comparison, "_run_flax", run_scaled)
    message = r"differs from [^;]*vision_model\.embeddings by 1\.0e-02[^;]*$"
    with pytest.raises(RunError, match=message):
        verify(pipeline / "image_encoder", root)


def test_a_trained_mask_channel_is_reported():
    kernel = np.zeros((3, 3, 9, 4), np.float16)
    kernel[1, 1, 8, 2] = -0.25
    sentence = _mask_channel({"conv_in": {"kernel": kernel}})
    assert sentence == "conv_in's mask channel is not zero: up to 0.25"


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


def test_without_a_part_to_compare(pipeline, root, tmp_path):
    with pytest.raises(
        InputError, match=r"--converted=.*: contains no converted network of .*unet"
    ):
        verify(pipeline / "unet", tmp_path)
    with pytest.raises(RunError, match="sizes are"):
        verify(pipeline / "image_encoder", root / "svd/vae")


def test_the_command_fails_with_one_line(pipeline, root, tmp_path):
    def change(state):
        state["visual_projection"]["kernel"] *= 1.1

    part = save_changed(root / "svd/image_encoder", tmp_path / "image_encoder", change)
    line = [sys.executable, "-m", "convert_weights.verify"]
    line += ["--source", str(pipeline / "image_encoder"), "--converted", str(part)]
    env = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {part}: differs from")
    assert done.stderr.count("\n") == 1, done.stderr


def test_without_torch_the_error_has_the_command(pipeline, root, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs torch; run: pip install"):
        verify(pipeline, root)
