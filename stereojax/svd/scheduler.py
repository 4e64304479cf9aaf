"""Noise levels of the sampler, and one Euler step with v-prediction.

Follows diffusers 0.42 (Apache-2.0), EulerDiscreteScheduler, as SVD configures it:
continuous timesteps, no churn.
"""

import jax.numpy as jnp
import numpy as np

from stereojax.shapes import Array, Float

SIGMA_MIN, SIGMA_MAX = 0.002, 700.0
RHO = 7.0
# Align Your Steps (arXiv 2404.14507), the published table for SVD.
ALIGN_YOUR_STEPS = (
    *(700.0, 54.5, 15.886, 7.977, 4.248, 1.789),
    *(0.981, 0.403, 0.173, 0.034, 0.002),
)


def karras(steps: int) -> np.ndarray:
    """Returns (steps,) levels, evenly spaced in sigma ** (1 / 7)."""
    low, high = SIGMA_MIN ** (1 / RHO), SIGMA_MAX ** (1 / RHO)
    return (high + np.linspace(0, 1, steps) * (low - high)) ** RHO


def align_your_steps(steps: int) -> np.ndarray:
    """Returns (steps,) levels, log-linearly interpolated from the published levels."""
    table = np.log(ALIGN_YOUR_STEPS)
    positions = np.linspace(0, 1, steps)
    return np.exp(np.interp(positions, np.linspace(0, 1, len(table)), table))


SCHEDULES = {"karras": karras, "align_your_steps": align_your_steps}


def schedule(name: str, steps: int, *, drop_last: bool = False) -> np.ndarray:
    """Returns decreasing noise levels from 700, float32: one more than network calls.

    Args:
      name: "karras" (published) or "align_your_steps" (better at 8 steps or fewer).
      steps: number of noise levels above 0.
      drop_last: leave out the call at 0.002, which changes next to nothing: the
        levels then end at 0.002 instead of 0.

    Raises:
      ValueError: fewer than 2 steps, or an unknown name.
    """
    if name not in SCHEDULES:
        raise ValueError(f"schedule {name!r}: expected one of {', '.join(SCHEDULES)}")
    if steps < 2:
        raise ValueError(f"{steps} steps: expected 2 or more")
    sigmas = SCHEDULES[name](steps)
    return np.float32(sigmas if drop_last else [*sigmas, 0.0])


def initial_scale(sigma_max: float = SIGMA_MAX) -> float:
    """Returns the standard deviation of the latents at the start of sampling."""
    return float(np.sqrt(sigma_max**2 + 1))


def timestep(sigma: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns the U-Net's timestep input for a noise level."""
    return 0.25 * jnp.log(sigma)


def scaled(x: Float[Array, "*s"], sigma: Float[Array, "*s2"]) -> Float[Array, "*s"]:
    """Returns noisy latents scaled as the U-Net expects them."""
    return x * (1 / jnp.sqrt(jnp.square(sigma) + 1))


def denoised(
    v: Float[Array, "*s"], x: Float[Array, "*s"], sigma: Float[Array, "*s2"]
) -> Float[Array, "*s"]:
    """Returns the estimate of the clean latents from `v` and the noisy `x`."""
    variance = jnp.square(sigma) + 1
    return x / variance - v * (sigma / jnp.sqrt(variance))


def euler_step(
    v: Float[Array, "*s"],
    x: Float[Array, "*s"],
    sigma: Float[Array, ""],
    next_sigma: Float[Array, ""],
) -> Float[Array, "*s"]:
    """Takes `x` from noise level `sigma` to `next_sigma`, in float32."""
    v, x = v.astype(jnp.float32), x.astype(jnp.float32)
    return x + (x - denoised(v, x, sigma)) * ((next_sigma - sigma) / sigma)
