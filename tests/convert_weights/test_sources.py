"""Reading folders and files of weights, and the errors for unreadable sources."""

import collections
import dataclasses
import json
import pathlib
import sys

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from convert_weights.sources import choose_weights, open_source, read_checkpoint
from convert_weights.tensors import Safetensors
from convert_weights.torch_file import TorchFile
from stereojax.cli import InputError

ARRAYS = {
    "half": np.arange(6, dtype=np.float16).reshape(2, 3),
    "brain": np.array([1.5, -2], ml_dtypes.bfloat16),
    "full": np.array(7, np.float32),
}


def read(source, tmp_path):
    with open_source(source, tmp_path / "downloads") as folder:
        return read_checkpoint(folder)


def check(checkpoint):
    for name, array in ARRAYS.items():
        assert checkpoint.tensors.shapes[name] == array.shape
        actual = checkpoint.tensors.read(name)
        assert actual.dtype == array.dtype
        assert np.array_equal(actual, array)


def test_a_safetensors_file_and_its_folder(tmp_path):
    save_file(ARRAYS, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"a": 1}')
    for source in (tmp_path, tmp_path / "model.safetensors", str(tmp_path)):
        checkpoint = read(source, tmp_path)
        check(checkpoint)
        assert checkpoint.config == {"a": 1}
        assert checkpoint.label == str(source)


def test_sharded_safetensors(tmp_path):
    names = {}
    for i, (name, array) in enumerate(ARRAYS.items(), 1):
        shard = f"model-0000{i}-of-00003.safetensors"
        save_file({name: array}, tmp_path / shard)
        names[name] = shard
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    check(read(tmp_path, tmp_path))
    (tmp_path / names["half"]).unlink()
    with pytest.raises(
        InputError, match=r"model-00001-of-00003\.safetensors: .*missing"
    ):
        read(tmp_path, tmp_path)
    index.write_text("{}")
    with pytest.raises(InputError, match="an index without a weight_map"):
        read(tmp_path, tmp_path)


def test_torch_files(tmp_path):
    state = {
        "half": torch.from_numpy(ARRAYS["half"]),
        "brain": torch.tensor([1.5, -2], dtype=torch.bfloat16),
        "full": torch.tensor(7.0),
    }
    torch.save(state, tmp_path / "model.pth")
    check(read(tmp_path / "model.pth", tmp_path))
    content = (tmp_path / "model.pth").read_bytes()
    (tmp_path / "model.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"model\.pth: not a complete torch file"):
        read(tmp_path, tmp_path)
    torch.save([1, 2], tmp_path / "model.pth")
    with pytest.raises(InputError, match="expected a dict of tensors"):
        TorchFile(tmp_path / "model.pth")


LEGACY = pytest.mark.parametrize(
    "legacy", [False, True], ids=["zip", "before PyTorch 1.6"]
)


def torch_save(state, file, legacy):
    torch.save(state, file, _use_new_zipfile_serialization=not legacy)


@LEGACY
def test_torch_files_need_no_torch(tmp_path, monkeypatch, legacy):
    tensor = torch.arange(24.0).reshape(2, 3, 4)
    state = {
        "permuted": tensor.permute(2, 0, 1),
        "slice": tensor[1, 1:],
        "parameter": torch.nn.Parameter(tensor),
        "empty": torch.zeros(0, 3),
        "count": torch.tensor(7),
        "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
    }
    torch_save(collections.OrderedDict(state), tmp_path / "model.pth", legacy)
    monkeypatch.setitem(sys.modules, "torch", None)  # makes `import torch` fail
    file = TorchFile(tmp_path / "model.pth")
    for name, tensor in state.items():
        expected = tensor.detach().numpy()
        assert file.shapes[name] == expected.shape
        assert file.read(name).dtype == expected.dtype
        np.testing.assert_array_equal(file.read(name), expected)


@LEGACY
def test_code_in_a_torch_file_is_not_run(tmp_path, legacy):
    class Evil:
        def __reduce__(self):
            return (pathlib.Path.touch, (tmp_path / "ran",))

    torch_save({"a": torch.zeros(2), "b": Evil()}, tmp_path / "model.pth", legacy)
    with pytest.raises(InputError, match=r"not a complete torch file \(Unpickling"):
        TorchFile(tmp_path / "model.pth")
    assert not (tmp_path / "ran").exists()


def test_a_torch_file_with_a_damaged_tensor(tmp_path):
    torch.save({"a": torch.full((500,), 3.0)}, tmp_path / "model.pth")
    content = bytearray((tmp_path / "model.pth").read_bytes())
    content[content.index(np.float32(3).tobytes() * 400) + 100] ^= 1
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(InputError, match="a is damaged"):
        TorchFile(tmp_path / "model.pth").read("a")


@pytest.mark.parametrize("keep", [0, 5, 40, 600, -1])
def test_the_error_names_a_truncated_torch_file_from_before_1_6(tmp_path, keep):
    file = tmp_path / "model.pt.tar"
    torch_save({"a": torch.full((500,), 3.0)}, file, legacy=True)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"model\.pt\.tar: not a complete torch file"):
        TorchFile(file)


