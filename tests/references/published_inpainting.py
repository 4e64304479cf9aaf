"""The published inpainting algorithm, with diffusers' networks.

Written independently in PyTorch, from facts about StereoCrafter's code (arXiv
2409.07447; research licence). Frames are cropped to multiples of 128 from the top left.
Windows share frames; the last window starts earlier and is shorter. Each window has 2x2
tiles that overlap by 128 pixels and are denoised one by one, each with its own noise
and image embedding. The tiles' latents are blended in place. The window is decoded two
frames at a time to 8 bits, and these frames are the next window's shared frames.

All computation is in float32; the caller provides the noise.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import diffusers
import numpy as np
import torch
import transformers
from diffusers.image_processor import VaeImageProcessor
from diffusers.pipelines.stable_video_diffusion import (
    pipeline_stable_video_diffusion as svd_pipeline,
)

SHARED = 128  # pixels: the overlap of neighbouring tiles
TILES = 2  # number of tiles along each axis


@dataclasses.dataclass(frozen=True)
class Parts:
    """The networks and settings of the pipeline."""

    unet: torch.nn.Module
    vae: torch.nn.Module
    image_encoder: torch.nn.Module
    scheduler: Callable[[], diffusers.EulerDiscreteScheduler]  # with its timesteps
    guidance: float
    window: int
    overlap: int


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of one window."""

    start: int
    stop: int
    known: int  # number of first frames that the previous window has generated
    shown: np.ndarray  # t h w 3, uint8, uncropped: known frames, then splatted frames
    latents: np.ndarray  # t h w z
    frames: np.ndarray  # t h w 3, uint8: all frames, including the known frames


def windows(frames: int, window: int, overlap: int) -> list[tuple[int, int, int]]:
    """Returns (first frame, frame after the last, known frames) as published."""
    plan = []
    for i in itertools.count(0, window - overlap):
        if i + overlap >= frames:
            return plan
        first, known = i, overlap if plan else 0
        if plan and i + window > frames:
            first = max(frames + overlap - window, 0)
            known = i - first + overlap
        plan.append((first, min(first + window, frames), known))


