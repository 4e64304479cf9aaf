"""The first use of a part: fetched from a local server that stands in for the hub."""

import concurrent.futures
import socket
import time

import depth_anything_reference as reference
import huggingface_hub
import pytest
import torch
from safetensors.torch import save
from stand_in_hub import StandInHub

from convert_weights import convert
from convert_weights.fetch import ensure
from stereojax import weights
from stereojax.cli import InputError, RunError
from stereojax.weights import remote
from stereojax.weights.remote import NetworkError

SMALL = "depth_anything_v2_small"
REPO = "depth-anything/Depth-Anything-V2-Small-hf"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = reference.save(reference.tiny(), tmp_path_factory.mktemp("hub"))
    names = ("config.json", "model.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture
def hub(files, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with StandInHub(REPO, files) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def left(root):
    """All that is in the root, but for the (empty) folder of locks."""
    return sorted(
        str(p.relative_to(root))
        for p in root.glob("*/*")
        if p.parent.name == ".fetch" and p.suffix != ".lock"
    )


def test_the_first_use_fetches_and_the_second_needs_no_network(hub, tmp_path, capfd):
    folder = ensure(SMALL, root=tmp_path)
    assert folder == tmp_path / SMALL
    told = capfd.readouterr().err
    assert f"fetching {SMALL} from {REPO}, once (licence: Apache-2.0)" in told
    assert "model.safetensors" in told  # the progress
    config, state = weights.load(folder)
    assert config["source"] == REPO
    assert config["licence"] == "Apache-2.0"
    assert state["pretrained"]["cls_token"].shape == (1, 1, 32)
    assert left(tmp_path) == []  # only the converted part stays
    assert weights.find(SMALL, root=tmp_path) == folder

    hub.__exit__()
    count = len(hub.requests)
    assert ensure(SMALL, root=tmp_path) == folder
    assert ensure(SMALL, root=tmp_path, offline=True) == folder
    assert len(hub.requests) == count
    assert capfd.readouterr().err == ""


def test_offline_fetches_nothing_and_says_what_to_run(hub, tmp_path, monkeypatch):
    line = rf"run: python -m convert_weights --source {REPO} --output {tmp_path}"
    with pytest.raises(InputError, match=line):
        ensure(SMALL, root=tmp_path, offline=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NetworkError, match="HF_HUB_OFFLINE"):
        ensure(SMALL, root=tmp_path)
    assert not hub.requests
    assert not list(tmp_path.iterdir())


def test_what_is_not_free_for_any_use_is_not_fetched_unasked(hub, tmp_path):
    with pytest.raises(InputError, match=r"V2-Large-hf .*licence: CC-BY-NC-4\.0"):
        ensure("depth_anything_v2_large", root=tmp_path)
    assert not hub.requests


@pytest.fixture
def small_chunks(monkeypatch):
    """A download counts every kilobyte as progress, and retries at once."""
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr(time, "sleep", lambda _: None)


def test_a_download_that_breaks_off_is_resumed(hub, tmp_path, small_chunks):
    hub.cut = len(hub.files["model.safetensors"]) // 3 - 1
    folder = ensure(SMALL, root=tmp_path)
    weights.load(folder)
    ranges = [r for _, path, r in hub.requests if path.startswith("/storage/")]
    assert ranges[0] is None
    starts = [int(r.removeprefix("bytes=").removesuffix("-")) for r in ranges[1:]]
    assert len(starts) == 3 and starts == sorted(starts) and starts[0] > 0.3 * hub.cut


def test_a_truncated_download_never_counts(hub, tmp_path, small_chunks):
    hub.cut, hub.can_resume = 3000, False
    with pytest.raises(NetworkError, match=r"broke off 3 times, after \d+ of"):
        ensure(SMALL, root=tmp_path)
    assert weights.find(SMALL, root=tmp_path) is None
    assert left(tmp_path) == [f".fetch/{REPO.replace('/', '--')}"]
    folder = tmp_path / left(tmp_path)[0]
    stayed = [p.name for p in folder.iterdir() if p.is_file()]
    assert stayed == ["config.json"]  # whole, for the next try

    hub.cut = None
    weights.load(ensure(SMALL, root=tmp_path))
    assert left(tmp_path) == []


def test_a_file_that_was_truncated_at_its_source(hub, tmp_path):
    whole = hub.files["model.safetensors"]
    hub.files["model.safetensors"] = whole[: len(whole) // 2]
    with pytest.raises(RunError, match=r"model\.safetensors: not a whole safetensors"):
        ensure(SMALL, root=tmp_path)
    assert left(tmp_path) == []
    hub.files["model.safetensors"] = whole
    weights.load(ensure(SMALL, root=tmp_path))


def test_a_file_changed_on_the_way(hub, tmp_path):
    hub.changed = True
    with pytest.raises(RunError, match="arrived changed"):
        ensure(SMALL, root=tmp_path)
    assert weights.find(SMALL, root=tmp_path) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (b"<html>log in</html>", "not a whole safetensors file"),
        (save({"unet.weight": torch.zeros(2)}), "not a model that can be converted"),
    ],
    ids=["a page", "another model"],
)
def test_a_wrong_file_is_an_error_and_does_not_stay(hub, tmp_path, wrong, message):
    right = hub.files["model.safetensors"]
    hub.files["model.safetensors"] = wrong
    with pytest.raises(RunError, match=f"cannot fetch {SMALL}: .*{message}") as caught:
        ensure(SMALL, root=tmp_path)
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == []
    hub.files["model.safetensors"] = right
    weights.load(ensure(SMALL, root=tmp_path))


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_repository_without_the_file(hub, tmp_path, missing):
    del hub.files[missing]
    with pytest.raises(RunError, match=f"{missing}: not found"):
        ensure(SMALL, root=tmp_path)


def test_two_at_once_fetch_it_once(hub, tmp_path):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        both = [pool.submit(ensure, SMALL, root=tmp_path) for _ in range(2)]
        assert [f.result() for f in both] == [tmp_path / SMALL] * 2
    fetched = [path for _, path, _ in hub.requests if path.startswith("/storage/")]
    assert len(fetched) == 1
    assert left(tmp_path) == []


@pytest.fixture
def port(tmp_path, monkeypatch):
    """A port that is taken, and that nobody listens on yet."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield taken


def test_a_refused_connection_is_not_tried_again(port, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waits to try again"))
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:\d+: no connection"):
        ensure(SMALL, root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_hub_that_never_answers_is_given_up(port, tmp_path, monkeypatch):
    assert remote.SECONDS_TO_CONNECT < 10
    monkeypatch.setattr(remote, "SECONDS_TO_CONNECT", 0.2)
    port.listen()  # takes the connection, and that is all
    with pytest.raises(NetworkError, match="no connection"):
        ensure(SMALL, root=tmp_path)


def test_a_root_that_cannot_be_written(hub, tmp_path):
    (tmp_path / "root").write_text("a file")
    with pytest.raises(RunError, match=f"cannot fetch {SMALL} to .*root"):
        ensure(SMALL, root=tmp_path / "root")


def test_a_repository_as_a_source(hub, tmp_path):
    folder = convert(REPO, tmp_path)
    assert folder == tmp_path / "depth_anything_v2"
    assert weights.read_config(folder)["source"] == REPO
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "GatedRepo", "is gated: accept its terms at http"),
        (401, "GatedRepo", "is gated"),
        (401, "RepoNotFound", "no such repository at http.*hf auth login"),
        (404, "RepoNotFound", "no such repository"),
    ],
)
def test_a_repository_that_refuses(hub, tmp_path, status, code, message):
    hub.status, hub.code = status, code
    with pytest.raises(InputError, match=f"{REPO}.*{message}"):
        convert(REPO, tmp_path)


def test_a_hub_in_trouble(hub, tmp_path):
    hub.status = 503
    with pytest.raises(NetworkError, match="the hub answered 503"):
        convert(REPO, tmp_path)
