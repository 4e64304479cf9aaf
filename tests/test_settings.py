"""Settings from configs and flags: checked values, and no unknown names."""

import pytest

from stereojax.cli import InputError
from stereojax.settings import resolve
from stereojax.settings.infer import ANAGLYPHS, CODECS
from stereojax.video.stereo.anaglyph import KINDS
from stereojax.video.writing import codecs


def test_flags_override_the_config_and_none_does_not():
    _, infer = resolve("fast:runlocal", {"divergence": 3, "layout": None})
    assert infer.divergence == 3.0
    assert (infer.layout, infer.depth_model) == ("full_sbs", "prior")


def test_the_published_strength_sets_the_published_screen_plane():
    _, infer = resolve("fast", {"max_disp": 20})
    assert (infer.max_disp, infer.convergence) == (20, 0.5)
    assert resolve("fast", {"max_disp": 20, "convergence": 0.8})[1].convergence == 0.8


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"divergence": float("nan")}, "--divergence=nan: expected a number from 0"),
        ({"divergence": float("inf")}, "--divergence=inf"),
        ({"divergence": 10.1}, "from 0 to 10"),
        ({"divergence": "wide"}, "--divergence=wide"),
        ({"convergence": -1.5}, "from -1 to 2"),
        ({"segment_frames": 2.5}, "a whole number"),
        ({"layout": "sideways"}, "one of full_sbs"),
        ({"colour": 1}, "--colour is not a setting"),
        ({"max_disp": 20, "divergence": 2}, "drop one"),
        ({"depth_low": 50, "depth_high": 50}, "less than --depth_high"),
    ],
)
def test_bad_values_are_named(overrides, words):
    with pytest.raises(InputError) as caught:
        resolve("fast", overrides)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("c.infer = dict(divergnce=1)", "config.infer.divergnce is not a setting"),
        ("c.model = dict(fill='magic')", "config.model.fill=magic"),
        ("c.infr = dict()", "section infr"),
    ],
)
def test_a_config_with_an_unknown_field_is_refused(tmp_path, body, words):
    file = tmp_path / "mine.py"
    file.write_text(
        "from ml_collections import ConfigDict\n"
        f"def get_config(variant=''):\n    c = ConfigDict()\n    {body}\n    return c\n"
    )
    with pytest.raises(InputError, match=words):
        resolve(str(file), {})


@pytest.mark.parametrize("name", ["fsat", "no/such.py", "fast:sideways"])
def test_an_absent_config_is_refused(name):
    with pytest.raises(InputError, match="--config="):
        resolve(name, {})


def test_the_settings_list_the_choices_of_the_writers():
    assert tuple(KINDS) == ANAGLYPHS
    assert tuple(codecs.CODECS) == CODECS


@pytest.mark.parametrize(("text", "value"), [("true", True), ("0", False)])
def test_a_bool_of_inference_is_read_from_the_text_of_its_flag(text, value):
    assert resolve("fast", {"temporal_fill": text})[1].temporal_fill is value


def test_another_text_is_no_bool():
    with pytest.raises(InputError, match="--temporal_fill=maybe: expected a bool"):
        resolve("fast", {"temporal_fill": "maybe"})