@torch.no_grad()
def inpaint(
    parts: Parts,
    warped: np.ndarray,  # t h w 3, uint8
    mask: np.ndarray,  # t h w 3, uint8
    noise: Callable[[int, int], np.ndarray],  # first frame, number: t h w z
) -> Iterator[Outcome]:
    """Yields the results of the windows, in order."""
    height, width = (n // 128 * 128 for n in warped.shape[1:3])
    generated = warped.copy()  # the windows' results replace the splatted frames
    for start, stop, known in windows(len(warped), parts.window, parts.overlap):
        shown = warped[start:stop].copy()
        crop = np.s_[:, :height, :width]
        shown[:known][crop] = generated[start : start + known][crop]
        latents = tiled(
            parts,
            pixels(shown)[..., :height, :width],
            # The mask is a video of three equal channels.
            pixels(mask[start:stop])[..., :height, :width].mean(1, keepdim=True),
            torch.from_numpy(np.array(noise(start, stop - start)))
            .movedim(-1, 1)
            .contiguous(),
        )
        frames = eight_bits(decoded(parts.vae, latents))
        generated[start + known : stop][crop] = frames[known:]
        last = latents.movedim(1, -1).numpy()
        yield Outcome(start, stop, known, shown, last, frames)


def pixels(frames: np.ndarray) -> torch.Tensor:
    """Returns t c h w in [0, 1].

    Contiguous: on CPUs, torch's group norm of channels-last memory computes the
    variance as a difference of float32 means, with an error of 1.5e-4.
    """
    return torch.from_numpy(frames).movedim(-1, 1).contiguous().float() / 255.0


def tiled(
    parts: Parts, frames: torch.Tensor, mask: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Returns the latents of one window."""
    size = [(n + SHARED * (TILES - 1)) // TILES for n in frames.shape[-2:]]
    tiles = {}
    for row, column in itertools.product(range(TILES), repeat=2):
        top, left = row * (size[0] - SHARED), column * (size[1] - SHARED)
        area = np.s_[..., top : top + size[0], left : left + size[1]]
        eighth = [slice(s.start // 8, s.stop // 8) for s in area[1:]]
        tiles[row, column] = one_tile(
            parts, frames[area], mask[area], noise[..., *eighth]
        )
    shared = SHARED // 8
    for row, column in tiles:  # row by row; blends with tiles that are blended already
        tile = tiles[row, column]
        if row:
            above = tiles[row - 1, column]
            for k in range(shared):
                share = k / shared
                old = above[..., above.shape[-2] - shared + k, :]
                tile[..., k, :] = (1 - share) * old + share * tile[..., k, :]
        if column:
            before = tiles[row, column - 1]
            for k in range(shared):
                share = k / shared
                old = before[..., before.shape[-1] - shared + k]
                tile[..., k] = (1 - share) * old + share * tile[..., k]
    keep = [n // 8 - shared for n in size]  # the next tile provides the overlap
    rows = []
    for row in range(TILES):
        high = slice(None if row == TILES - 1 else keep[0])
        line = [
            tiles[row, column][
                ..., high, slice(None if column == TILES - 1 else keep[1])
            ]
            for column in range(TILES)
        ]
        rows.append(torch.cat(line, dim=-1))
    return torch.cat(rows, dim=-2)


def one_tile(
    parts: Parts, frames: torch.Tensor, mask: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Returns the latents of one tile of one window, `t z h w`."""
    height, width = frames.shape[-2:]
    context = embedded(parts.image_encoder, frames[:1])
    normalised = VaeImageProcessor().preprocess(frames, height, width)
    shown = torch.cat(
        [parts.vae.encode(f).latent_dist.mode() for f in normalised.split(5)]
    )  # not scaled
    binary = VaeImageProcessor(do_normalize=False, do_binarize=True)
    hole = binary.preprocess(mask, height, width)
    hole = torch.nn.functional.interpolate(hole, scale_factor=1 / 8)
    conditioning = torch.cat([shown, hole], dim=1)[None]
    ids = torch.tensor([[7.0 - 1, 127.0, 0.0]])
    scheduler = parts.scheduler()
    x = noise[None] * scheduler.init_noise_sigma
    for time in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, time)
        v = [
            parts.unet(
                torch.cat([scaled, on * conditioning], dim=2),
                time,
                encoder_hidden_states=on * context,
                added_time_ids=ids,
            ).sample
            for on in (0.0, 1.0)
        ]
        x = scheduler.step(v[0] + parts.guidance * (v[1] - v[0]), time, x).prev_sample
    return x[0]


def embedded(image_encoder: torch.nn.Module, picture: torch.Tensor) -> torch.Tensor:
    """Returns the (1, 1, d) embedding of a picture."""
    size = image_encoder.config.image_size
    small = svd_pipeline._resize_with_antialiasing(2 * picture - 1, (size, size))
    normal = transformers.CLIPImageProcessor()(
        (small + 1) / 2,
        do_normalize=True,
        do_center_crop=False,
        do_resize=False,
        do_rescale=False,
        return_tensors="pt",
    )
    return image_encoder(normal.pixel_values).image_embeds[:, None]


def decoded(vae: torch.nn.Module, latents: torch.Tensor) -> torch.Tensor:
    pairs = (latents / vae.config.scaling_factor).split(2)
    return torch.cat([vae.decode(z, num_frames=len(z)).sample for z in pairs])


def eight_bits(frames: torch.Tensor) -> np.ndarray:
    """Returns t h w 3 uint8 of frames in [-1, 1]."""
    pictures = VaeImageProcessor().postprocess(frames, output_type="pil")
    return np.stack([np.array(picture) for picture in pictures])
