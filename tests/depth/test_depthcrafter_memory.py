"""DepthCrafter's memory does not grow with the length of the shot."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource
import sys

import numpy as np
from flax import nnx

from stereojax.depth.depthcrafter import DepthCrafter, Sampling
from stereojax.svd.networks import SVDNetworks
from stereojax.storage.compilation_cache import enable_compilation_cache
from stereojax.svd.clip import TINY_CLIP, CLIPVisionModelWithProjection
from stereojax.svd.unet import TINY, UNetSpatioTemporalConditionModel
from stereojax.svd.vae import AutoencoderKLTemporalDecoder, VAEConfig

enable_compilation_cache()
vae = VAEConfig(block_out_channels=(32, 32), layers_per_block=1)
networks = SVDNetworks(
    UNetSpatioTemporalConditionModel(TINY, rngs=nnx.Rngs(0)),
    AutoencoderKLTemporalDecoder(vae, rngs=nnx.Rngs(0)),
    CLIPVisionModelWithProjection(TINY_CLIP, rngs=nnx.Rngs(0)),
)
sampling = Sampling(steps=2, guidance=1.0, window=40, overlap=8)
model = DepthCrafter(networks, sampling, licence="")
rng = np.random.default_rng(0)
frames = int(sys.argv[1])
pictures = (rng.integers(0, 256, (48, 64, 3)).astype(np.uint8) for _ in range(frames))
assert sum(1 for _ in model.estimate(pictures)) == frames
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_5000_frames_take_the_memory_of_a_few_windows():
    def peak(frames: int) -> int:
        command = [sys.executable, "-c", SCRIPT, str(frames)]
        return int(subprocess.check_output(command, text=True))

    few, many = peak(500), peak(5000)
    # Keeping the pictures, as bytes, would take 41 MB more.
    assert many - few < 20e6
