"""Conversion of the full-size U-Net (1.5 billion parameters): memory and parity."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GB = 1e9
pytestmark = pytest.mark.slow

SAVE = """
import sys, diffusers, torch
torch.manual_seed(0)
torch.set_default_dtype(torch.float16)
unet = diffusers.UNetSpatioTemporalConditionModel(
    in_channels=9, num_attention_heads=(5, 10, 20, 20), cross_attention_dim=1024
)
with torch.no_grad():
    for name, p in unet.named_parameters():
        if name.endswith("mix_factor"):
            p.normal_()
        elif p.ndim == 1:
            p.add_(0.1 * torch.randn_like(p))
unet.save_pretrained(sys.argv[1])
"""


def run(*line: str) -> tuple[str, float]:
    """Returns the command's output, and its peak resident memory in bytes."""
    script = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:])\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "print(f'\\npeak {peak}')\n"
        "sys.exit(done.returncode)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, sys.executable, *line],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    output, _, peak = done.stdout.rpartition("\npeak ")
    return output, 1024 * int(peak)


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)  # 6 GB


def test_the_full_unet_converts_and_computes_the_same(folder):
    unet, root = str(folder / "unet"), str(folder / "root")
    run("-c", SAVE, unet)
    size = (folder / "unet/diffusion_pytorch_model.safetensors").stat().st_size
    assert size > 3.04 * GB

    output, peak = run("-m", "convert_weights", "--source", unet, "--output", root)
    assert "stereocrafter/unet (float16" in output
    assert peak < 2.2 * size
    config = json.loads((folder / "root/stereocrafter/unet/config.json").read_text())
    assert config["sizes"]["block_out_channels"] == [320, 640, 1280, 1280]

    output, verify_peak = run(
        *(
            "-m",
            "convert_weights.verify",
            "--source",
            unet,
            "--converted",
            root,
        )
    )
    print(
        f"{output}\npeak memory: conversion {peak / GB:.1f} GB, "
        f"verification {verify_peak / GB:.1f} GB"
    )
    assert "the same: the largest difference" in output
    assert verify_peak < 24 * GB
