"""LPIPS in PyTorch, with random weights and the authors' parameter names.

Follows the paper (arXiv 1801.03924); the names are those of the published state dict.
"""

from pathlib import Path

import torch
from torch import nn

CHANNELS = (64, 192, 384, 256, 256)


def _features() -> list[nn.Module]:
    """Returns AlexNet's layers up to the last ReLU, in torchvision's order."""
    a, b, c, d, e = CHANNELS
    return [
        nn.Conv2d(3, a, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(a, b, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(b, c, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(c, d, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(d, e, 3, padding=1),
        nn.ReLU(),
    ]


class _Scaling(nn.Module):
    def __init__(self):
        super().__init__()
        for name, values in (
            ("shift", [-0.030, -0.088, -0.188]),
            ("scale", [0.458, 0.448, 0.450]),
        ):
            self.register_buffer(name, torch.tensor(values).reshape(1, 3, 1, 1))


class _Lin(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        conv = nn.Conv2d(channels, 1, 1, bias=False)
        self.model = nn.Sequential(nn.Dropout(), conv)


class Reference(nn.Module):
    """LPIPS of pictures b 3 h w in [0, 1]; the weights give distances near 1."""

    def __init__(self):
        super().__init__()
        self.scaling_layer = _Scaling()
        layers, self.net = _features(), nn.Module()
        ends = (0, 2, 5, 8, 10, 12)
        for i in range(5):
            block = nn.Sequential()
            for number in range(ends[i], ends[i + 1]):
                block.add_module(str(number), layers[number])
            self.net.add_module(f"slice{i + 1}", block)
            self.add_module(f"lin{i}", _Lin(CHANNELS[i]))
        self.lins = nn.ModuleList(getattr(self, f"lin{i}") for i in range(5))
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, weight in self.named_parameters():
                noise = torch.randn(weight.shape, generator=generator)
                if name.startswith("lin"):
                    weight.copy_(5 * noise.abs())
                elif weight.ndim == 4:
                    weight.copy_(noise * (2 / weight[0].numel()) ** 0.5)
                else:
                    weight.copy_(0.3 * noise)
        self.eval()

    @torch.no_grad()
    def forward(self, picture: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        scaling = self.scaling_layer
        x, y = ((2 * p - 1 - scaling.shift) / scaling.scale for p in (picture, truth))
        total = torch.zeros(len(x))
        for i in range(5):
            block = getattr(self.net, f"slice{i + 1}")
            x, y = block(x), block(y)
            units = (f / (f.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) for f in (x, y))
            square = (next(units) - next(units)).pow(2)
            total += getattr(self, f"lin{i}").model(square).mean((1, 2, 3))
        return total


def save(folder: Path, model: Reference | None = None) -> Path:
    """Saves the state dict with `torch.save`; returns the path of the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "lpips_alex.pth"
    torch.save((model or Reference()).state_dict(), file)
    return file
