"""Catalogue of the parts with a public source, and their licences."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Published:
    """The public source of a part's weights."""

    # A repository on the Hugging Face hub, the web address of a file, or the file that
    # the command `made_by` writes.
    repo: str
    licence: str
    fetch: bool = False  # fetched at first use; only if the licence permits any use
    files: tuple[str, ...] = ("config.json", "model.safetensors")  # files to fetch
    made_by: str = ""  # command; for weights that no repository holds completely
    sha256: str | None = None  # of the file at the web address


_SVD = Published(
    "stabilityai/stable-video-diffusion-img2vid-xt",
    "Stable Video Diffusion community licence",
)

CATALOGUE = {
    "svd/unet": _SVD,
    "svd/vae": _SVD,
    "svd/image_encoder": _SVD,
    "stereocrafter/unet": Published(
        "TencentARC/StereoCrafter", "academic research only, with that of SVD"
    ),
    "depthcrafter/unet": Published(
        "tencent/DepthCrafter", "academic research only, with that of SVD"
    ),
    "depth_anything_v2_small": Published(
        "depth-anything/Depth-Anything-V2-Small-hf", "Apache-2.0", fetch=True
    ),
    "depth_anything_v2_base": Published(
        "depth-anything/Depth-Anything-V2-Base-hf", "CC-BY-NC-4.0"
    ),
    "depth_anything_v2_large": Published(
        "depth-anything/Depth-Anything-V2-Large-hf", "CC-BY-NC-4.0"
    ),
    "video_depth_anything_small": Published(
        "depth-anything/Video-Depth-Anything-Small",
        "Apache-2.0",
        fetch=True,
        files=("video_depth_anything_vits.pth",),
    ),
    "video_depth_anything_base": Published(
        "depth-anything/Video-Depth-Anything-Base", "CC-BY-NC-4.0"
    ),
    "video_depth_anything_large": Published(
        "depth-anything/Video-Depth-Anything-Large", "CC-BY-NC-4.0"
    ),
    "tcmonodepth_small": Published(
        "https://raw.githubusercontent.com/yu-li/TCMonoDepth/"
        "128a98c6478bfe5541c8eecfe7bc3f7459861b3b/weights/_ckpt_small.pt.tar",
        "MIT, (c) 2021 Yu Li",
        fetch=True,
        files=("_ckpt_small.pt.tar",),
        sha256="c7a87f34a432d11b831d9d27c531eaaef90e0282e2f8a7b87c0202b80ad76b2b",
    ),
    "lpips_alex": Published(
        "lpips_alex.pth",
        "BSD-2-Clause, that of its AlexNet BSD-3-Clause",
        made_by='pip install lpips && python -c "import lpips, torch; '
        "torch.save(lpips.LPIPS(net='alex').state_dict(), 'lpips_alex.pth')\"",
    ),
}
