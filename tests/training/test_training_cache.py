"""Cached latents equal those of the loss, and only needed samples are encoded."""

import dataclasses
import itertools
import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_training
from tiny_training import SETTINGS

from stereojax.cli import InputError, RunError
from stereojax.training import inpaint_task
from stereojax.training.input.clips import Scenes
from stereojax.training.input.fill_cache import fill_cache, make_encoder, needed_keys
from stereojax.training.input.latent_cache import LatentCache
from stereojax.training.input.pipeline import NAMES, SampleSource, batches
from stereojax.training.step import INDEX

CACHED = dataclasses.replace(
    SETTINGS, cached_draws=2, steps=7, batch=2, max_stride=2, synthetic_disparity=12.0
)
CLIPS = Scenes(3, CACHED.span, CACHED.height, CACHED.width, CACHED.synthetic_disparity)
SOURCE = SampleSource(CLIPS, CACHED, inpaint_task.make_sample)
IDENTITY = {"vae": "patches", "image_encoder": "random 0"}


@pytest.fixture(scope="module")
def initial():
    return tiny_training.initial_model(CACHED)


@pytest.fixture(scope="module")
def encode(initial):
    """Returns the encoder, which is given no arrays of the U-Net."""
    arrays = {n: x for n, x in initial.arrays.items() if not n.startswith("unet.")}
    return make_encoder(initial.structure, inpaint_task.encode(CACHED), arrays)


def fill(cache, encode, *, settings=CACHED, stop=False):
    source = dataclasses.replace(SOURCE, settings=settings)
    return fill_cache(cache, source, encode, start=0, stop_requested=lambda: stop)


def read(cache=None, settings=CACHED):
    return batches(dataclasses.replace(SOURCE, settings=settings, cache=cache))


def jax_model(initial):
    arrays = {n: jnp.asarray(x) for n, x in initial.arrays.items()}
    return initial.structure.model(arrays)


@pytest.fixture(scope="module")
def cache(tmp_path_factory, encode):
    folder = tmp_path_factory.mktemp("latents")
    cache = LatentCache.open(folder, CACHED, None, IDENTITY)
    # 14 samples of 3 clips are more than two epochs, so all 2 draws are needed.
    assert fill(cache, encode) and len(list(cache.keys())) == 6
    return cache


def test_a_cached_sample_is_the_output_of_the_frozen_networks(cache, initial):
    model = jax_model(initial)
    rng = np.random.default_rng([CACHED.seed, 1, 0])
    sample = inpaint_task.make_sample(CLIPS[1], rng, CACHED)
    batch = {n: jnp.asarray(x[None]) for n, x in sample.items()}
    expected = jax.jit(inpaint_task.encode(CACHED))(model, batch)
    cached = cache.read((1, 0))
    assert str(cached.pop(NAMES)) == "scene 1"
    assert cached.keys() == expected.keys() >= {"truth", "splatted", "mask", "context"}
    for name, x in expected.items():
        assert cached[name].dtype == np.float16 and np.ptp(x) > 0.1, name
        # Tolerance: float16 rounding of the result and of the sums before it.
        np.testing.assert_allclose(cached[name], x[0], rtol=2e-3, atol=1e-5)


def test_the_loss_of_cached_latents_equals_that_of_frames(cache, initial):
    """The loss also draws the same noise, number of known frames and dropout."""
    model = jax_model(initial)
    batch = next(read(cache))
    names = batch.pop(NAMES)
    assert batch.keys() >= {"truth", INDEX} and "left" not in batch
    keys = jax.random.split(jax.random.key(5), 2)
    loss = jax.jit(inpaint_task.loss(CACHED))
    losses, metrics = loss(model, {n: jnp.asarray(x) for n, x in batch.items()}, keys)
    clips = [int(name.split()[1]) for name in names]
    samples = [
        inpaint_task.make_sample(
            CLIPS[c], np.random.default_rng([CACHED.seed, c, 0]), CACHED
        )
        for c in clips
    ]
    frames = {n: jnp.stack([s[n] for s in samples]) for n in samples[0]}
    expected, expected_metrics = loss(model, frames, keys)
    np.testing.assert_allclose(losses, expected, rtol=1e-3)
    np.testing.assert_array_equal(metrics["known"], expected_metrics["known"])
    np.testing.assert_array_equal(metrics["hole"], expected_metrics["hole"])
    assert metrics["hole"].max() > 0.01


def test_cached_draws_repeat_in_later_epochs(cache):
    first = list(itertools.islice(read(cache), 6))
    truths: dict[tuple[str, int], np.ndarray] = {}
    for batch in first:
        for g, name, truth in zip(
            batch[INDEX], batch[NAMES], batch["truth"], strict=True
        ):
            key = str(name), g // 3 % 2
            np.testing.assert_array_equal(truth, truths.setdefault(key, truth))
    assert len(truths) == 6
    first_draw, second_draw = truths["scene 0", 0], truths["scene 0", 1]
    assert not np.array_equal(first_draw, second_draw)


