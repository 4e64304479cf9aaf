"""Converts LPIPS: config.json, refused checkpoints, and the error for no weights."""

import lpips_reference as reference
import pytest
import torch

from convert_weights import convert
from stereojax import weights
from stereojax.cli import InputError


@pytest.fixture
def state():
    return reference.Reference().state_dict()


def converted(state, tmp_path):
    torch.save(state, tmp_path / "lpips.pth")
    return convert(tmp_path / "lpips.pth", tmp_path / "root")


def test_config_json_of_the_part(state, tmp_path):
    folder = converted(state, tmp_path)
    assert folder == tmp_path / "root" / "lpips_alex"
    config = weights.read_config(folder)
    assert config["class"] == "LPIPS" and config["part"] == "lpips_alex"
    assert config["licence"] == "BSD-2-Clause, that of its AlexNet BSD-3-Clause"
    assert config["dtype"] == "float32"


def test_older_and_newer_checkpoints_convert_to_the_same_weights(state, tmp_path):
    older = {name: x for name, x in state.items() if not name.startswith("lins.")}
    assert len(older) == len(state) - 5
    digests = set()
    for name, tensors in (("new", state), ("old", older)):
        (tmp_path / name).mkdir()
        digests.add(weights.fingerprint(converted(tensors, tmp_path / name)))
    assert len(digests) == 1


def test_one_error_lists_all_problems(state, tmp_path):
    del state["net.slice3.6.bias"]
    state["net.slice2.3.weight"] = torch.zeros(192, 64, 3, 3)
    state["net.slice5.12.weight"] = torch.zeros(2)
    with pytest.raises(InputError) as error:
        converted(state, tmp_path)
    assert str(error.value) == (
        "3 problems converting lpips_alex: "
        "shape net.slice2.3.weight (192, 64, 3, 3) where (192, 64, 5, 5) was expected; "
        "missing net.slice3.bias (384,); unused net.slice5.12.weight (2,)"
    )
    assert not (tmp_path / "root").exists()


def test_a_checkpoint_without_alexnet_is_refused(state, tmp_path):
    """The lpips package itself contains only the linear layers."""
    lins = {name: x for name, x in state.items() if name.startswith("lin")}
    with pytest.raises(
        InputError, match=r"only LPIPS's linear layers.*run: pip install lpi"
    ):
        converted(lins, tmp_path)


def test_another_backbone_is_refused(state, tmp_path):
    state["lin1.model.1.weight"] = torch.zeros(1, 128, 1, 1)  # from net='vgg'
    with pytest.raises(InputError, match=r"\(64, 128, 384.*as with net='alex'"):
        converted(state, tmp_path)


def test_another_input_scaling_is_refused(state, tmp_path):
    state["scaling_layer.shift"] = torch.zeros(1, 3, 1, 1)
    with pytest.raises(InputError, match=r"scaling_layer\.shift is \[0.0, 0.0, 0.0\]"):
        converted(state, tmp_path)


def test_the_error_for_missing_weights_gives_the_commands(tmp_path):
    with pytest.raises(InputError) as error:
        weights.require("lpips_alex", root=tmp_path)
    line = str(error.value)
    assert "weights lpips_alex are not in" in line
    assert "torch.save(lpips.LPIPS(net='alex').state_dict(), 'lpips_alex.pth')" in line
    assert f"python -m convert_weights --source lpips_alex.pth --output {tmp_path}" in (
        line
    )
