"""Export: converted weights return to the published tensors, bit for bit."""

import copy
import subprocess
import sys
from pathlib import Path

import diffusers
import numpy as np
import pytest
import svd_reference as reference
import torch
import transformers
from flax import nnx
from safetensors.torch import load_file

from convert_weights.conversion import convert_all
from convert_weights.diffusers_folder import to_torch
from convert_weights.export import export
from convert_weights.torch_layout import torch_layouts
from stereojax import weights
from stereojax.cli import InputError

ROOT = Path(__file__).parents[2]
CLASSES = {
    "unet": diffusers.UNetSpatioTemporalConditionModel,
    "vae": diffusers.AutoencoderKLTemporalDecoder,
    "image_encoder": transformers.CLIPVisionModelWithProjection,
}
DTYPES = {"unet": torch.float16, "vae": torch.bfloat16, "image_encoder": torch.float32}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A pipeline whose networks have different dtypes."""
    folder = tmp_path_factory.mktemp("published")
    for part, module in (
        ("unet", reference.unet(9)),
        ("vae", reference.vae()),
        ("image_encoder", reference.clip()),
    ):
        copy.deepcopy(module).to(DTYPES[part]).save_pretrained(folder / part)
    return folder


@pytest.fixture(scope="module")
def exported(published, tmp_path_factory):
    """The pipeline, converted and exported."""
    root, output = (tmp_path_factory.mktemp(name) for name in ("root", "exported"))
    convert_all(published, root)
    (root / "stereocrafter/unet").rename(root / "svd/unet")
    folders = export(root / "svd", output / "pipeline")
    assert [f.name for f in folders] == ["image_encoder", "unet", "vae"]
    return output / "pipeline"


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("*.safetensors")
    return load_file(file)


@pytest.mark.parametrize("part", CLASSES)
def test_names_dtypes_and_bits_are_the_published_ones(published, exported, part):
    before, after = tensors(published / part), tensors(exported / part)
    assert before and after.keys() == before.keys()
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype == DTYPES[part]
        assert torch.equal(after[name], tensor), name


@pytest.mark.parametrize("part", CLASSES)
def test_the_export_loads_strictly_with_published_settings(published, exported, part):
    def load(folder):
        model, info = CLASSES[part].from_pretrained(
            folder, output_loading_info=True, torch_dtype=DTYPES[part]
        )
        assert not any(info.values()), info
        return model

    before, after = load(published / part), load(exported / part)
    assert repr(after) == repr(before)  # every layer with its sizes and epsilons


def test_a_transposed_convolution_survives_the_round_trip():
    layer = nnx.ConvTranspose(2, 3, (4, 2), rngs=nnx.Rngs(0))
    (kernel,) = (x for x in torch_layouts(layer) if x.name == "weight")
    tensor = np.random.default_rng(0).standard_normal((2, 3, 4, 2))
    np.testing.assert_array_equal(kernel.to_torch(kernel.from_torch(tensor)), tensor)


def test_one_error_lists_missing_unused_and_wrongly_shaped_arrays():
    state = {"kernel": np.zeros((4, 3)), "extra": np.zeros(2)}
    expected = (
        r"3 problems exporting x: missing bias \(5,\); "
        r"shape weight \(3, 4\) where \(5, 4\) was expected; unused extra \(2,\)"
    )
    with pytest.raises(InputError, match=expected):
        to_torch(nnx.Linear(4, 5, rngs=nnx.Rngs(0)), state, what="x")


def test_bad_sources_and_outputs(exported, tmp_path):
    with pytest.raises(InputError, match="contains no converted weights"):
        export(tmp_path, tmp_path / "out")
    part = weights.save(
        tmp_path / "depth", {"class": "DepthAnythingV2", "sizes": {}}, {"a": np.ones(1)}
    )
    with pytest.raises(InputError, match="DepthAnythingV2 cannot be exported"):
        export(part, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_does_not_overwrite(published, tmp_path):
    (part,) = convert_all(published / "vae", tmp_path)
    line = [sys.executable, "-m", "convert_weights.export"]
    line += ["--source", str(part), "--output", str(tmp_path / "out")]
    runs = [
        subprocess.run(line, cwd=ROOT, capture_output=True, text=True) for _ in "12"
    ]
    assert [run.returncode for run in runs] == [0, 2], runs[0].stderr
    assert runs[0].stdout.strip() == f"wrote {tmp_path / 'out'}"
    assert runs[1].stderr.startswith(f"error: {tmp_path / 'out'}: exists; give another")
