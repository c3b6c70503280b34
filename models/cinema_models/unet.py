"""The U-Net baseline: segmentation by convolutions alone."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from cinema_models.blocks import CONV, ConvNormAct, ConvRes, Norm, make_norm, tiling_conv, tiling_up
from cinema_models.recompute import run
from cinema_models.views import ViewOfAnySize, check_images


def entrance(dims: int, in_chans: int, out_chans: int, norm: Norm) -> ConvNormAct:
    """A 3x3[x3] convolution with norm and GELU."""
    return ConvNormAct(CONV[dims](in_chans, out_chans, 3, padding=1), make_norm(norm, out_chans, dims))


def pad_end(x: Tensor, size: Sequence[int]) -> Tensor:
    """Zeros at the end of each spatial axis of (batch, channel, x, y[, z]) up to `size`."""
    short = [n - have for n, have in zip(size, x.shape[2:], strict=True)]
    return F.pad(x, [pad for n in reversed(short) for pad in (0, n)])  # `pad` starts at the last axis


def two_blocks(dims: int, chans: int, norm: Norm, dropout: float) -> nn.ModuleList:
    """The residual blocks of one level."""
    return nn.ModuleList([ConvRes(dims, chans, chans, norm=norm, dropout=dropout) for _ in range(2)])


class EncoderLevel(nn.Module):
    """Two residual blocks, then the way down to the next coarser level, if there is one."""

    def __init__(self, conv: nn.ModuleList, down: nn.Module | None, *, grad_ckpt: bool) -> None:
        super().__init__()
        self.grad_ckpt = grad_ckpt
        self.conv = conv
        self.down = down

    def forward(self, x: Tensor) -> list[Tensor]:
        """(batch, chans, x, y[, z]) -> the maps after each block and after the way down."""
        maps = []
        for block in self.conv:
            x = run(block, x, recompute=self.grad_ckpt)
            maps.append(x)
        return maps if self.down is None else [*maps, self.down(x)]


class DecoderLevel(nn.Module):
    """Two residual blocks, then the way up to the next finer level, if there is one; each step adds a skip."""

    def __init__(self, conv: nn.ModuleList, up: nn.Module | None, *, grad_ckpt: bool) -> None:
        super().__init__()
        self.grad_ckpt = grad_ckpt
        self.conv = conv
        self.up = up

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """(batch, chans, x, y[, z]) -> the next finer map; takes what it adds from the end of `skips`."""
        for block in self.conv:
            x = run(block, x, recompute=self.grad_ckpt) + skips.pop()
        if self.up is None:
            return x
        skip = skips.pop()
        return pad_end(self.up(x), skip.shape[2:]) + skip


class UNetEncoder(nn.Module):
    """From the image to the coarsest level; every map on the way is kept."""

    def __init__(self, in_conv: nn.Module, levels: Sequence[EncoderLevel]) -> None:
        super().__init__()
        self.in_conv = in_conv
        self.blocks = nn.ModuleList(levels)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(batch, in_chans, x, y[, z]) -> the maps after the entrance, each residual block and each way down."""
        maps = [self.in_conv(image)]
        for level in self.blocks:
            maps += level(maps[-1])
        return maps


class UNetDecoder(nn.Module):
    """From the coarsest level back to the finest.

    `in_conv` is part of the published weights but is never used.
    """

    def __init__(self, in_conv: nn.Module, levels: Sequence[DecoderLevel]) -> None:
        super().__init__()
        self.in_conv = in_conv
        self.blocks = nn.ModuleList(levels)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The encoder's maps -> (batch, finest channels, x, y[, z])."""
        *skips, x = maps
        for level in self.blocks:
            x = level(x, skips)
        return x


class UNet(nn.Module):
    """U-Net of one view with residual blocks and added skips; images of any size that survives the ways down.

    The first way down has kernel and stride `patch`, the others `scale`.
    """

    def __init__(
        self,
        name: str,
        view: ViewOfAnySize,
        out_chans: int,
        *,
        chans: Sequence[int],
        patch: Sequence[int],
        scale: Sequence[int],
        dropout: float = 0.0,
        norm: Norm = Norm.INSTANCE,
        grad_ckpt: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.views = {name: view}
        patches = [scale if i else patch for i in range(len(chans) - 1)]
        self.coarsest = tuple(math.prod(p[axis] for p in patches) for axis in range(view.dims))
        downs = [tiling_conv(view.dims, a, b, p) for (a, b), p in zip(pairwise(chans), patches, strict=True)]
        ups = [tiling_up(view.dims, b, a, p) for (a, b), p in zip(pairwise(chans), patches, strict=True)]

        def blocks(n: int) -> nn.ModuleList:
            return two_blocks(view.dims, n, norm, dropout)

        self.encoder = UNetEncoder(
            entrance(view.dims, view.in_chans, chans[0], norm),
            [EncoderLevel(blocks(n), down, grad_ckpt=grad_ckpt) for n, down in zip(chans, [*downs, None], strict=True)],
        )
        self.decoder = UNetDecoder(
            entrance(view.dims, chans[-1], chans[0], norm),
            [DecoderLevel(blocks(n), up, grad_ckpt=grad_ckpt) for n, up in zip(chans, [None, *ups], strict=True)][::-1],
        )
        self.out_conv = CONV[view.dims](chans[0], out_chans, 1)

    def forward(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{view: (batch, channel, x, y[, z])} -> {view: logits (batch, out_chans, x, y[, z])}.

        Raises ValueError, naming the view, for what does not fit.
        """
        check_images(images, self.views, all_views=True)
        image = images[self.name]
        if math.prod(n // step for n, step in zip(image.shape[2:], self.coarsest, strict=True)) < 2:
            # the coarsest map must have a spread that instance norm can divide by
            raise ValueError(f"view {self.name!r} has size {tuple(image.shape[2:])}, not more than {self.coarsest}")
        return {self.name: self.out_conv(self.decoder(self.encoder(image)))}
