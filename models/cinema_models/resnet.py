"""The ResNet baseline: classes or values by convolutions alone, in two and three dimensions."""

from collections.abc import Callable, Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from cinema_models.blocks import CONV
from cinema_models.views import ViewOfAnySize, check_images

BATCH_NORM: dict[int, Callable[..., nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAX_POOL: dict[int, Callable[..., nn.Module]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}

BLOCKS: dict[int, tuple[int, int, int, int]] = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
"""Residual blocks in each of the four layers, by the depth in the network's name."""


def conv(dims: int, in_chans: int, out_chans: int, kernel: int, stride: int = 1) -> nn.Module:
    """A convolution without bias that keeps the size up to its stride."""
    return CONV[dims](in_chans, out_chans, kernel, stride=stride, padding=kernel // 2, bias=False)


def shortcut(dims: int, in_chans: int, out_chans: int, stride: int) -> nn.Module | None:
    """The projection beside a block that changes size or width."""
    if stride == 1 and in_chans == out_chans:
        return None
    return nn.Sequential(conv(dims, in_chans, out_chans, 1, stride), BATCH_NORM[dims](out_chans))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(self, dims: int, in_chans: int, chans: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(dims, in_chans, chans, 3, stride)
        self.bn1 = BATCH_NORM[dims](chans)
        self.conv2 = conv(dims, chans, chans, 3)
        self.bn2 = BATCH_NORM[dims](chans)
        self.downsample = shortcut(dims, in_chans, chans, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_chans, x, y[, z]) -> (batch, chans, x / stride, ...)."""
        h = F.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        return F.relu(h + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions; the stride is in the middle."""

    expansion = 4

    def __init__(self, dims: int, in_chans: int, chans: int, stride: int) -> None:
        super().__init__()
        wide = self.expansion * chans
        self.conv1 = conv(dims, in_chans, chans, 1)
        self.bn1 = BATCH_NORM[dims](chans)
        self.conv2 = conv(dims, chans, chans, 3, stride)
        self.bn2 = BATCH_NORM[dims](chans)
        self.conv3 = conv(dims, chans, wide, 1)
        self.bn3 = BATCH_NORM[dims](wide)
        self.downsample = shortcut(dims, in_chans, wide, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_chans, x, y[, z]) -> (batch, 4 chans, x / stride, ...)."""
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        h = self.bn3(self.conv3(h))
        return F.relu(h + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """ResNet of one view, of any size; basic blocks below depth 50, bottlenecks from there on."""

    def __init__(self, name: str, view: ViewOfAnySize, out_chans: int, *, depth: int, chans: Sequence[int]) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"no ResNet of depth {depth}: there are {', '.join(map(str, BLOCKS))}")
        self.name = name
        self.views = {name: view}
        block = BasicBlock if depth < 50 else Bottleneck
        self.conv1 = CONV[view.dims](view.in_chans, chans[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = BATCH_NORM[view.dims](chans[0])
        self.maxpool = MAX_POOL[view.dims](3, stride=2, padding=1)
        layers, width = [], chans[0]
        for i, (n, inner) in enumerate(zip(BLOCKS[depth], chans, strict=True)):
            outer = block.expansion * inner
            first = block(view.dims, width, inner, stride=2 if i else 1)
            layers.append(nn.Sequential(first, *[block(view.dims, outer, inner, stride=1) for _ in range(n - 1)]))
            width = outer
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.fc = nn.Linear(width, out_chans)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Mapping[str, Tensor]) -> Tensor:
        """{view: (batch, channel, x, y[, z])} -> (batch, out_chans).

        Raises ValueError, naming the view, for what does not fit.
        """
        check_images(images, self.views, all_views=True)
        x = self.maxpool(F.relu(self.bn1(self.conv1(images[self.name]))))  # a quarter of the size
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        out: Tensor = self.fc(x.flatten(2).mean(dim=2))
        return out
