"""The parts whose public source is known, and under which licence they come."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Published:
    """Where a part's weights are published."""

    repo: str  # on the Hugging Face hub; or the file that `made_by` makes
    licence: str
    fetch: bool = False  # may be fetched without being asked for: free for any use
    files: tuple[str, ...] = ("config.json", "model.safetensors")  # all it takes
    made_by: str = ""  # a command: where no repository holds the whole


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
    "lpips_alex": Published(
        "lpips_alex.pth",
        "BSD-2-Clause, that of its AlexNet BSD-3-Clause",
        made_by='pip install lpips && python -c "import lpips, torch; '
        "torch.save(lpips.LPIPS(net='alex').state_dict(), 'lpips_alex.pth')\"",
    ),
}
