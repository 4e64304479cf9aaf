"""What the rows say of the steps since the row before."""

import itertools
import math
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from stereojax.training.flops import peak_flops

SIGMA_BINS = (0.0, 0.5, 2.0, 8.0, 32.0, math.inf)


class Tally:
    """Sums over steps; a row takes them and begins anew."""

    def __init__(self, flops: float | None, samples: int):
        """`flops`: of an update on all devices; None where they were not counted."""
        self._flops, self._samples = flops, samples
        self._begin()

    def _begin(self) -> None:
        self._since, self._paused, self._steps = time.perf_counter(), 0.0, 0
        self._numbers: list[dict[str, np.ndarray]] = []

    def add(self, numbers: Mapping[str, np.ndarray]) -> None:
        self._steps += 1
        self._numbers.append(dict(numbers))

    def pause(self, seconds: float) -> None:
        """Time that is not training's: validation."""
        self._paused += seconds

    def row(self) -> dict[str, Any]:
        """Numbers of the last step, and means over all since the last row."""
        last = self._numbers[-1]
        seconds = (time.perf_counter() - self._since - self._paused) / self._steps
        row = {
            "loss": float(last["loss"]),
            "gradient_norm": float(last["gradient_norm"]),
            **self._by_sample(),
            "step_seconds": seconds,
            "samples_per_second": self._samples / seconds,
            "device_memory_gb": device_memory(),
            "mfu": self._mfu(seconds),
        }
        self._begin()
        return row

    def _by_sample(self) -> dict[str, float | None]:
        joined = {
            name: np.concatenate([np.atleast_1d(n[name]) for n in self._numbers])
            for name in self._numbers[0]
        }
        found = {"loss_mean": float(joined["losses"].mean())}
        if "pixel_loss" in joined:
            found["loss_pixels"] = float(joined["pixel_loss"].mean())
        if "hole" in joined:
            hole, inside, error = (joined[n] for n in ("hole", "hole_error", "error"))
            found["loss_hole"] = _ratio(inside.sum(), hole.sum())
            found["loss_outside"] = _ratio((error - inside).sum(), (1 - hole).sum())
        if "sigma" in joined:
            for low, high in itertools.pairwise(SIGMA_BINS):
                here = (joined["sigma"] >= low) & (joined["sigma"] < high)
                mean = _ratio(joined["error"][here].sum(), float(here.sum()))
                found[f"loss_sigma_{low:g}_{high:g}"] = mean
        return found

    def _mfu(self, seconds: float) -> float | None:
        peak = peak_flops(jax.devices()[0].device_kind)
        if not peak or not self._flops:
            return None
        return self._flops / seconds / (peak * jax.device_count())


def device_memory() -> float | None:
    """The most that a device of this process has held, in GB; None on a CPU."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    peak = max(s.get("peak_bytes_in_use", 0) for s in stats)
    return peak / 1e9 or None


def _ratio(total: float, count: float) -> float | None:
    return float(total / count) if count > 0 else None
