"""Collects the metrics of updates and averages them for a row of metrics.jsonl."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from stereojax.training.flops import peak_flops

Summarize = Callable[[dict[str, np.ndarray]], dict[str, float | None]]


class StepMetrics:
    """Metrics of the updates since the last row."""

    def __init__(self, flops: float | None, batch: int, summarize: Summarize):
        """Starts to measure the time of the first row.

        Args:
          flops: floating-point operations of one update, on all devices; None if not
            counted.
          batch: samples of one update.
          summarize: the task's, from per-sample metrics to those of a row.
        """
        self._flops, self._batch, self._summarize = flops, batch, summarize
        self._reset()

    def _reset(self) -> None:
        self._start, self._excluded = time.perf_counter(), 0.0
        self._updates: list[dict[str, np.ndarray]] = []

    def add(self, metrics: Mapping[str, np.ndarray]) -> None:
        """Adds the metrics of one update: scalars, and one value per sample."""
        self._updates.append(dict(metrics))

    def exclude(self, seconds: float) -> None:
        """Excludes time from the time of the updates, such as that of validation."""
        self._excluded += seconds

    def row(self) -> dict[str, Any]:
        """Returns the last loss and the means since the last row; starts anew."""
        last = self._updates[-1]
        seconds = time.perf_counter() - self._start - self._excluded
        seconds /= len(self._updates)
        row = {
            "loss": float(last["loss"]),
            "gradient_norm": float(last["gradient_norm"]),
            **self._means(),
            "step_seconds": seconds,
            "samples_per_second": self._batch / seconds,
            "device_memory_gb": peak_memory_gb(),
            "mfu": self._mfu(seconds),
        }
        self._reset()
        return row

    def _means(self) -> dict[str, float | None]:
        samples = {
            name: np.concatenate([np.atleast_1d(x[name]) for x in self._updates])
            for name in self._updates[0]
        }
        means = {"loss_mean": float(samples["losses"].mean())}
        return means | self._summarize(samples)

    def _mfu(self, seconds: float) -> float | None:
        """Returns the model FLOPs utilization, or None where the peak is unknown."""
        peak = peak_flops(jax.devices()[0].device_kind)
        if not peak or not self._flops:
            return None
        return self._flops / seconds / (peak * jax.device_count())


def peak_memory_gb() -> float | None:
    """Returns the peak memory of this process's fullest device; None on a CPU."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    peak = max(s.get("peak_bytes_in_use", 0) for s in stats)
    return peak / 1e9 or None
