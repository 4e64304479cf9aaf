"""Computes every measure of a fill for one case."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.fill.cases import Case, Silhouettes
from benchmarks.fill.methods import Fill
from stereojax.metrics.deep_features import Weights, feature_distance
from stereojax.metrics.edge_width import (
    edge_roughness,
    edge_width,
    opacity,
    wire_width,
)
from stereojax.metrics.flicker import flicker
from stereojax.metrics.ghost_energy import ghost_energy
from stereojax.metrics.psnr import psnr
from stereojax.metrics.ssim import ssim
from stereojax.shapes import Array, Bool, Float

# Column -> meaning; the order of the table.
MEASURES = {
    "dB": "PSNR in the hole",
    "SSIM": "in the hole",
    "ghost": "ghost energy in the hole and a 3-px ring, in 1/1000 of the range",
    "ghost in hole": "ghost energy without the ring: of the fill, not of the splat",
    "features": "deep-feature distance in the hole",
    "flicker": "change in the hole beyond the truth's, in 1/1000 of the range",
    "wire px": "mean error of a wire's width in a row, against the true view",
    "wire max px": "error of the mean width of the worst wire of the worst frame",
    "edge px": "mean edge width beyond the truth's",
    "rough px": "scatter of a silhouette's covered width from row to row",
    "s/frame": "processor seconds",
}


def score(
    case: Case, fill: Fill, weights: Weights | None = None
) -> tuple[dict[str, float], Float[np.ndarray, "n h w 3"]]:
    """Returns the measures of a fill that apply to a case, and its right views."""
    fill(case.inputs, case.scored[:1])  # compiles functions before the timed call
    start = time.process_time()
    filled = np.clip(fill(case.inputs, case.scored), 0, 1).astype(np.float32)
    seconds = (time.process_time() - start) / len(case.scored)
    truth = case.right[list(case.scored)]
    picture, true, hole = (jnp.asarray(x) for x in (filled, truth, case.hole()))
    measures = measured(picture, true, hole)
    if weights is not None:
        measures["features"] = feature_distance(weights, picture, true, hole)
    if case.silhouettes:
        measures |= _silhouettes(filled, truth, case.scored, case.silhouettes)
    measures["s/frame"] = seconds
    return {name: float(value) for name, value in measures.items()}, filled


@jax.jit
def measured(
    picture: Float[Array, "n h w 3"],
    truth: Float[Array, "n h w 3"],
    hole: Bool[Array, "n h w"],
) -> dict[str, Float[Array, ""]]:
    """Returns the measures that need no weights and no known silhouettes."""
    measures = {
        "dB": psnr(picture, truth, hole),
        "SSIM": ssim(picture, truth, hole),
        "ghost": 1000 * ghost_energy(picture, truth, hole),
        "ghost in hole": 1000 * ghost_energy(picture, truth, hole, ring=0),
    }
    if len(picture) > 1:
        measures["flicker"] = 1000 * flicker(picture, truth, hole)
    return measures


def _silhouettes(filled, truth, scored, known: Silhouettes) -> dict[str, Any]:
    far = known.far[list(scored)]

    def opacities(window):
        rows, columns = window
        return (
            opacity(view[:, rows, columns], known.near, far[:, rows, columns])
            for view in (filled, truth)
        )

    errors, worst = [], []
    for window in known.wires:
        seen, true = (wire_width(x) for x in opacities(window))
        errors.append(jnp.abs(seen - true).mean())
        worst.append(jnp.abs((seen - true).mean(-1)).max())
    widths, roughness = [], []
    for window in known.edges:
        seen, true = opacities(window)
        # Each row has two edges.
        widths.append((edge_width(seen) - edge_width(true)).mean() / 2)
        frames = zip(seen, true, strict=True)
        roughness.append(jnp.stack([edge_roughness(*frame) for frame in frames]).mean())
    return {
        "wire px": np.mean(errors),
        "wire max px": np.max(worst),
        "edge px": np.mean(widths),
        "rough px": np.mean(roughness),
    }
