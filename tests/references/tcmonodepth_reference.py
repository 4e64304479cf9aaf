"""TCMonoDepth's small network in PyTorch, with the names of its published checkpoint.

Written from a description of the network. The sizes and weights are random.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS, BLOCKS = (8, 20, 36, 64), (2, 3, 2)
PUBLISHED = (24, 48, 96, 192), (4, 8, 4)


def conv(inputs: int, outputs: int, size: int = 1, stride: int = 1) -> list[nn.Module]:
    """Returns a convolution without bias and its batch norm."""
    return [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]


def depthwise(channels: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
    ]


class Block(nn.Module):
    """A block of the encoder; the first block of a stage halves the size."""

    def __init__(self, inputs: int, outputs: int, first: bool):
        super().__init__()
        self.first = first
        seen, middle = inputs if first else inputs // 2, outputs // 2
        stride = 2 if first else 1
        self.branch_main = nn.Sequential(
            *conv(seen, middle),
            nn.ReLU(),
            *depthwise(middle, stride),
            *conv(middle, outputs - seen),
            nn.ReLU(),
        )
        if first:
            self.branch_proj = nn.Sequential(
                *depthwise(seen, stride), *conv(seen, seen), nn.ReLU()
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.first:
            return torch.cat([self.branch_proj(x), self.branch_main(x)], 1)
        # Of two neighbouring channels, the first is kept and the second is processed.
        kept, processed = x.unflatten(1, (-1, 2)).unbind(2)
        return torch.cat([kept, self.branch_main(processed)], 1)


class Encoder(nn.Module):
    def __init__(self, channels: tuple[int, ...], blocks: tuple[int, ...]):
        super().__init__()
        self.first_conv = nn.Sequential(*conv(3, channels[0], 3, 2), nn.ReLU())
        features = []
        for i, count in enumerate(blocks):
            features.append(Block(channels[i], channels[i + 1], True))
            for _ in range(count - 1):
                features.append(Block(channels[i + 1], channels[i + 1], False))
        self.features = nn.Sequential(*features)
        start = 0
        for i, count in enumerate(blocks, 1):
            setattr(self, f"stage{i}", self.features[start : start + count])
            start += count

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = [self.first_conv(x)]
        for stage in (self.stage1, self.stage2, self.stage3):
            maps.append(stage(maps[-1]))
        return maps


class Separable(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        last = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.conv = nn.Sequential(*depthwise(inputs), nn.ReLU(), last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class DecoderBlock(nn.Module):
    def __init__(self, fine: int, coarse: int):
        super().__init__()
        skip = coarse // 4
        self.skip_conv = nn.Sequential(*conv(fine, skip), nn.ReLU())
        self.last_conv = nn.Sequential(
            Separable(coarse + skip, fine), nn.BatchNorm2d(fine), nn.ReLU()
        )

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        upsampled = F.interpolate(coarse, size=fine.shape[2:], mode="bilinear")
        return self.last_conv(torch.cat([upsampled, self.skip_conv(fine)], 1))


class Decoder(nn.Module):
    def __init__(self, channels: tuple[int, ...]):
        super().__init__()
        for i in (3, 2, 1):
            block = DecoderBlock(channels[i - 1], channels[i])
            setattr(self, f"decoder{i}", block)
        self.final = nn.Conv2d(channels[0], 1, 3, padding=1)
        # Heads for training only.
        self.final2 = nn.Sequential(nn.Conv2d(channels[1], 1, 3, padding=1))
        self.final3 = nn.Sequential(nn.Conv2d(channels[2], 1, 3, padding=1))

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        x = self.decoder3(maps[2], maps[3])
        x = self.decoder2(maps[1], x)
        x = self.decoder1(maps[0], x)
        return F.interpolate(self.final(x).relu(), scale_factor=2, mode="bilinear")


class Reference(nn.Module):
    """Returns depth (b, h, w) of pictures (b, 3, h, w) in [0, 255]."""

    def __init__(self, channels=CHANNELS, blocks=BLOCKS):
        super().__init__()
        self.encoder = Encoder(channels, blocks)
        self.decoder = Decoder(channels)
        self.eval()

    @torch.no_grad()
    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(picture / 255))[:, 0]


@torch.no_grad()
def random_reference(channels=CHANNELS, blocks=BLOCKS, seed: int = 0) -> Reference:
    """Returns the network with random weights and statistics; its depth is not 0."""
    model = Reference(channels, blocks)
    generator = torch.Generator().manual_seed(seed)

    def noise(like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=generator)

    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.copy_(1 + 0.3 * noise(module.weight))
            module.bias.copy_(0.3 * noise(module.bias))
            module.running_mean.copy_(0.3 * noise(module.running_mean))
            module.running_var.copy_((0.3 * noise(module.running_var)).exp())
        elif isinstance(module, nn.Conv2d):
            module.weight.copy_(noise(module.weight))
            module.weight.mul_((2 / module.weight[0].numel()) ** 0.5)
            if module.bias is not None:
                module.bias.copy_(noise(module.bias))
    # The last layer clips at zero: shift all depth above it.
    x = 255 * torch.rand((4, 3, 64, 96), generator=generator)
    model.decoder.final.bias += 1000
    depth = model(x)
    model.decoder.final.bias -= depth.min() - 2 * depth.std()
    return model


def save(folder: Path, model: nn.Module, *, legacy: bool = True) -> Path:
    """Saves the state dict in the file format of torch before 1.6, as published."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "_ckpt_small.pt.tar"
    torch.save(model.state_dict(), file, _use_new_zipfile_serialization=not legacy)
    return file
