"""Help texts of flags and settings: complete noun phrases, understood on their own."""

import dataclasses
import json
import subprocess
import sys

import pytest

from stereojax.settings.data import DataSettings
from stereojax.settings.infer import InferSettings, ModelSettings
from stereojax.settings.train import TrainSettings

# Each is run as `python -m`.
ENTRY_POINTS = (
    "stereojax.infer",
    "stereojax.train",
    "stereojax.evaluate",
    "stereojax.demo",
    "stereojax.synthetic.__main__",
    "convert_weights.__main__",
    "convert_weights.verify.__main__",
    "convert_weights.export",
    "data_prep.__main__",
)
SETTINGS = (ModelSettings, InferSettings, TrainSettings, DataSettings)
INCOMPLETE = ("of ", "that ", "its ", "which ", "how many ", "what ")

FLAGS_OF = """
import importlib, json, sys
from absl import flags
importlib.import_module(sys.argv[1])
defined = flags.FLAGS.flags_by_module_dict()[sys.argv[1]]
print(json.dumps({flag.name: flag.help for flag in defined}))
"""


def is_complete(text: str) -> bool:
    words = text.split()
    return len(words) >= 3 and not text.lower().startswith(INCOMPLETE)


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("AdamW's first-moment decay, in [0, 1)", True),
        ("of AdamW alone, and no other", False),
        ("How many there are", False),
        ("what is measured here", False),
        ("learning rate", False),
    ],
)
def test_the_rule(text, complete):
    assert is_complete(text) == complete


@pytest.mark.parametrize("module", ENTRY_POINTS)
def test_flags(module):
    done = subprocess.run(
        [sys.executable, "-c", FLAGS_OF, module], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    texts = json.loads(done.stdout)
    assert texts, f"{module} defines no flag"
    incomplete = {name: text for name, text in texts.items() if not is_complete(text)}
    assert not incomplete


@pytest.mark.parametrize("cls", SETTINGS)
def test_fields_of_settings(cls):
    texts = {f.name: f.metadata.get("help", "") for f in dataclasses.fields(cls)}
    assert texts
    incomplete = {name: text for name, text in texts.items() if not is_complete(text)}
    assert not incomplete
