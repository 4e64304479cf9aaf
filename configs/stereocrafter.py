"""StereoCrafter's diffusion fill in its best quality: no crop, known pixels kept.

    python -m stereojax.infer --config stereocrafter --input film.mp4 \\
        --output film_3d.mp4

Needs converted weights (research licences; the converter prints them):

    python -m convert_weights --source TencentARC/StereoCrafter --output ROOT
    python -m convert_weights --source stabilityai/stable-video-diffusion-img2vid-xt \\
        --output ROOT

Differences from the published settings:
- 8 Align-Your-Steps noise levels; the U-Net call at the last one is left out, because
  it changes nothing;
- guidance 1.0, which takes one U-Net call per step;
- windows of 25 frames that cross-fade;
- pictures are padded, not cropped;
- the mask includes thin holes;
- pixels that the left camera saw are taken from the film, not from the VAE.

On 12 stereo clips LPIPS is 0.383 with this schedule and 0.393 with the published one
(measured by others, not reproduced here).

`:runlocal` is the same code with small random networks and few steps, for a laptop: the
filled pixels are meaningless.

Training (`train` below): compiled ahead of time for 8 H200s, an update takes 62 GB per
device with the chunked attention, and validation 10 GB (`python -m
benchmarks.aot.train`). It has not yet run at full size.

Learning curve (`python -m benchmarks.learn`: 0.8 M trained parameters, 48 synthetic
scenes of 32x64 in shards, 400 updates of 4 samples; measured inside the hole on 8
validation scenes):

    update   PSNR      SSIM     background fill
    1        11.4 dB   0.24     21.3 dB, 0.69
    200      15.8 dB   0.39
    400      16.3 dB   0.41

The background fill is still much better: these 800 s on two busy cores are too short a
training.
"""

from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
    if variant not in ("", "runlocal"):
        raise ValueError(f"expected no variant or runlocal, got {variant}")
    config = ConfigDict()
    config.model = ConfigDict({"fill": "diffusion"})
    config.infer = ConfigDict({"hole_dilate": 1.0, "feather": 4.0})
    config.train = train(variant)
    if variant:
        config.model.update(unet="random", vae="random", image_encoder="random")
        config.infer.update(
            depth_model="prior", steps=3, window=12, overlap=2, tile_width=640
        )
    return config


def train(variant: str) -> ConfigDict:
    """Returns the training section; defaults (stereojax/settings) are the paper's.

    25 frames of 576x1024 at a stride of 1 to 6, 26,000 updates of 8 samples with AdamW
    at a learning rate of 1e-5, from SVD with a mask channel of zeros; only the spatial
    layers are trained.

        python -m stereojax.train --config stereocrafter --workdir DIR --data DATASET

    `:runlocal` trains a small network for 10 updates on synthetic scenes, as a test.
    """
    if variant != "runlocal":
        return ConfigDict({"unet": "svd/unet", "steps": 26000, "batch": 8})
    return ConfigDict(
        {
            "unet": "random",
            "vae": "patches",
            "image_encoder": "random",
            "widths": "64",
            "frames": 4,
            "height": 32,
            "width": 64,
            "max_stride": 2,
            "known_frames": 2,
            "synthetic_scenes": 16,
            "synthetic_disparity": 12.0,
            "workers": 0,
            "remat": "none",
            "steps": 10,
            "batch": 2,
            "accumulate": 1,
            "learning_rate": 1e-3,
            "log_every": 1,
            "checkpoint_every": 5,
            "validate_every": 10,
            "validation_scenes": 2,
            "validation_steps": 4,
        }
    )
