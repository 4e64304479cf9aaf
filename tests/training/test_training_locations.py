"""Files in a bucket: staged writes, mirrored folders, rows, images and errors."""

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
    for name, value in (served.environment | {"EPATH_USE_TF": "0"}).items():
        monkeypatch.setenv(name, value)
    gpath._is_tf_installed.cache_clear()  # cached for the process
    yield served
    gpath._is_tf_installed.cache_clear()


def test_a_staged_write_replaces_a_folder_completely_or_not_at_all(bucket):
    folder = epath.Path("gs://bucket/made/unet")

    def make(*names: str) -> None:
        with locations.staged_write(folder, last="config.json") as local:
            for name in names:
                (local / name).parent.mkdir(parents=True, exist_ok=True)
                (local / name).write_text(name)
            if "fails" in names:
                raise RunError("fails in the block")

    make("config.json", "a", "b/c")
    start = len(bucket.changes)
    make("b/c", "d", "config.json")
    assert bucket.files("bucket/made/unet") == {
        n: n.encode() for n in ("config.json", "b/c", "d")
    }
    # The folder counts as incomplete between these two changes.
    first, *_, last = bucket.changes[start:]
    assert first == ("DELETE", "made/unet/config.json")
    assert last == ("PUT", "made/unet/config.json")
    start = len(bucket.changes)
    with pytest.raises(RunError, match="fails in the block"):
        make("config.json", "fails")
    assert bucket.changes[start:] == []

    with (
        pytest.raises(InputError, match=r"^gs://bucket/made/unet/b: damaged"),
        locations.staged_read(folder) as local,
    ):
        assert (local / "b/c").read_text() == "b/c"
        raise InputError(f"{local}/b: damaged")


def test_a_mirrored_folder_is_uploaded_when_due_and_on_request(bucket):
    mirror = MirroredFolder(epath.Path("gs://bucket/grown"))
    file = mirror.folder / "rows" / "a"
    file.parent.mkdir()
    for content, now, uploaded in (
        ("1", False, "1"),  # the first upload
        ("12", False, "1"),  # not due yet
        ("12", True, "12"),
    ):
        file.write_text(content)
        mirror.upload(now=now)
        assert bucket.files("bucket/grown") == {"rows/a": uploaded.encode()}
    file.write_text("123")
    mirror.close()
    assert bucket.files("bucket/grown") == {"rows/a": b"123"}
    assert not mirror.folder.exists()


def test_rows_in_a_bucket_resume_after_a_step(bucket):
    workdir = epath.Path("gs://bucket/rows")
    for step, numbers in ((0, (1, 2, 3)), (2, (3, 4))):
        writer = MetricWriter(workdir, step=step)
        for number in numbers:
            writer.write({"step": number, "loss": 0.5 + step})
        writer.write_image("validation", np.full((4, 6, 3), step, np.uint8), number)
        writer.flush()
        writer.close()
    files = bucket.files("bucket/rows")
    rows = [json.loads(x) for x in files["metrics.jsonl"].splitlines()]
    assert [(r["step"], r["loss"]) for r in rows] == [
        (1, 0.5), (2, 0.5), (3, 2.5), (4, 2.5),
    ]  # fmt: skip
    images = {n: x for n, x in files.items() if n.startswith("validation/")}
    assert sorted(images) == [f"validation/step_000000{n}.png" for n in (3, 4)]
    assert all(x.startswith(b"\x89PNG") for x in images.values())
    assert any(n.startswith("tensorboard/events") for n in files)


def test_a_refusal_of_a_bucket_is_a_one_line_error(bucket):
    del bucket
    with pytest.raises(
        RunError, match=r"^cannot read gs://forbidden/run/metrics.*list"
    ):
        MetricWriter(epath.Path("gs://forbidden/run"), step=0)
    writer = MetricWriter(epath.Path("gs://read-only/run"), step=0)
    with pytest.raises(
        RunError, match=r"^cannot write to gs://read-only/run: .*create"
    ):
        writer.write({"step": 1, "loss": 0.5})
    writer.close()
