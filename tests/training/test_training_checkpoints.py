"""Checkpoints and rows: content, retention, and errors."""

import shutil
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from stereojax.cli import InputError, RunError
from stereojax.training.checkpoints import Checkpoints
from stereojax.training.metric_writer import MetricWriter
from stereojax.training.sharding import make_mesh
from stereojax.training.state import TrainState, make_state

ADAMW = optax.adamw(1e-3)


def state(width: int = 4, optimizer=ADAMW) -> TrainState:
    rng = np.random.default_rng(0)
    trainable = {"unet.a.kernel": rng.standard_normal((width, 4), np.float32)}
    frozen = {
        "unet.b.kernel": jnp.asarray(rng.standard_normal(3), jnp.bfloat16),
        "vae.c.kernel": rng.standard_normal(2, np.float32),
    }
    return make_state(trainable, frozen, optimizer, make_mesh(1), seed=3)


def opened(folder) -> Checkpoints:
    return Checkpoints(folder, keep=2, keep_best=1, stored="unet.")


def raw(tree):
    """Replaces random keys by their data."""
    return jax.tree.map(
        lambda x: (
            jax.random.key_data(x)
            if jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
            else x
        ),
        tree,
    )


def test_a_restored_state_equals_the_saved_one(tmp_path):
    before = state()
    moments = jax.tree.map(lambda x: x + 1, before.optimizer)
    before = TrainState(
        before.step + 9, before.rng, before.trainable, moments, before.frozen
    )
    checkpoints = opened(tmp_path / "run")
    checkpoints.save(before, 9)
    checkpoints.wait()
    checkpoints.close()
    again = opened(tmp_path / "run")
    assert again.latest() == 9
    like = state()
    after = again.restore(like, 9)
    # Frozen parameters that are not stored come from `like`.
    assert after.frozen["vae.c.kernel"] is like.frozen["vae.c.kernel"]
    for one, other in zip(
        *map(jax.tree.leaves, (raw(before), raw(after))), strict=True
    ):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_the_newest_and_the_best_are_kept(tmp_path):
    checkpoints = opened(tmp_path / "run")
    for step, score in ((1, 3.0), (2, 5.0), (3, None), (4, 4.0), (5, None), (6, None)):
        checkpoints.save(state(), step, score)
    checkpoints.wait()
    assert checkpoints.steps() == [2, 5, 6]
    checkpoints.close()
    again = opened(tmp_path / "run")
    for step, score in ((7, 4.5), (8, None), (9, None)):
        again.save(state(), step, score)
    again.wait()
    assert again.steps() == [2, 8, 9]
    again.save(state(), 10, 6.0)
    again.save(state(), 11)
    again.save(state(), 12)
    again.wait()
    assert again.steps() == [10, 11, 12]


def test_an_unreadable_checkpoint_is_named(tmp_path):
    checkpoints = opened(tmp_path / "run")
    for step in (1, 2):
        checkpoints.save(state(), step)
    checkpoints.wait()
    checkpoints.close()
    for file in (tmp_path / "run" / "2" / "default").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    again = opened(tmp_path / "run")
    with pytest.raises(
        RunError, match=r"cannot read step 2 .*remove .*run/2 to resume from step 1"
    ):
        again.restore(state(), 2)


def test_a_checkpoint_of_another_model_is_refused_by_name_and_shape(tmp_path):
    checkpoints = opened(tmp_path / "run")
    checkpoints.save(state(), 1)
    checkpoints.wait()
    with pytest.raises(
        InputError, match=r"another model.*a\.kernel.*\(4, 4\).*\(8, 4\)"
    ):
        checkpoints.restore(state(8), 1)
    with pytest.raises(InputError, match=r"another model or optimizer.*unused.*mu"):
        checkpoints.restore(state(4, optax.sgd(1.0)), 1)


def test_rows_after_a_checkpoint_and_an_incomplete_row_are_removed(tmp_path):
    writer = MetricWriter(tmp_path, step=0)
    for step in (1, 2, 3):
        writer.write({"step": step, "loss": 0.5, "mfu": None, "bad": float("nan")})
    writer.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    writer = MetricWriter(tmp_path, step=2)
    writer.write({"step": 3, "loss": 0.25})
    writer.close()
    assert (tmp_path / "metrics.jsonl").read_text().splitlines() == [
        '{"step": 1, "loss": 0.5, "mfu": null, "bad": null}',
        '{"step": 2, "loss": 0.5, "mfu": null, "bad": null}',
        '{"step": 3, "loss": 0.25}',
    ]


def test_events_are_flushed_and_those_of_repeated_steps_are_purged(tmp_path):
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    def events() -> list[Event]:
        parsed = []
        for file in sorted((tmp_path / "tensorboard").iterdir()):
            data = file.read_bytes()
            while data:  # length, its checksum, an event, its checksum
                size = int.from_bytes(data[:8], "little")
                parsed.append(Event.FromString(data[12 : 12 + size]))
                data = data[16 + size :]
        return parsed

    writer = MetricWriter(tmp_path, step=4)
    writer.write({"step": 5, "loss": 0.5, "mfu": None, "bad": float("nan")})
    writer.write_image("validation", np.full((4, 6, 3), 200, np.uint8), 5)
    writer.write({"step": 6, "loss": 0.25})
    version, start, *rest = events()  # the file is still open
    assert version.file_version == "brain.Event:2"
    assert start.session_log.status == SessionLog.START and start.step == 5
    loss, image, last = rest
    (value,) = loss.summary.value
    assert (loss.step, value.tag, value.simple_value) == (5, "loss", 0.5)
    (value,) = image.summary.value
    assert (value.image.height, value.image.width) == (4, 6)
    assert last.step == 6 and last.summary.value[0].simple_value == 0.25
    writer.close()


def test_a_full_disk_is_an_error_before_writing(tmp_path, monkeypatch):
    checkpoints = opened(tmp_path / "run")
    checkpoints.save(state(), 1)
    checkpoints.wait()
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(RunError, match=r"cannot write step 2 .* GB, but 0.00 .*step 1"):
        checkpoints.save(state(), 2)
    assert checkpoints.steps() == [1]


def test_only_errors_of_a_closed_event_loop_are_ignored(tmp_path, monkeypatch):
    reported = []
    monkeypatch.setattr("sys.unraisablehook", reported.append)
    opened(tmp_path / "run").close()
    for text in ("Event loop is closed", "something else"):
        error = RuntimeError(text)
        sys.unraisablehook(SimpleNamespace(exc_value=error))
    assert [str(args.exc_value) for args in reported] == ["something else"]
