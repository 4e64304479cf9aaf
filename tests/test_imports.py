"""A line may import any line below it; neighbours on one line never do."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = [
    "benchmarks",  # of anything
    "infer train evaluate demo data_prep",
    "inference training evaluation",
    "pipeline",
    "convert_weights",
    "depth inpaint matching metrics",
    "svd splat video records synthetic",
    "weights",
    "storage ops windows settings",
    "stage_types cli worker_process",
    "shapes",
]
RANK = {name: i for i, line in enumerate(LINES) for name in line.split()}
# Only these may be imported, and only below the named parts.
CONFINED = {
    "torch": ("convert_weights", "benchmarks", "tests"),
    "diffusers": ("convert_weights", "benchmarks", "tests"),
    "tensorflow": ("data_prep",),
    "apache_beam": ("data_prep",),
    "tensorflow_datasets": ("data_prep", "records"),
}
FILES = sorted(
    f
    for top in ("stereojax", "convert_weights", "data_prep", "configs", "benchmarks")
    for f in (ROOT / top).rglob("*.py")
)


def part_of(module: str) -> str:
    names = module.split(".")
    return names[1] if names[0] == "stereojax" and len(names) > 1 else names[0]


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_imports_point_down(file):
    here = part_of(module_of(file))
    for name in imports(file):
        there = part_of(name)
        top = name.split(".")[0]
        if top in CONFINED:
            assert here in CONFINED[top], f"{top} does not belong in {here}"
        if here in RANK and there in RANK and here != there:
            assert RANK[here] < RANK[there], f"{here} must not import {there}"


def test_every_part_has_its_line():
    parts = {part_of(module_of(f)) for f in FILES} - {"__init__", "configs"}
    assert parts <= set(RANK), parts - set(RANK)


@pytest.mark.parametrize("name", ["splat", "ops", "depth", "svd"])
def test_the_core_needs_only_jax_flax_and_numpy(name):
    if not (ROOT / "stereojax" / name).is_dir():
        pytest.skip(f"stereojax.{name} is not there yet")
    code = (
        "import sys\n"
        "for m in ('av', 'cv2', 'absl', 'jaxtyping', 'scenedetect', 'mediapy',"
        " 'huggingface_hub', 'safetensors', 'ml_collections', 'torch'):\n"
        "    sys.modules[m] = None\n"
        f"import stereojax, stereojax.{name}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
