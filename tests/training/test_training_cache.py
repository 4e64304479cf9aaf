"""Latents kept on disk: the loss's own, made once, and only those that are drawn."""

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
from stereojax.training.input.latent_cache import LatentCache
from stereojax.training.input.clips import Scenes
from stereojax.training.input.fill_cache import fill_cache, make_encoder, needed_keys
from stereojax.training.input.pipeline import NAMES, batches
from stereojax.training.step import INDEX

KEPT = dataclasses.replace(
    SETTINGS, cached_draws=2, steps=7, batch=2, max_stride=2, synthetic_disparity=12.0
)
CLIPS = Scenes(3, KEPT.span, KEPT.height, KEPT.width, KEPT.synthetic_disparity)
MARKS = {"vae": "patches", "image_encoder": "random 0"}


@pytest.fixture(scope="module")
def start():
    return tiny_training.initial_model(KEPT)


@pytest.fixture(scope="module")
def encode(start):
    """Without the network that trains."""
    arrays = {n: x for n, x in start.arrays.items() if not n.startswith("unet.")}
    return make_encoder(start.structure, inpaint_task.encode(KEPT), arrays)


def filled(cache, encode, *, clips=CLIPS, settings=KEPT, start=0, told=lambda: False):
    return fill_cache(cache, clips, settings, encode, start=start, told=told)


@pytest.fixture(scope="module")
def cache(tmp_path_factory, encode):
    place = tmp_path_factory.mktemp("latents")
    cache = LatentCache.open(place, KEPT, None, MARKS)
    # 14 samples of 3 clips: the fifth epoch is not whole, but draws are two.
    assert filled(cache, encode) and len(list(cache.keys())) == 6
    return cache


def test_a_cached_sample_is_what_the_networks_make_of_it(cache, start):
    model = start.structure.model({n: jnp.asarray(x) for n, x in start.arrays.items()})
    rng = np.random.default_rng([KEPT.seed, 1, 0])
    sample = inpaint_task.make_sample(CLIPS[1], rng, KEPT)
    batch = {n: jnp.asarray(x[None]) for n, x in sample.items()}
    wanted = jax.jit(inpaint_task.encode(KEPT))(model, batch)
    found = cache.read((1, 0))
    assert str(found.pop(NAMES)) == "scene 1"
    assert found.keys() == wanted.keys() >= {"truth", "splatted", "mask", "context"}
    for name, x in wanted.items():
        assert found[name].dtype == np.float16 and np.ptp(x) > 0.1, name
        # Half a unit in the last place, and one of the sum it comes from.
        np.testing.assert_allclose(found[name], x[0], rtol=2e-3, atol=1e-5)


def test_the_loss_takes_them_in_place_of_pictures(cache, start):
    """Its own draws (noise, known frames, dropout) are as they would be."""
    model = start.structure.model({n: jnp.asarray(x) for n, x in start.arrays.items()})
    batch = next(batches(CLIPS, KEPT, cache))
    names = batch.pop(NAMES)
    assert batch.keys() >= {"truth", INDEX} and "left" not in batch
    keys = jax.random.split(jax.random.key(5), 2)
    loss = jax.jit(inpaint_task.loss(KEPT))
    losses, numbers = loss(model, {n: jnp.asarray(x) for n, x in batch.items()}, keys)
    clips = [int(name.split()[1]) for name in names]
    drawn = [
        inpaint_task.make_sample(CLIPS[c], np.random.default_rng([KEPT.seed, c, 0]), KEPT)
        for c in clips
    ]
    pictures = {n: jnp.stack([d[n] for d in drawn]) for n in drawn[0]}
    wanted, others = loss(model, pictures, keys)
    np.testing.assert_allclose(losses, wanted, rtol=1e-3)
    np.testing.assert_array_equal(numbers["known"], others["known"])
    np.testing.assert_array_equal(numbers["hole"], others["hole"])
    assert numbers["hole"].max() > 0.01


def test_draws_come_again_epoch_after_epoch(cache):
    made = list(itertools.islice(batches(CLIPS, KEPT, cache), 6))
    truths: dict[tuple[str, int], np.ndarray] = {}
    for batch in made:
        for g, name, truth in zip(
            batch[INDEX], batch[NAMES], batch["truth"], strict=True
        ):
            key = str(name), g // 3 % 2
            np.testing.assert_array_equal(truth, truths.setdefault(key, truth))
    assert len(truths) == 6
    one, other = truths["scene 0", 0], truths["scene 0", 1]
    assert not np.array_equal(one, other)


