"""The automatic depth model: downloaded at first use; the prior without network."""

import depth_anything_reference as reference
import pytest
import video_depth_reference
from clips import write_film
from films import pictures
from stand_in_hub import StandInHub

import stereojax
from convert_weights import convert
from stereojax.cli import InputError
from stereojax.depth.video_depth import VideoDepth
from stereojax.inference.choose_depth import choose_depth
from stereojax.settings.run_options import RunOptions
from stereojax.weights import fingerprint
from stereojax.weights.remote import NetworkError

REPO = "depth-anything/Depth-Anything-V2-Small-hf"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = reference.save(reference.tiny(), tmp_path_factory.mktemp("hub"))
    names = ("config.json", "model.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


def test_the_first_film_downloads_its_depth_model(files, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    source = write_film(tmp_path / "film.mp4", 2)
    settings = {"weights_dir": tmp_path / "weights"}
    with StandInHub(REPO, files) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        report = stereojax.convert(source, tmp_path / "a.mp4", **settings)
    assert report["depth"]["model"] == "depth_anything_v2_small"
    assert "licence: Apache-2.0" in capfd.readouterr().err
    # The hub is gone: the downloaded weights are used.
    again = stereojax.convert(source, tmp_path / "b.mp4", **settings)
    assert again["depth"] == report["depth"]
    assert (pictures(tmp_path / "a.mp4") == pictures(tmp_path / "b.mp4")).all()


def test_converted_video_depth_is_preferred(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = "video_depth_anything_small"
    options = RunOptions(weights_dir=tmp_path / "weights")
    assert choose_depth("auto", options).name == "prior"
    assert name not in capfd.readouterr().err  # users need not know it
    hub = video_depth_reference.save(video_depth_reference.tiny(), tmp_path / "hub")
    folder = convert(hub, tmp_path / "weights", model=name)
    choice = choose_depth("auto", options)
    assert choice.name == choice.estimator.name == name
    assert isinstance(choice.estimator, VideoDepth)
    assert fingerprint(folder) in choice.identity
    assert choose_depth("prior", options).name == "prior"
    with pytest.raises(InputError, match=r"Anything-Large .*CC-BY-NC-4\.0"):
        choose_depth("video_depth_anything_large", options)


def test_without_network_the_fallback_is_the_prior(tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # a port without a server
    source = write_film(tmp_path / "film.mp4", 2)
    settings = {"weights_dir": tmp_path / "weights"}
    report = stereojax.convert(source, tmp_path / "a.mp4", **settings)
    assert report["depth"]["model"] == "prior"
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "prior" in line]
    assert "no connection" in line
    assert f"python -m convert_weights --source {REPO}" in line
    # A model that is named is not replaced by the prior.
    settings["depth_model"] = "depth_anything_v2_small"
    with pytest.raises(NetworkError):
        stereojax.convert(source, tmp_path / "b.mp4", **settings)
    with pytest.raises(InputError, match="run: python -m convert_weights"):
        stereojax.convert(source, tmp_path / "b.mp4", offline=True, **settings)
