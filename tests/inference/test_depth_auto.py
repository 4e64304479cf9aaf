"""Depth by itself: fetched on first use; the prior where nothing can be fetched."""

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
from stereojax.inference.choose_depth import choose
from stereojax.settings.run_options import Options
from stereojax.weights import fingerprint
from stereojax.weights.remote import NetworkError

REPO = "depth-anything/Depth-Anything-V2-Small-hf"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = reference.save(reference.tiny(), tmp_path_factory.mktemp("hub"))
    names = ("config.json", "model.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


def test_the_first_film_fetches_its_depth_model(files, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    source = write_film(tmp_path / "film.mp4", 2)
    settings = {"weights_dir": tmp_path / "weights"}
    with StandInHub(REPO, files) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        report = stereojax.convert(source, tmp_path / "a.mp4", **settings)
    assert report["depth"]["model"] == "depth_anything_v2_small"
    assert "licence: Apache-2.0" in capfd.readouterr().err
    # The hub is gone: what was fetched is there.
    again = stereojax.convert(source, tmp_path / "b.mp4", **settings)
    assert again["depth"] == report["depth"]
    assert (pictures(tmp_path / "a.mp4") == pictures(tmp_path / "b.mp4")).all()


def test_where_video_depth_has_been_converted_it_is_taken(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = "video_depth_anything_small"
    options = Options(weights_dir=tmp_path / "weights")
    assert choose("auto", options).name == "prior"
    assert name not in capfd.readouterr().err  # nobody has to know of it
    hub = video_depth_reference.save(video_depth_reference.tiny(), tmp_path / "hub")
    folder = convert(hub, tmp_path / "weights", model=name)
    chosen = choose("auto", options)
    assert chosen.name == chosen.estimator.name == name
    assert isinstance(chosen.estimator, VideoDepth)
    assert fingerprint(folder) in chosen.identity
    assert choose("prior", options).name == "prior"
    with pytest.raises(InputError, match=r"Anything-Large .*CC-BY-NC-4\.0"):
        choose("video_depth_anything_large", options)


def test_without_network_it_is_the_prior_and_says_so(tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    source = write_film(tmp_path / "film.mp4", 2)
    settings = {"weights_dir": tmp_path / "weights"}
    report = stereojax.convert(source, tmp_path / "a.mp4", **settings)
    assert report["depth"]["model"] == "prior"
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "prior" in line]
    assert "no connection" in line
    assert f"python -m convert_weights --source {REPO}" in line
    # By its name it is wanted, and nothing takes its place.
    settings["depth_model"] = "depth_anything_v2_small"
    with pytest.raises(NetworkError):
        stereojax.convert(source, tmp_path / "b.mp4", **settings)
    with pytest.raises(InputError, match="run: python -m convert_weights"):
        stereojax.convert(source, tmp_path / "b.mp4", offline=True, **settings)
