"""What a bucket holds while a run writes there: whole parts, rows, pictures."""

import json

import bucket_server
import numpy as np
import pytest
from etils import epath
from etils.epath import gpath

from stereojax.cli import InputError, RunError
from stereojax.storage import locations
from stereojax.storage.mirrored_folder import MirroredFolder
from stereojax.training.metric_writer import MetricWriter


@pytest.fixture(scope="module")
def served():
    with bucket_server.serve("bucket", bucket_server.READ_ONLY) as store:
        yield store


@pytest.fixture
def bucket(served, monkeypatch):
    for name, value in (served.instead | {"EPATH_USE_TF": "0"}).items():
        monkeypatch.setenv(name, value)
    gpath._is_tf_installed.cache_clear()  # what it says it says for ever
    yield served
    gpath._is_tf_installed.cache_clear()


def test_what_was_there_is_replaced_whole_or_not_at_all(bucket):
    folder = epath.Path("gs://bucket/made/unet")

    def make(*names: str) -> None:
        with locations.staged_write(folder, last="config.json") as here:
            for name in names:
                (here / name).parent.mkdir(parents=True, exist_ok=True)
                (here / name).write_text(name)
            if "fails" in names:
                raise RunError("in the midst of it")

    make("config.json", "a", "b/c")
    start = len(bucket.changes)
    make("b/c", "d", "config.json")
    assert bucket.files("bucket/made/unet") == {
        n: n.encode() for n in ("config.json", "b/c", "d")
    }
    # It is no part while it is neither the old nor the new one.
    first, *_, last = bucket.changes[start:]
    assert first == ("DELETE", "made/unet/config.json")
    assert last == ("PUT", "made/unet/config.json")
    start = len(bucket.changes)
    with pytest.raises(RunError, match="in the midst"):
        make("config.json", "fails")
    assert bucket.changes[start:] == []

    with (
        pytest.raises(InputError, match=r"^gs://bucket/made/unet/b: damaged"),
        locations.staged_read(folder) as here,
    ):
        assert (here / "b/c").read_text() == "b/c"
        raise InputError(f"{here}/b: damaged")


def test_what_grows_is_copied_at_times_and_when_told(bucket):
    growing = MirroredFolder(epath.Path("gs://bucket/grown"))
    file = growing.folder / "rows" / "a"
    file.parent.mkdir()
    for content, now, there in (
        ("1", False, "1"),  # the first time
        ("12", False, "1"),  # soon after it
        ("12", True, "12"),
    ):
        file.write_text(content)
        growing.keep(now=now)
        assert bucket.files("bucket/grown") == {"rows/a": there.encode()}
    file.write_text("123")
    growing.close()
    assert bucket.files("bucket/grown") == {"rows/a": b"123"}
    assert not growing.folder.exists()


def test_rows_in_a_bucket_go_on_after_a_step(bucket):
    workdir = epath.Path("gs://bucket/rows")
    for step, wrote in ((0, (1, 2, 3)), (2, (3, 4))):
        rows = MetricWriter(workdir, step=step)
        for number in wrote:
            rows.write({"step": number, "loss": 0.5 + step})
        rows.picture("validation", np.full((4, 6, 3), step, np.uint8), number)
        rows.keep()
        rows.close()
    there = bucket.files("bucket/rows")
    found = [json.loads(x) for x in there["metrics.jsonl"].splitlines()]
    assert [(r["step"], r["loss"]) for r in found] == [
        (1, 0.5), (2, 0.5), (3, 2.5), (4, 2.5),
    ]  # fmt: skip
    pictures = {n: x for n, x in there.items() if n.startswith("validation/")}
    assert sorted(pictures) == [f"validation/step_000000{n}.png" for n in (3, 4)]
    assert all(x.startswith(b"\x89PNG") for x in pictures.values())
    assert any(n.startswith("tensorboard/events") for n in there)


def test_a_bucket_that_refuses_is_one_line(bucket):
    del bucket
    with pytest.raises(
        RunError, match=r"^cannot read gs://forbidden/run/metrics.*list"
    ):
        MetricWriter(epath.Path("gs://forbidden/run"), step=0)
    rows = MetricWriter(epath.Path("gs://read-only/run"), step=0)
    with pytest.raises(
        RunError, match=r"^cannot write to gs://read-only/run: .*create"
    ):
        rows.write({"step": 1, "loss": 0.5})
    rows.close()
