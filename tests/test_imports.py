"""Import direction: a part imports only parts on lines below its own; no circles."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = [
    "benchmarks",  # may import anything
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
# Packages that only the named parts may import.
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


def imports(nodes: Iterable[ast.AST]) -> set[str]:
    """Returns the dotted names that import statements among `nodes` name."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


MODULES = {module_of(f).removesuffix(".__init__"): f for f in FILES}


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes that run when a module is imported: no bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from run_at_import(child)


def modules_imported_by(module: str) -> set[str]:
    """Returns the modules of this tree that importing `module` runs before it."""
    loaded = set()
    for name in imports(run_at_import(ast.parse(MODULES[module].read_text()))):
        target = name if name in MODULES else name.rpartition(".")[0]
        if target in MODULES:
            loaded.add(target)
        # Packages around the target run too; those around `module` are running already.
        while target := target.rpartition(".")[0]:
            if target in MODULES and not module.startswith(f"{target}."):
                loaded.add(target)
    return loaded - {module}


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_imports_point_down(file):
    part = part_of(module_of(file))
    for name in imports(ast.walk(ast.parse(file.read_text()))):
        target = part_of(name)
        top = name.split(".")[0]
        if top in CONFINED:
            assert part in CONFINED[top], f"{top} does not belong in {part}"
        if part in RANK and target in RANK and part != target:
            assert RANK[part] < RANK[target], f"{part} must not import {target}"


def test_modules_import_each_other_in_no_circle():
    graph = {module: modules_imported_by(module) for module in MODULES}
    assert sum(map(len, graph.values())) > len(graph)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_imports_inside_functions_point_down_too():
    lazy = ast.parse("def f():\n    import stereojax.pipeline")
    assert imports(ast.walk(lazy)) == {"stereojax.pipeline"}
    assert imports(run_at_import(lazy)) == set()


def test_every_part_has_its_line():
    parts = {part_of(module_of(f)) for f in FILES} - {"__init__", "configs"}
    assert parts <= set(RANK), parts - set(RANK)


@pytest.mark.parametrize("name", ["splat", "ops", "depth", "svd"])
def test_the_core_needs_only_jax_flax_and_numpy(name):
    if not (ROOT / "stereojax" / name).is_dir():
        pytest.fail(f"there is no stereojax.{name}")
    code = (
        "import sys\n"
        "for m in ('av', 'cv2', 'absl', 'jaxtyping', 'scenedetect', 'mediapy',"
        " 'huggingface_hub', 'safetensors', 'ml_collections', 'torch'):\n"
        "    sys.modules[m] = None\n"
        f"import stereojax, stereojax.{name}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
