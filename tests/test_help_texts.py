"""Help texts of flags and settings: complete noun phrases, understood on their own."""

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from stereojax.settings.data import DataSettings
from stereojax.settings.infer import InferSettings, ModelSettings
from stereojax.settings.train import TrainSettings

ROOT = Path(__file__).parents[1]
FILES = [
    f
    for top in ("stereojax", "convert_weights", "data_prep")
    for f in sorted((ROOT / top).rglob("*.py"))
    if "flags.DEFINE_" in f.read_text()
]
SETTINGS = (ModelSettings, InferSettings, TrainSettings, DataSettings)
INCOMPLETE = ("of ", "that ", "its ", "which ", "how many ", "what ")


def is_complete(text: str) -> bool:
    """Returns whether a help text has three words or more, and names its subject."""
    return len(text.split()) >= 3 and not text.lower().startswith(INCOMPLETE)


def text_of(node: ast.AST) -> str:
    """Returns the text of a string expression, with dots for computed parts."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text_of, node.values))
    if isinstance(node, ast.BinOp):
        return text_of(node.left) + text_of(node.right)
    return "..."


def help_texts(file: Path) -> Iterator[str]:
    """Yields the help texts of the flags that a file defines, but for settings."""
    for node in ast.walk(ast.parse(file.read_text())):
        name = getattr(getattr(node, "func", None), "attr", "")
        if not name.startswith("DEFINE_"):
            continue
        # (name, default, help), or (name, default, values, help).
        text = node.args[3 if name == "DEFINE_enum" else 2]
        if not isinstance(text, ast.Call):  # a settings field's text, tested below
            yield text_of(text)


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


def test_entry_points_are_read():
    names = {f.relative_to(ROOT).as_posix() for f in FILES}
    assert {"stereojax/infer.py", "stereojax/train.py"} <= names
    assert "video file, or folder of video files, to convert" in list(
        help_texts(ROOT / "stereojax" / "infer.py")
    )


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_flags(file):
    assert [text for text in help_texts(file) if not is_complete(text)] == []


@pytest.mark.parametrize("cls", SETTINGS)
def test_fields_of_settings(cls):
    texts = {f.name: f.metadata.get("help", "") for f in dataclasses.fields(cls)}
    assert {name: text for name, text in texts.items() if not is_complete(text)} == {}