def test_only_what_is_missing_is_made(cache, encode, capsys):
    lost = cache._path((2, 1))
    before = {p: os.stat(p).st_mtime_ns for p in cache.folder.glob("*/*.npz")}
    content = lost.read_bytes()
    lost.unlink()
    assert filled(cache, encode)
    said = capsys.readouterr().err
    assert said.startswith(f"latents: 5 of 6 are in {cache.folder}\n")
    assert "latents: 1/1 samples" in said
    after = {p: os.stat(p).st_mtime_ns for p in cache.folder.glob("*/*.npz")}
    assert before.keys() == after.keys()
    assert [p for p in before if before[p] != after[p]] == [lost]
    with np.load(lost) as again:
        lost.with_suffix(".old").write_bytes(content)
        with np.load(lost.with_suffix(".old")) as old:
            for name in old:
                np.testing.assert_array_equal(again[name], old[name])
    lost.with_suffix(".old").unlink()


def test_only_what_a_run_draws_is_made():
    assert needed_keys(3, KEPT, 0) == {(c, d) for c in range(3) for d in range(2)}
    short = dataclasses.replace(KEPT, steps=2)  # four samples: an epoch and one more
    wanted = needed_keys(3, short, 0)
    assert {(c, 0) for c in range(3)} < wanted and len(wanted) == 4
    assert needed_keys(3, short, 1) < wanted
    # Each process's samples are among them.
    drawn = {
        (int(str(name).split()[1]), int(g) // 3 % 2)
        for batch in itertools.islice(
            batches(CLIPS, dataclasses.replace(short, cached_draws=0)), 2
        )
        for g, name in zip(batch[INDEX], batch[NAMES], strict=True)
    }
    assert drawn == wanted


def test_stopped_it_keeps_what_it_has(encode, tmp_path):
    cache = LatentCache.open(tmp_path, KEPT, None, MARKS)
    assert not filled(cache, encode, told=lambda: True)
    assert len(list(cache.keys())) == 1
    # Worker processes read for the rest of it.
    assert filled(cache, encode, settings=dataclasses.replace(KEPT, workers=2))
    assert sorted(cache.keys()) == sorted(needed_keys(3, KEPT, 0))


def test_other_samples_lie_elsewhere(tmp_path):
    at = {
        LatentCache.open(tmp_path, settings, None, marks).folder
        for settings, marks in (
            (KEPT, MARKS),
            (dataclasses.replace(KEPT, seed=1), MARKS),
            (dataclasses.replace(KEPT, flip=0.0), MARKS),
            (KEPT, MARKS | {"vae": "another"}),
        )
    }
    assert len(at) == 4
    more = dataclasses.replace(KEPT, cached_draws=9, steps=1, learning_rate=0.5)
    assert LatentCache.open(tmp_path, more, None, MARKS).folder in at
    told = json.loads((at.pop() / "of.json").read_text())
    assert (
        told["data"] == {"content": "synthetic scenes"}
        and told["settings"]["frames"] == 3
    )


def test_datasets_are_told_apart_by_what_is_in_them(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    found = set()
    for content in ("one", "two"):
        (data / "dataset_info.json").write_text(content)
        found.add(LatentCache.open(tmp_path, KEPT, str(data), MARKS).folder)
    assert len(found) == 2


def test_a_damaged_one_says_so(cache):
    path = cache._path((0, 0))
    content = path.read_bytes()
    try:
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(RunError, match=r"000000000.0.npz: cannot be read.*delete"):
            list(itertools.islice(batches(CLIPS, KEPT, cache), 3))
        middle = len(content) // 2
        path.write_bytes(content[:middle] + b"\0\1\2\3" + content[middle + 4 :])
        with pytest.raises(RunError, match="cannot be read"):
            cache.read((0, 0))
    finally:
        path.write_bytes(content)


def test_what_does_not_fit_into_float16_is_not_kept(tmp_path):
    cache = LatentCache.open(tmp_path, KEPT, None, MARKS)
    with pytest.raises(RunError, match=r"000000003.0.npz: truth is not finite"):
        cache.write((3, 0), {"truth": np.float32([1.0, 1e6])})
    assert not list(cache.keys())


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"--latents=.*file"):
        LatentCache.open(tmp_path / "file", KEPT, None, MARKS)


def test_pictures_in_the_loss_need_pictures():
    with pytest.raises(InputError, match="cached_draws=2: expected 0, as pixel_l1"):
        dataclasses.replace(KEPT, pixel_l1=1.0)
