"""Convolutional parts in two and three dimensions: norms, residual blocks, gated depthwise blocks."""

from collections.abc import Callable, Sequence
from enum import StrEnum

import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6

CONV: dict[int, Callable[..., nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED_CONV: dict[int, Callable[..., nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
INSTANCE_NORM: dict[int, Callable[..., nn.Module]] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}


class Norm(StrEnum):
    """How convolutional parts normalise: over the channels of each voxel, each channel of an image, or groups."""

    LAYER = "layer"
    INSTANCE = "instance"
    GROUP = "group"


def laid_out_as(x: Tensor, like: Tensor) -> Tensor:
    """`x`, whose channels lie last in memory, as `like` has its own: first or last. It decides which kernels follow."""
    return x.contiguous() if like.is_contiguous() else x


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each voxel.

    An image of one channel leaves as the bias, whatever it shows.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channel, x, y[, z]) -> the same shape and memory format."""
        y = super().forward(x.movedim(1, -1)).movedim(-1, 1)
        return laid_out_as(y, x)


def make_norm(norm: Norm, chans: int, dims: int) -> nn.Module:
    """The layer for `norm`; instance normalisation has no weights."""
    if norm is Norm.LAYER:
        return ChannelNorm(chans, eps=EPS)
    if norm is Norm.INSTANCE:
        return INSTANCE_NORM[dims](chans, eps=EPS)
    return nn.GroupNorm(min(32, chans), chans, eps=EPS)


def tiling_conv(dims: int, in_chans: int, out_chans: int, patch: Sequence[int]) -> nn.Module:
    """A convolution whose stride is its kernel: each patch becomes one position, an incomplete one is dropped."""
    return CONV[dims](in_chans, out_chans, tuple(patch), stride=tuple(patch))


def tiling_up(dims: int, in_chans: int, out_chans: int, patch: Sequence[int]) -> nn.Module:
    """The transposed convolution whose stride is its kernel: each position becomes a patch."""
    return TRANSPOSED_CONV[dims](in_chans, out_chans, tuple(patch), stride=tuple(patch))


class ConvNormAct(nn.Module):
    """Convolution, norm, GELU."""

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channel, x, y[, z]) -> the size the convolution leaves."""
        return F.gelu(self.norm(self.conv(x)))


class ConvRes(nn.Module):
    """Residual block of two convolutions, each after norm and GELU; a 1x1 shortcut where the width changes."""

    def __init__(self, dims: int, in_chans: int, out_chans: int, *, norm: Norm, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = make_norm(norm, in_chans, dims)
        self.norm2 = make_norm(norm, out_chans, dims)
        self.conv1 = CONV[dims](in_chans, out_chans, 3, padding=1)
        self.conv2 = CONV[dims](out_chans, out_chans, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.shortcut = nn.Identity() if in_chans == out_chans else CONV[dims](in_chans, out_chans, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_chans, x, y[, z]) -> (batch, out_chans, x, y[, z])."""
        y: Tensor = self.branch(x) + self.shortcut(x)
        return y

    def branch(self, x: Tensor) -> Tensor:
        """What the two convolutions add to the shortcut, of the same shape."""
        h = self.conv1(F.gelu(self.norm1(x)))
        y: Tensor = self.conv2(self.dropout(F.gelu(self.norm2(h))))
        return y


class ConvMlp(nn.Module):
    """Two 1x1 convolutions with GELU between, four times as wide inside."""

    def __init__(self, dims: int, chans: int) -> None:
        super().__init__()
        self.fc1 = CONV[dims](chans, 4 * chans, 1)
        self.fc2 = CONV[dims](4 * chans, chans, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, chans, x, y[, z]) -> the same shape."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class MaskedConv(nn.Module):
    """Depthwise 5x5[x5] block whose depthwise convolution sees visible places only; residual paths see everything."""

    def __init__(self, dims: int, chans: int, *, norm: Norm) -> None:
        super().__init__()
        self.norm1 = make_norm(norm, chans, dims)
        self.norm2 = make_norm(norm, chans, dims)
        self.conv1 = CONV[dims](chans, chans, 1)
        self.conv2 = CONV[dims](chans, chans, 1)
        self.dw_conv = CONV[dims](chans, chans, 5, padding=2, groups=chans)
        self.mlp = ConvMlp(dims, chans)

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """(batch, chans, x, y[, z]) -> the same shape; `visible` (batch, 1, x, y[, z]) is 1 where the image is seen."""
        a = self.conv1(self.norm1(x))
        if visible is not None:
            a = a * visible
        x = x + self.conv2(self.dw_conv(a))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y
