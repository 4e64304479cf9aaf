"""Synthetic films for the fill benchmark, with exact and with monocular-like depth."""

import dataclasses
from collections.abc import Iterator

import cv2
import numpy as np

from benchmarks.fill.cases import Case, middle, splatted
from stereojax.depth.edges import clean_edges
from stereojax.shapes import Float
from stereojax.synthetic import make_film
from stereojax.synthetic.camera import CameraPath
from stereojax.synthetic.render import StereoFrame, render_frame
from stereojax.synthetic.sets import SETS, draw_scene
from stereojax.synthetic.world import prepare_world

FRAME_RATE = 24.0
MAX_DISPARITY = 0.016  # of the width
STILL = {
    "velocity": (0.0, 0.0, 0.0),
    "yaw_rate": 0.0,
    "pitch_rate": 0.0,
    "shake": 0.0,
    "sway": 0.0,
}
# "own": the move that the film's seed draws, as `make demo` renders it.
CAMERAS = {
    "own": None,
    "still": STILL,  # actors move over a static background
    "pan": STILL | {"yaw_rate": 0.15},  # moves the background without parallax
    "travel": STILL | {"velocity": (0.6, 0.0, 0.0)},  # parallax uncovers background
}

# Errors of a monocular depth network after smoothing over time, as shares of the range.
BLUR = 0.004  # standard deviation of the blur, of the width
SCALE_ERROR, SHIFT_ERROR = 0.02, 0.01  # standard deviations, drawn anew in each frame


def film_cases(
    set_name: str, seed: int, camera: str, width: int, *, reach: int, scored: int
) -> Iterator[Case]:
    """Yields one shot with exact disparity, then with monocular-like disparity.

    Args:
      reach: frames before and after the scored ones.
      scored: number of scored frames.
    """
    frames = list(_frames(seed, camera, width, scored + 2 * reach))
    left, right, disparity = (
        np.stack([getattr(frame, name) for frame in frames])
        for name in ("left", "right", "disparity")
    )
    rng = np.random.default_rng([seed, len(camera)])
    where = middle(len(frames), scored)
    for kind, estimate in (
        ("exact", disparity),
        ("monocular-like", monocular_like(disparity, rng)),
    ):
        source = f"film, {camera} camera, {kind}"
        yield Case(
            set_name, source, f"seed {seed}", splatted(left, estimate), right, where
        )


def _frames(seed: int, camera: str, width: int, count: int) -> Iterator[StereoFrame]:
    height = width * 9 // 16
    move = CAMERAS[camera]
    if move is None:
        film = make_film(seed, frames=count, height=height, width=width, shots=1)
        yield from film.render()
        return
    name = list(SETS)[seed % len(SETS)]
    scene = draw_scene(name, np.random.default_rng([seed, 7]))
    path: CameraPath = dataclasses.replace(scene.path, **move)
    scene = dataclasses.replace(scene, path=path)
    world = prepare_world(scene, count / FRAME_RATE, width, MAX_DISPARITY * width, 0.6)
    for i in range(count):
        yield render_frame(world, i / FRAME_RATE, height, width)


def monocular_like(
    disparity: Float[np.ndarray, "t h w"], rng: np.random.Generator
) -> Float[np.ndarray, "t h w"]:
    """Returns disparity as a monocular network would estimate it.

    Normalised over the shot, blurred at half size, with an error of scale and shift in
    each frame; then its edges are cleaned as `infer` does with its defaults.
    """
    height, width = disparity.shape[1:]
    low, high = float(disparity.min()), float(disparity.max())
    depth = (disparity - low) / max(high - low, 1e-6)
    estimates = []
    for frame in depth:
        small = cv2.resize(
            frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA
        )
        small = cv2.GaussianBlur(small, (0, 0), BLUR * width / 2)
        scale, shift = 1 + SCALE_ERROR * rng.normal(), SHIFT_ERROR * rng.normal()
        small = np.clip(scale * small + shift, 0, 1).astype(np.float32)
        estimates.append(np.asarray(clean_edges(small, height, width)))
    return (low + (high - low) * np.stack(estimates)).astype(np.float32)
