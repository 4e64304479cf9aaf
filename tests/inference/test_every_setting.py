"""Every setting of every config changes the output, or the run says that it cannot."""

import dataclasses

import av
import pytest
from films import small_film

from stereojax import convert
from stereojax.cli import InputError
from stereojax.settings import InferSettings, resolve
from stereojax.settings.diffusion import DiffusionSettings
from stereojax.settings.unread import unread_settings

# Another value of each setting than the one that `fast:runlocal` runs with.
OTHER = {
    "divergence": 5.0,
    "convergence": 0.2,
    "max_disp": 2.0,
    "depth_model": "depth_anything_v2_small",
    "depth_low": 30.0,
    "depth_high": 60.0,
    "depth_steady": 3.0,
    "edge_sharpen": 0.0,
    "edge_dilate": 20.0,
    "compositing": "published",
    "hole_dilate": 20.0,
    "feather": 40.0,
    "temporal_fill": True,
    "layout": "half_sbs",
    "anaglyph": "gray",
    "codec": "hevc",
    "crf": 30.0,
    "pixel_format": "yuv444p",
    "segment_frames": 2,
}
VALUES = {"unet": "svd/unet", "schedule": "karras", "tile_sync": "end"}
VALUES |= {"guidance": 2.0, "tile_num": 2}
LOOK = sorted(
    {f.name for f in dataclasses.fields(InferSettings)}
    - {f.name for f in dataclasses.fields(DiffusionSettings)}
)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return small_film(tmp_path_factory.mktemp("film"), seed=0, frames=4)[1].left


def converted(film, folder, **settings) -> list[bytes]:
    """Converts the film; returns the video's packets. The container has random UIDs."""
    output = folder / "film_3d.mkv"
    convert(film, output, config="fast:runlocal", overwrite=True, **settings)
    with av.open(str(output)) as container:
        return [bytes(packet) for packet in container.demux(video=0)]


@pytest.fixture(scope="module")
def unchanged(film, tmp_path_factory):
    return converted(film, tmp_path_factory.mktemp("unchanged"))


def test_the_same_settings_give_the_same_packets(film, unchanged, tmp_path):
    assert converted(film, tmp_path) == unchanged


@pytest.mark.parametrize("name", LOOK)
def test_a_setting_changes_the_output_or_is_named(
    film, unchanged, tmp_path, capfd, name
):
    capfd.readouterr()
    try:
        output = converted(film, tmp_path, **{name: OTHER[name]}, offline=True)
    except InputError as error:
        assert f"--{name}" in str(error) or name == "depth_model"
        return
    assert output != unchanged or f"no effect: --{name}" in capfd.readouterr().err


@pytest.mark.parametrize(
    "name", [f.name for f in dataclasses.fields(DiffusionSettings)]
)
def test_settings_of_diffusion_are_refused_without_it(name):
    value = VALUES.get(name, 100)
    with pytest.raises(InputError, match=f"--{name} has no effect with --config=fast"):
        resolve("fast", {name: value})


@pytest.mark.parametrize("config", ["fast", "stereocrafter", "stereocrafter_parity"])
def test_no_shipped_config_sets_what_it_does_not_read(config):
    model, settings = resolve(config, {})
    assert model and settings  # a setting without effect would have been refused


def test_settings_without_effect_are_not_reported(film, tmp_path):
    report = convert(film, tmp_path / "film_3d.mkv", config="fast:runlocal")
    model, settings = resolve("fast:runlocal", {})
    assert not set(unread_settings(model, settings)) & set(report["settings"])
    assert "depth_steady" not in report["settings"]  # the prior keeps one scale
    assert {"divergence", "codec"} <= set(report["settings"])
    assert report["model"] == {"fill": "background"}
