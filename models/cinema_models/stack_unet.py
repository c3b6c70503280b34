"""A small 2-D U-Net whose deep levels look at the neighbouring slices of the stack: the starter head's network."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def neighbours(counts: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Indices of the slice before and after each slice for stacks of `counts` slices laid end to end.

    At the ends of a stack the index is the number of slices, which stands for "none".
    """
    total = sum(counts)
    before, after = torch.arange(total) - 1, torch.arange(total) + 1
    start = 0
    for count in counts:
        before[start] = total
        start += count
        after[start - 1] = total
    return before, after


class ConvPair(nn.Module):
    """Two 3x3 convolutions, each with group normalisation and GELU."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, out_chans, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(8, out_chans)
        self.conv2 = nn.Conv2d(out_chans, out_chans, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(8, out_chans)
        self.act = nn.GELU(approximate="tanh")

    def forward(self, x: Tensor) -> Tensor:
        """(slice, in_chans, y, x) -> (slice, out_chans, y, x)."""
        x = self.act(self.norm1(self.conv1(x)))
        y: Tensor = self.act(self.norm2(self.conv2(x)))
        return y


class SliceMixing(nn.Module):
    """Add what the slices before and after show at the same place (residual, starts at zero)."""

    def __init__(self, chans: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * chans, chans, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """(slice, chans, y, x) -> the same shape; `before` and `after` as `neighbours` gives them."""
        padded = torch.cat([x, torch.zeros_like(x[:1])])
        y: Tensor = x + self.mix(torch.cat([padded[before], padded[after]], dim=1))
        return y


class StackUNet(nn.Module):
    """U-Net over slices (slice, channel, y, x) -> logits (slice, class, y, x).

    Squares of `fold` x `fold` pixels become channels at the entrance and pixels again at the exit: nothing is lost, and
    the convolutions are as wide as processors like them. From level `mix_from` on, each level also mixes neighbouring
    slices, so that the deepest level sees several slices up and down the stack. Sides must be multiples of
    fold * 2 ** (len(widths) - 1).
    """

    def __init__(self, in_chans: int, out_chans: int, widths: Sequence[int], *, fold: int, mix_from: int) -> None:
        super().__init__()
        last = len(widths) - 1
        self.fold = fold
        in_chans, out_chans = in_chans * fold**2, out_chans * fold**2
        self.mix_from = mix_from
        self.down = nn.ModuleList(
            [ConvPair(in_chans if level == 0 else widths[level - 1], width) for level, width in enumerate(widths)]
        )
        self.mix_down = nn.ModuleList([SliceMixing(width) for width in widths[mix_from:]])
        self.mix_up = nn.ModuleList([SliceMixing(width) for width in widths[mix_from:last]])
        self.up = nn.ModuleList([ConvPair(widths[level] + widths[level + 1], widths[level]) for level in range(last)])
        self.pool = nn.MaxPool2d(2)
        self.grow = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.head = nn.Conv2d(widths[0], out_chans, 1)

    def forward(self, x: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """(slice, in_chans, y, x) -> logits (slice, out_chans, y, x); `before`, `after` from `neighbours`."""
        x = F.pixel_unshuffle(x, self.fold)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            if level >= self.mix_from:
                x = self.mix_down[level - self.mix_from](x, before, after)
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = self.up[level](torch.cat([self.grow(x), skips[level]], dim=1))
            if level >= self.mix_from:
                x = self.mix_up[level - self.mix_from](x, before, after)
        logits: Tensor = F.pixel_shuffle(self.head(x), self.fold)
        return logits
