"""Parts on disk: saved atomically, loaded strictly."""

import shutil

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx

from stereojax.cli import InputError
from stereojax.weights import find, fingerprint, load, load_state, require, root, save

CONFIG = {"part": "tiny", "class": "Net", "sizes": {}, "source": "x", "licence": "y"}


class Net(nnx.Module):
    def __init__(self):
        self.layers = nnx.List([nnx.Linear(2, 3, rngs=nnx.Rngs(0)) for _ in range(2)])
        self.token = nnx.Param(jnp.zeros((1, 2)))


def state(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    layer = [
        {
            "kernel": rng.standard_normal((2, 3)).astype(dtype),
            "bias": rng.standard_normal(3).astype(ml_dtypes.bfloat16),
        }
        for _ in range(2)
    ]
    return {"layers": dict(enumerate(layer)), "token": np.ones((1, 2), np.float16)}


@pytest.fixture
def part(tmp_path):
    return save(tmp_path / "tiny", CONFIG, state())


def test_a_loaded_part_equals_the_saved_one(part):
    config, loaded = load(part)
    assert config["dtype"] == "bfloat16+float16+float32"
    assert config["conversion_version"] == 1
    assert loaded.keys() == {"layers", "token"}
    assert loaded["layers"].keys() == {0, 1}
    for i in range(2):
        for name, array in state()["layers"][i].items():
            assert loaded["layers"][i][name].dtype == array.dtype
            assert np.array_equal(loaded["layers"][i][name], array)
    assert [p.name for p in part.parent.iterdir()] == ["tiny"]


def test_saving_again_replaces_and_changes_the_fingerprint(part):
    before = fingerprint(part)
    assert fingerprint(save(part, CONFIG, state())) == before
    save(part, CONFIG, state(seed=1))
    assert fingerprint(part) != before
    assert np.array_equal(
        load(part)[1]["layers"][1]["kernel"], state(1)["layers"][1]["kernel"]
    )
    assert [p.name for p in part.parent.iterdir()] == ["tiny"]


def test_a_failed_save_keeps_the_old_part_and_no_other_file(part, monkeypatch):
    from stereojax.weights import arrays

    def full(*_):
        raise OSError("no space left")

    before = fingerprint(part)
    monkeypatch.setattr(arrays, "write", full)
    with pytest.raises(OSError, match="no space"):
        save(part, CONFIG, state(seed=1))
    assert fingerprint(part) == before
    assert [p.name for p in part.parent.iterdir()] == ["tiny"]


def test_load_state_casts_to_the_networks_dtypes(part):
    net = load_state(nnx.eval_shape(Net), load(part)[1], what="tiny")
    assert net.layers[1].bias[...].dtype == jnp.float32
    assert np.array_equal(net.layers[1].kernel[...], state()["layers"][1]["kernel"])
    assert np.array_equal(net.token[...], np.ones((1, 2)))


def test_load_state_lists_every_problem(part):
    loaded = load(part)[1]
    del loaded["token"]
    loaded["layers"][0]["kernel"] = np.zeros((3, 3))
    loaded["extra"] = np.zeros(5)
    with pytest.raises(InputError) as error:
        load_state(nnx.eval_shape(Net), loaded, what="tiny")
    assert str(error.value) == (
        "3 problems loading tiny: shape layers.0.kernel (3, 3) where (2, 3) was "
        "expected; missing token (1, 2); unused extra (5,)"
    )


def damage_array(part):
    for file in (part / "arrays" / "layers.0.kernel").iterdir():
        if not file.name.startswith("."):
            file.unlink()  # Orbax reads zeros


def damage_part_of_an_array(part):
    for file in (part / "arrays" / "layers.0.kernel").iterdir():
        if not file.name.startswith("."):
            file.write_bytes(file.read_bytes()[:-4])


def damage_all(part):
    shutil.rmtree(part / "arrays")


@pytest.mark.parametrize("damage", [damage_array, damage_part_of_an_array, damage_all])
def test_damage_is_detected(part, damage):
    load(part)
    damage(part)
    with pytest.raises(
        InputError, match=r"tiny: damaged, not the files .*; run: python"
    ):
        load(part)


def test_another_version_or_no_json(part):
    text = (part / "config.json").read_text()
    (part / "config.json").write_text(text.replace('version": 1', 'version": 0'))
    with pytest.raises(
        InputError, match="converted as version 0 where 1 was expected; run"
    ):
        load(part)
    (part / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: not JSON .*; run"):
        load(part)


def test_the_weights_root(monkeypatch, tmp_path):
    monkeypatch.delenv("STEREOJAX_WEIGHTS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert root() == tmp_path / ".cache/stereojax/weights"
    monkeypatch.setenv("STEREOJAX_WEIGHTS", "~/elsewhere")
    assert root() == tmp_path / "elsewhere"
    assert root("given") == root(root("given"))
    assert str(root("given")) == "given"


def test_find_and_require(part, monkeypatch):
    assert find("tiny", root=part.parent) == require("tiny", root=part.parent) == part
    assert find("other", root=part.parent) is None
    monkeypatch.setenv("STEREOJAX_WEIGHTS", str(part.parent))
    assert find("tiny") == part


def test_the_error_of_an_absent_part_has_the_command(tmp_path):
    expected = (
        "run: python -m convert_weights --source "
        f"depth-anything/Depth-Anything-V2-Base-hf --output {tmp_path} "
        "(licence: CC-BY-NC-4.0)"
    )
    for access in (
        lambda: require("depth_anything_v2_base", root=tmp_path),
        lambda: load(tmp_path / "depth_anything_v2_base"),
    ):
        with pytest.raises(InputError) as error:
            access()
        assert str(error.value).endswith(expected)
        assert "\n" not in str(error.value)
