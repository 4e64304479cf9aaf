"""Shipped configs: their sections, and a complete run of `:runlocal`."""

import os
import pkgutil
import re
import resource
import subprocess
import sys

import pytest

import configs
from stereojax import weights
from stereojax.cli import InputError
from stereojax.settings.fields import make_settings
from stereojax.settings.load import load_config
from stereojax.settings.train import TrainSettings

SHIPPED = sorted(m.name for m in pkgutil.iter_modules(configs.__path__))
SECONDS = 120  # of CPU time


def settings(config: str) -> TrainSettings:
    return make_settings(TrainSettings, load_config(config)["train"], "")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_config_has_the_papers_training_settings(name):
    pooling = "nearest" if "parity" in name else "max"
    assert settings(name) == TrainSettings(pooling=pooling)
    paper = settings(name)
    assert (paper.frames, paper.height, paper.width) == (25, 576, 1024)
    assert (paper.steps, paper.batch, paper.learning_rate) == (26000, 8, 1e-5)
    # So the one run below represents all configs.
    local = settings("stereocrafter:runlocal")
    assert settings(f"{name}:runlocal") == make_settings(
        TrainSettings, vars(local) | {"pooling": pooling}, ""
    )


def test_a_small_run_takes_less_than_two_minutes(tmp_path):
    """In CPU time, which exceeds the wall time of an idle machine; no cache."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "stereojax.train"),
            *(
                "--config=stereocrafter_parity:runlocal",
                f"--workdir={tmp_path / 'run'}",
            ),
        ],
        env=os.environ
        | {
            "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
            "STEREOJAX_WEIGHTS": str(tmp_path / "none"),
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert after.ru_utime - before.ru_utime < SECONDS
    assert re.search(r"step 10/10, loss 0\.\d+", done.stderr)
    assert weights.read_config(tmp_path / "run" / "weights" / "unet")["digest"]
    assert list((tmp_path / "run" / "validation").glob("*.png"))


@pytest.mark.parametrize("section", ["model", "infer", "train", "data"])
def test_an_unknown_field_of_any_section_is_an_error(section, tmp_path):
    config = tmp_path / "mine.py"
    config.write_text(
        "from ml_collections import ConfigDict\n"
        f"def get_config(v): return ConfigDict({{'{section}': {{'stepz': 3}}}})\n"
    )
    with pytest.raises(InputError, match=rf"config\.{section}\.stepz is not a setting"):
        load_config(str(config))
