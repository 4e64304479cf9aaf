"""Loads configs by name or path, and resolves them with the flags of the user."""

import dataclasses
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from typing import Any

from stereojax.cli import InputError
from stereojax.settings.data import DataSettings
from stereojax.settings.fields import field_type, make_settings
from stereojax.settings.infer import InferSettings, ModelSettings
from stereojax.settings.train import TrainSettings
from stereojax.settings.unread import unread_settings

SECTIONS = {
    "model": ModelSettings,
    "infer": InferSettings,
    "train": TrainSettings,
    "data": DataSettings,
}


def load_config(name: str) -> dict[str, dict[str, Any]]:
    """Returns the sections of a config: a path, or the bare name of a shipped one.

    `name:variant` passes `variant` to its `get_config`.

    Raises:
      InputError: the config does not exist, or any of its sections or fields, also of
        those that the caller does not read, is unknown or not accepted.
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
    for section, cls in SECTIONS.items():
        make_settings(cls, config.get(section, {}), f"config.{section}.")
    return config


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
    """Returns the settings of an inference: the config's, overridden by flags.

    `depth_given`: depth comes from a file, so the config's depth model is not read.
    """
    sections = load_config(config)
    model = make_settings(ModelSettings, sections.get("model", {}), "config.model.")
    flags = _parse_bools(InferSettings, overrides)
    if flags.get("max_disp") is not None:
        if "divergence" in flags:
            raise InputError("--max_disp and --divergence are one setting: drop one")
        flags.setdefault("convergence", 0.5)  # the published plane
    infer = sections.get("infer", {})
    if depth_given:
        infer = infer | {"depth_model": "file"}
    make_settings(InferSettings, flags, "--")
    merged = make_settings(InferSettings, infer | flags, "--")
    for name, reason in unread_settings(model, merged).items():
        if name in infer | flags:
            raise InputError(f"--{name} has no effect with --config={config}: {reason}")
    if merged.overlap >= merged.window:
        raise InputError(f"--overlap={merged.overlap}: expected less than --window")
    if merged.depth_low >= merged.depth_high:
        raise InputError(
            f"--depth_low={merged.depth_low:g}: expected less than --depth_high"
        )
    return model, merged


def resolve_data(config: str, overrides: dict[str, Any]) -> DataSettings:
    """Returns the settings of a data preparation: the config's, overridden by flags."""
    flags = _parse_bools(DataSettings, overrides)
    section = load_config(config).get("data", {})
    if not section:
        raise InputError(
            f"--config={config}: it has no data section; see data_stereo, data_mono"
        )
    return make_settings(DataSettings, section | flags, "--config.")


def _parse_bools(cls: type, overrides: dict[str, Any]) -> dict[str, Any]:
    """Returns the given overrides, with the texts of bool settings as bools."""
    types = {f.name: field_type(f) for f in dataclasses.fields(cls)}
    values = {"true": True, "1": True, "false": False, "0": False}
    given = {k: v for k, v in overrides.items() if v is not None}
    for name, value in given.items():
        if types.get(name) is bool and isinstance(value, str):
            given[name] = values.get(value.lower(), value)
    return given
