"""Settings classes, the configs that hold their values, and the flags that override."""

from stereojax.settings.infer import InferSettings, ModelSettings
from stereojax.settings.load import load_config, resolve

__all__ = ["InferSettings", "ModelSettings", "load_config", "resolve"]
