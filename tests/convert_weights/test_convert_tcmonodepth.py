"""Conversion of TCMonoDepth: without PyTorch, refused checkpoints, the download."""

import dataclasses
import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest
import tcmonodepth_reference as reference
import torch

from convert_weights import convert
from convert_weights.fetch import find_or_fetch
from stereojax import weights
from stereojax.cli import InputError, RunError
from stereojax.weights.catalogue import CATALOGUE

SMALL = "tcmonodepth_small"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder with a checkpoint of the published sizes."""
    model = reference.random_reference(*reference.PUBLISHED)
    return reference.save(tmp_path_factory.mktemp("hub"), model).parent


@pytest.fixture
def state(hub):
    return torch.load(hub / "_ckpt_small.pt.tar")


def converted(state, tmp_path):
    tmp_path.mkdir(exist_ok=True)
    torch.save(state, tmp_path / "model.pth")
    return convert(tmp_path / "model.pth", tmp_path / "root")


def test_the_command_line_detects_it_and_needs_no_torch(hub, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    line = ["-m", "convert_weights", "--source", hub, "--output", tmp_path / "root"]
    done = subprocess.run(
        [sys.executable, *map(str, line)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"licence of {SMALL}: MIT, (c) 2021 Yu Li" in done.stdout
    config = weights.read_config(tmp_path / "root" / SMALL)
    assert config["class"] == "TCMonoDepthNetwork"
    assert config["dtype"] == "float32"
    assert config["sizes"] == {"channels": [24, 48, 96, 192], "blocks": [4, 8, 4]}


def test_other_sizes_are_found_by_their_shapes(tmp_path):
    part = convert(
        reference.save(tmp_path, reference.random_reference()), tmp_path / "root"
    )
    assert part.name == "tcmonodepth"
    sizes = {"channels": list(reference.CHANNELS), "blocks": list(reference.BLOCKS)}
    assert weights.read_config(part)["sizes"] == sizes


def test_tensors_for_training_only_are_optional(state, tmp_path):
    kept = {
        name: tensor
        for name, tensor in state.items()
        if not name.startswith(("encoder.stage", "decoder.final2", "decoder.final3"))
        and not name.endswith("num_batches_tracked")
    }
    assert len(kept) < len(state) / 2
    parts = [converted(s, tmp_path / n) for n, s in (("all", state), ("few", kept))]
    assert len({weights.fingerprint(part) for part in parts}) == 1


def test_one_error_lists_all_problems(state, tmp_path):
    del state["encoder.features.2.branch_main.1.running_var"]
    state["decoder.final.weight"] = torch.zeros(1, 24, 1, 1)
    state["decoder.extra"] = torch.zeros(4)
    with pytest.raises(InputError) as error:
        converted(state, tmp_path)
    assert str(error.value) == (
        f"3 problems converting {SMALL}: "
        "shape decoder.final.weight (1, 24, 1, 1) where (1, 24, 3, 3) was expected; "
        "missing encoder.features.2.branch_main.1.running_var (24,); "
        "unused decoder.extra (4,)"
    )
    assert not (tmp_path / "root").exists()


def test_tensors_that_give_the_sizes_are_required(state, tmp_path):
    missing = "encoder.features.4.branch_main.5.weight"
    incomplete = {n: x for n, x in state.items() if n != missing}
    with pytest.raises(InputError, match=f"{missing}, which gives .* missing"):
        converted(incomplete, tmp_path)
    state = {n: x for n, x in state.items() if "features.4.branch_proj" not in n}
    with pytest.raises(InputError, match="an encoder of 2 stages; expected 3"):
        converted(state, tmp_path)


class Handler(http.server.SimpleHTTPRequestHandler):
    tokens: ClassVar[list] = []  # the authorization header of each request

    def end_headers(self):
        self.tokens.append(self.headers["Authorization"])
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def web(hub, monkeypatch):
    """A web server with the checkpoint; its address replaces the published one."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    handler = functools.partial(Handler, directory=hub)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/_ckpt_small.pt.tar"
        digest = hashlib.sha256((hub / "_ckpt_small.pt.tar").read_bytes()).hexdigest()
        part = dataclasses.replace(CATALOGUE[SMALL], repo=url, sha256=digest)
        monkeypatch.setitem(CATALOGUE, SMALL, part)
        yield url
        server.shutdown()
        thread.join()


def downloads(root):
    """Returns the downloaded files and folders that were not deleted."""
    return [p for p in root.glob(".fetch/*") if p.suffix != ".lock"]


def test_the_first_use_fetches_it_by_name(web, hub, tmp_path, capfd):
    folder = find_or_fetch(SMALL, root=tmp_path)
    stderr = capfd.readouterr().err
    assert f"fetching {SMALL} from {web}, once (licence: MIT, (c) 2021 Yu Li)" in stderr
    assert weights.read_config(folder)["source"] == web
    from_file = convert(hub, tmp_path / "file")
    assert weights.fingerprint(folder) == weights.fingerprint(from_file)
    assert downloads(tmp_path) == []
    assert find_or_fetch(SMALL, root=tmp_path, offline=True) == folder


def test_another_file_at_the_address_is_refused(web, tmp_path, monkeypatch):
    part = dataclasses.replace(CATALOGUE[SMALL], sha256="0" * 64)
    monkeypatch.setitem(CATALOGUE, SMALL, part)
    with pytest.raises(RunError, match=r"differs from the published file \(SHA-256\)"):
        find_or_fetch(SMALL, root=tmp_path)
    assert weights.find(SMALL, root=tmp_path) is None
    assert downloads(tmp_path) == []


def test_a_web_address_as_source(web, tmp_path):
    folder = convert(web, tmp_path)
    assert folder == tmp_path / SMALL
    with pytest.raises(InputError, match=r"nothing\.pth: not found"):
        convert(web.replace("_ckpt_small.pt.tar", "nothing.pth"), tmp_path)


def test_the_offline_error_has_the_command(tmp_path):
    url = CATALOGUE[SMALL].repo
    assert url.startswith("https://")
    with pytest.raises(InputError) as error:
        find_or_fetch(SMALL, root=tmp_path, offline=True)
    line = f"run: python -m convert_weights --source {url} --output {tmp_path}"
    assert line in str(error.value)


def test_the_token_of_the_hub_is_not_sent_to_other_servers(web, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    Handler.tokens.clear()
    convert(web, tmp_path)
    assert Handler.tokens and set(Handler.tokens) == {None}