def test_only_missing_samples_are_encoded(cache, encode, capsys):
    lost = cache._path((2, 1))
    before = {p: os.stat(p).st_mtime_ns for p in cache.folder.glob("*/*.npz")}
    content = lost.read_bytes()
    lost.unlink()
    assert fill(cache, encode)
    log = capsys.readouterr().err
    assert log.startswith(f"latents: 5 of 6 are in {cache.folder}\n")
    assert "latents: 1/1 samples" in log
    after = {p: os.stat(p).st_mtime_ns for p in cache.folder.glob("*/*.npz")}
    assert before.keys() == after.keys()
    assert [p for p in before if before[p] != after[p]] == [lost]
    with np.load(lost) as again:
        lost.with_suffix(".old").write_bytes(content)
        with np.load(lost.with_suffix(".old")) as old:
            for name in old:
                np.testing.assert_array_equal(again[name], old[name])
    lost.with_suffix(".old").unlink()


def test_needed_keys_are_those_of_the_samples_of_the_run():
    assert needed_keys(3, CACHED, 0) == {(c, d) for c in range(3) for d in range(2)}
    short = dataclasses.replace(CACHED, steps=2)  # four samples: an epoch and one more
    needed = needed_keys(3, short, 0)
    assert {(c, 0) for c in range(3)} < needed and len(needed) == 4
    assert needed_keys(3, short, 1) < needed
    # The batches of the run have the same keys.
    keys_of_batches = {
        (int(str(name).split()[1]), int(g) // 3 % 2)
        for batch in itertools.islice(
            read(settings=dataclasses.replace(short, cached_draws=0)), 2
        )
        for g, name in zip(batch[INDEX], batch[NAMES], strict=True)
    }
    assert keys_of_batches == needed


def test_a_stopped_fill_keeps_its_samples(encode, tmp_path):
    cache = LatentCache.open(tmp_path, CACHED, None, IDENTITY)
    assert not fill(cache, encode, stop=True)
    assert len(list(cache.keys())) == 1
    # The rest is read by worker processes.
    assert fill(cache, encode, settings=dataclasses.replace(CACHED, workers=2))
    assert sorted(cache.keys()) == sorted(needed_keys(3, CACHED, 0))


def test_each_setting_and_network_has_its_own_folder(tmp_path):
    folders = {
        LatentCache.open(tmp_path, settings, None, networks).folder
        for settings, networks in (
            (CACHED, IDENTITY),
            (dataclasses.replace(CACHED, seed=1), IDENTITY),
            (dataclasses.replace(CACHED, flip=0.0), IDENTITY),
            (CACHED, IDENTITY | {"vae": "another"}),
        )
    }
    assert len(folders) == 4
    # Settings that do not change a sample share its folder.
    same = dataclasses.replace(CACHED, cached_draws=9, steps=1, learning_rate=0.5)
    assert LatentCache.open(tmp_path, same, None, IDENTITY).folder in folders
    content = json.loads((folders.pop() / "of.json").read_text())
    assert (
        content["data"] == {"content": "synthetic scenes"}
        and content["settings"]["frames"] == 3
    )


def test_each_dataset_content_has_its_own_folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    folders = set()
    for content in ("one", "two"):
        (data / "dataset_info.json").write_text(content)
        folders.add(LatentCache.open(tmp_path, CACHED, str(data), IDENTITY).folder)
    assert len(folders) == 2


def test_a_damaged_sample_is_an_error(cache):
    path = cache._path((0, 0))
    content = path.read_bytes()
    try:
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(RunError, match=r"000000000.0.npz: cannot be read.*delete"):
            list(itertools.islice(read(cache), 3))
        middle = len(content) // 2
        path.write_bytes(content[:middle] + b"\0\1\2\3" + content[middle + 4 :])
        with pytest.raises(RunError, match="cannot be read"):
            cache.read((0, 0))
    finally:
        path.write_bytes(content)


def test_a_value_beyond_float16_is_an_error(tmp_path):
    cache = LatentCache.open(tmp_path, CACHED, None, IDENTITY)
    with pytest.raises(RunError, match=r"000000003.0.npz: truth is not finite"):
        cache.write((3, 0), {"truth": np.float32([1.0, 1e6])})
    assert not list(cache.keys())


def test_an_unwritable_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"--latents=.*file"):
        LatentCache.open(tmp_path / "file", CACHED, None, IDENTITY)


def test_pixel_losses_are_refused_with_cached_latents():
    with pytest.raises(
        InputError, match="cached_draws=2: expected 0, because pixel_l1"
    ):
        dataclasses.replace(CACHED, pixel_l1=1.0)
