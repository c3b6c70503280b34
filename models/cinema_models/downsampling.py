"""What stands before and after the transformer for each view: convolutions to tokens, and their later fusion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cinema_models.blocks import ConvNormAct, MaskedConv, Norm, make_norm, tiling_conv
from cinema_models.initial import linear
from cinema_models.patches import PatchEmbedding, pick
from cinema_models.positions import position_embedding, resize_embedding
from cinema_models.recompute import run
from cinema_models.views import ViewGeometry


@dataclass(frozen=True, slots=True)
class ConvStages:
    """Channels of each convolution stage, masked blocks in each, and their norm."""

    chans: tuple[int, ...]
    n_blocks: int
    norm: Norm = Norm.LAYER


class Stage(nn.Module):
    """One patch convolution and its masked blocks."""

    def __init__(
        self, dims: int, in_chans: int, out_chans: int, patch: Sequence[int], *, n_blocks: int, norm: Norm
    ) -> None:
        super().__init__()
        self.patch_embed = ConvNormAct(tiling_conv(dims, in_chans, out_chans, patch), make_norm(norm, out_chans, dims))
        self.conv = nn.ModuleList([MaskedConv(dims, out_chans, norm=norm) for _ in range(n_blocks)])

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(batch, in_chans, x, y[, z]) -> (batch, out_chans, x / patch, ...); `mask` (batch, 1, *grid), 1 = removed."""
        x = self.patch_embed(x)
        visible = None if mask is None else 1.0 - F.interpolate(mask, size=x.shape[2:], mode="nearest")
        for block in self.conv:
            x = block(x, visible)
        return x


class DownsamplingEncoder(nn.Module):
    """Convolution stages, then tokens with their position embedding."""

    def __init__(
        self,
        view: ViewGeometry,
        stages: ConvStages,
        width: int,
        *,
        grad_ckpt: bool = False,
    ) -> None:
        super().__init__()
        self.grad_ckpt = grad_ckpt
        self.grid = view.grid(len(stages.chans))
        self.token_patch = view.token_patch(len(stages.chans))
        self.pos_embed = nn.Parameter(position_embedding(self.grid, width), requires_grad=False)
        in_chans = (view.in_chans, *stages.chans)
        patches = [view.patch, *[view.scale] * (len(stages.chans) - 1)]
        self.conv_blocks = nn.ModuleList(
            [
                Stage(view.dims, in_chans[i], chans, patches[i], n_blocks=stages.n_blocks, norm=stages.norm)
                for i, chans in enumerate(stages.chans)
            ]
        )
        self.patch_embed = PatchEmbedding(stages.chans[-1], width, view.scale)
        self.linear = linear(width, width)

    def forward(self, image: Tensor, mask: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """(batch, channel, x, y[, z]) -> all tokens (batch, token, width), and each stage's map for later skips.

        `mask` (batch, token), True = removed, hides places from the depthwise convolutions; no token is dropped here.
        The position embedding is interpolated for an image of another size than the network's.
        """
        grid = [n // p for n, p in zip(image.shape[2:], self.token_patch, strict=True)]
        on_grid = None if mask is None else mask.to(image.dtype).reshape(-1, 1, *grid)
        x, skips = image, []
        for stage in self.conv_blocks:
            x = run(stage, x, on_grid, recompute=self.grad_ckpt)
            skips.append(x)
        tokens: Tensor = self.linear(self.patch_embed(x))
        return tokens + resize_embedding(self.pos_embed, self.grid, grid), skips


class Fusion(nn.Module):
    """Add each stage's map, brought down to the token grid, to the transformer's tokens; then norm."""

    def __init__(self, view: ViewGeometry, stages: ConvStages, width: int) -> None:
        super().__init__()
        self.down_convs = nn.ModuleList()
        for i, chans in enumerate(stages.chans):
            left = [s ** (len(stages.chans) - i) for s in view.scale]  # from stage to token grid: 4, then 2 in plane
            self.down_convs.append(tiling_conv(view.dims, chans, width, left))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, skips: Sequence[Tensor], visible: Tensor | None = None) -> Tensor:
        """Tokens (batch, token, width) -> the same shape; only those where `visible` (batch, all tokens), if given."""
        for conv, skip in zip(self.down_convs, skips, strict=True):
            down = conv(skip).flatten(2).transpose(1, 2)  # (batch, all tokens, width)
            tokens = tokens + (down if visible is None else pick(down, visible))
        y: Tensor = self.norm(tokens)
        return y


def view_encoders(
    views: Mapping[str, ViewGeometry], stages: ConvStages, width: int, *, grad_ckpt: bool
) -> nn.ModuleDict:
    """One down-sampling encoder a view."""
    return nn.ModuleDict(
        {name: DownsamplingEncoder(view, stages, width, grad_ckpt=grad_ckpt) for name, view in views.items()}
    )


def view_fusions(views: Mapping[str, ViewGeometry], stages: ConvStages, width: int) -> nn.ModuleDict:
    """One fusion a view."""
    return nn.ModuleDict({name: Fusion(view, stages, width) for name, view in views.items()})
