"""Fetching a part at its first use, from a local server in place of the hub."""

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
from convert_weights.fetch import find_or_fetch
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


def downloads(root):
    """Returns the downloads that were not deleted, without lock files."""
    return sorted(
        str(p.relative_to(root))
        for p in root.glob("*/*")
        if p.parent.name == ".fetch" and p.suffix != ".lock"
    )


def test_the_first_use_fetches_and_the_second_needs_no_network(hub, tmp_path, capfd):
    folder = find_or_fetch(SMALL, root=tmp_path)
    assert folder == tmp_path / SMALL
    stderr = capfd.readouterr().err
    assert f"fetching {SMALL} from {REPO}, once (licence: Apache-2.0)" in stderr
    assert "model.safetensors" in stderr  # the progress bar
    config, state = weights.load(folder)
    assert config["source"] == REPO
    assert config["licence"] == "Apache-2.0"
    assert state["pretrained"]["cls_token"].shape == (1, 1, 32)
    assert downloads(tmp_path) == []  # only the converted network remains
    assert weights.find(SMALL, root=tmp_path) == folder

    hub.__exit__()
    count = len(hub.requests)
    assert find_or_fetch(SMALL, root=tmp_path) == folder
    assert find_or_fetch(SMALL, root=tmp_path, offline=True) == folder
    assert len(hub.requests) == count
    assert capfd.readouterr().err == ""


def test_offline_fetches_nothing_and_names_the_command(hub, tmp_path, monkeypatch):
    line = rf"run: python -m convert_weights --source {REPO} --output {tmp_path}"
    with pytest.raises(InputError, match=line):
        find_or_fetch(SMALL, root=tmp_path, offline=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NetworkError, match="HF_HUB_OFFLINE"):
        find_or_fetch(SMALL, root=tmp_path)
    assert not hub.requests
    assert not list(tmp_path.iterdir())


def test_weights_with_a_restrictive_licence_are_not_fetched(hub, tmp_path):
    with pytest.raises(InputError, match=r"V2-Large-hf .*licence: CC-BY-NC-4\.0"):
        find_or_fetch("depth_anything_v2_large", root=tmp_path)
    assert not hub.requests


@pytest.fixture
def small_chunks(monkeypatch):
    """A download reports every kilobyte, and retries without delay."""
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr(time, "sleep", lambda _: None)


def test_a_broken_download_is_resumed(hub, tmp_path, small_chunks):
    hub.cut = len(hub.files["model.safetensors"]) // 3 - 1
    folder = find_or_fetch(SMALL, root=tmp_path)
    weights.load(folder)
    ranges = [r for _, path, r in hub.requests if path.startswith("/storage/")]
    assert ranges[0] is None
    starts = [int(r.removeprefix("bytes=").removesuffix("-")) for r in ranges[1:]]
    assert len(starts) == 3 and starts == sorted(starts) and starts[0] > 0.3 * hub.cut


def test_a_truncated_download_never_becomes_a_part(hub, tmp_path, small_chunks):
    hub.cut, hub.can_resume = 3000, False
    with pytest.raises(
        NetworkError, match=r"closed 3 times, the last time after \d+ of"
    ):
        find_or_fetch(SMALL, root=tmp_path)
    assert weights.find(SMALL, root=tmp_path) is None
    assert downloads(tmp_path) == [f".fetch/{REPO.replace('/', '--')}"]
    folder = tmp_path / downloads(tmp_path)[0]
    kept = [p.name for p in folder.iterdir() if p.is_file()]
    assert kept == ["config.json"]  # complete, for the next attempt

    hub.cut = None
    weights.load(find_or_fetch(SMALL, root=tmp_path))
    assert downloads(tmp_path) == []


def test_a_file_that_is_truncated_on_the_server(hub, tmp_path):
    content = hub.files["model.safetensors"]
    hub.files["model.safetensors"] = content[: len(content) // 2]
    with pytest.raises(
        RunError, match=r"model\.safetensors: not a complete safetensors"
    ):
        find_or_fetch(SMALL, root=tmp_path)
    assert downloads(tmp_path) == []
    hub.files["model.safetensors"] = content
    weights.load(find_or_fetch(SMALL, root=tmp_path))


def test_a_download_with_a_wrong_hash_is_refused(hub, tmp_path):
    hub.changed = True
    with pytest.raises(RunError, match="differs from the published file"):
        find_or_fetch(SMALL, root=tmp_path)
    assert weights.find(SMALL, root=tmp_path) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (b"<html>log in</html>", "not a complete safetensors file"),
        (save({"unet.weight": torch.zeros(2)}), "not a model that can be converted"),
    ],
    ids=["a page", "another model"],
)
def test_a_wrong_file_is_an_error_and_is_deleted(hub, tmp_path, wrong, message):
    right = hub.files["model.safetensors"]
    hub.files["model.safetensors"] = wrong
    with pytest.raises(RunError, match=f"cannot fetch {SMALL}: .*{message}") as error:
        find_or_fetch(SMALL, root=tmp_path)
    assert "\n" not in str(error.value)
    assert downloads(tmp_path) == []
    hub.files["model.safetensors"] = right
    weights.load(find_or_fetch(SMALL, root=tmp_path))


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_repository_without_the_file(hub, tmp_path, missing):
    del hub.files[missing]
    with pytest.raises(RunError, match=f"{missing}: not found"):
        find_or_fetch(SMALL, root=tmp_path)


def test_two_threads_download_only_once(hub, tmp_path):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        both = [pool.submit(find_or_fetch, SMALL, root=tmp_path) for _ in range(2)]
        assert [f.result() for f in both] == [tmp_path / SMALL] * 2
    fetched = [path for _, path, _ in hub.requests if path.startswith("/storage/")]
    assert len(fetched) == 1
    assert downloads(tmp_path) == []


@pytest.fixture
def port(tmp_path, monkeypatch):
    """A bound socket that does not listen yet."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{bound.getsockname()[1]}")
        yield bound


def test_a_refused_connection_is_not_retried(port, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waits for a retry"))
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:\d+: no connection"):
        find_or_fetch(SMALL, root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_hub_that_never_answers_times_out(port, tmp_path, monkeypatch):
    assert remote.SECONDS_TO_CONNECT < 10
    monkeypatch.setattr(remote, "SECONDS_TO_CONNECT", 0.2)
    port.listen()  # accepts the connection and never answers
    with pytest.raises(NetworkError, match="no connection"):
        find_or_fetch(SMALL, root=tmp_path)


def test_a_root_that_cannot_be_written(hub, tmp_path):
    (tmp_path / "root").write_text("a file")
    with pytest.raises(RunError, match=f"cannot fetch {SMALL} to .*root"):
        find_or_fetch(SMALL, root=tmp_path / "root")


def test_a_repository_as_source(hub, tmp_path):
    folder = convert(REPO, tmp_path)
    assert folder == tmp_path / "depth_anything_v2"
    assert weights.read_config(folder)["source"] == REPO
    assert downloads(tmp_path) == []


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


def test_a_server_error_of_the_hub(hub, tmp_path):
    hub.status = 503
    with pytest.raises(NetworkError, match="the hub answered 503"):
        convert(REPO, tmp_path)
