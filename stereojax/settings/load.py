"""Configs: found by name or path, and resolved with the flags that were given."""

import importlib
import importlib.util
import pkgutil
from pathlib import Path
from typing import Any

from stereojax.cli import InputError
from stereojax.settings import diffusion
from stereojax.settings.fields import fill
from stereojax.settings.infer import InferSettings, ModelSettings
from stereojax.settings.train import TrainSettings

SECTIONS = ("model", "infer", "train", "data")


def load_config(name: str) -> dict[str, dict[str, Any]]:
    """The sections of a config: a path, or the bare name of a shipped one.

    `name:variant` passes `variant` to its `get_config`.
    """
    name, _, variant = name.partition(":")
    if name.endswith(".py"):
        module = _import_file(Path(name))
    else:
        shipped = sorted(
            m.name
            for m in pkgutil.iter_modules(importlib.import_module("configs").__path__)
        )
        if name not in shipped:
            raise InputError(
                f"--config={name}: no such config; shipped are {', '.join(shipped)}, "
                "or give the path of a .py file"
            )
        module = importlib.import_module(f"configs.{name}")
    try:
        config = module.get_config(variant).to_dict()
    except ValueError as error:
        raise InputError(f"--config={name}:{variant}: {error}") from error
    unknown = sorted(set(config) - set(SECTIONS))
    if unknown:
        raise InputError(
            f"--config={name}: section {unknown[0]} is not one of {', '.join(SECTIONS)}"
        )
    _check(config)
    return config


def _check(config: dict[str, dict[str, Any]]) -> None:
    """Whoever reads it: no field of any section is unknown, or wrong."""
    from stereojax.settings.data import DataSettings  # which reads configs itself

    classes = (ModelSettings, InferSettings, TrainSettings, DataSettings)
    for section, cls in zip(SECTIONS, classes, strict=True):
        fill(cls, config.get(section, {}), f"config.{section}.")


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"--config={path}: no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise InputError(f"--config={path}: it has no get_config(variant)")
    return module


def resolve(
    config: str, overrides: dict[str, Any], *, depth_given: bool = False
) -> tuple[ModelSettings, InferSettings]:
    """The settings of an inference: the config's, then the flags that were given.

    `depth_given`: a file has it, so the config's depth model is not asked.
    """
    sections = load_config(config)
    model = fill(ModelSettings, sections.get("model", {}), "config.model.")
    given = {k: v for k, v in overrides.items() if v is not None}
    if given.get("max_disp") is not None:
        if "divergence" in given:
            raise InputError("--max_disp and --divergence are one setting: drop one")
        given.setdefault("convergence", 0.5)  # the published plane
    infer = sections.get("infer", {})
    if depth_given:
        infer = infer | {"depth_model": "file"}
    fill(InferSettings, given, "--")
    merged = fill(InferSettings, infer | given, "--")
    if model.fill != "diffusion":
        unread = [name for name in diffusion.NAMES if name in infer | given]
        if unread:
            raise InputError(
                f"--{unread[0]}: --config={config} fills without diffusion; try "
                "--config=stereocrafter"
            )
    if merged.overlap >= merged.window:
        raise InputError(f"--overlap={merged.overlap}: expected less than --window")
    if merged.depth_low >= merged.depth_high:
        raise InputError(
            f"--depth_low={merged.depth_low:g}: expected less than --depth_high"
        )
    return model, merged