def test_a_storage_of_wrong_length_is_an_error(tmp_path):
    file = tmp_path / "model.pt.tar"
    torch_save({"a": torch.full((500,), 3.0)}, file, legacy=True)
    content = bytearray(file.read_bytes())
    content[content.index(np.float32(3).tobytes() * 400) - 8] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"a is damaged \(501 elements where 500"):
        TorchFile(file).read("a")


@LEGACY
@pytest.mark.parametrize(("offset", "stride"), [(-4, 1), (0, -1), (2, 1)])
def test_a_tensor_that_reaches_beyond_its_storage_is_an_error(
    tmp_path, legacy, offset, stride
):
    """The test changes the parsed file, because PyTorch cannot build such a tensor."""
    file = tmp_path / "model.pth"
    torch_save({"a": torch.zeros(5)[:4]}, file, legacy)
    tensors = TorchFile(file)
    stored = tensors._state["a"]
    assert tensors.read("a").shape == (4,)
    tensors._state["a"] = dataclasses.replace(stored, offset=offset, strides=(stride,))
    with pytest.raises(InputError, match="a tensor reaches beyond its storage"):
        tensors.read("a")


@pytest.mark.parametrize("keep", [0, 5, 40, -1])
def test_the_error_names_a_truncated_safetensors_file(tmp_path, keep):
    file = tmp_path / "model.safetensors"
    save_file(ARRAYS, file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(
        InputError, match=r"model\.safetensors: not a complete safetensors"
    ):
        Safetensors([file])


def test_a_source_that_is_neither_a_path_nor_a_repository_is_an_error(tmp_path):
    for source in (tmp_path / "no", "./a/b", "a/b/c", "nothing", "../up"):
        with pytest.raises(InputError, match=r"--source=.*: no such file or folder"):
            open_source(source, tmp_path)


def test_a_folder_without_weights_or_with_several_files_is_an_error(tmp_path):
    with pytest.raises(InputError, match="contains no weights"):
        read(tmp_path, tmp_path)
    assert choose_weights(["a.safetensors", "b.pth", "c.pth"], "x") == "a.safetensors"
    assert choose_weights(["a-00001-of-00002.safetensors", "b.pth"], "x") == "b.pth"
    assert choose_weights(["README.md", "b.pt.tar"], "x") == "b.pt.tar"
    with pytest.raises(InputError, match=r"several weights files \(b.pth, c.pth\)"):
        choose_weights(["b.pth", "c.pth"], "x")


def test_a_config_that_is_not_json_is_an_error(tmp_path):
    save_file(ARRAYS, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: not JSON"):
        read(tmp_path, tmp_path)
