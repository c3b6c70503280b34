"""Images into tokens and back, and the choice of some tokens."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from cinema_models.initial import linear


def patchify(image: Tensor, patch: Sequence[int]) -> Tensor:
    """(batch, channel, x, y[, z]) -> (batch, token, patch values); tokens x slowest, values channel fastest."""
    batch, chans, *size = image.shape
    dims = len(size)
    split = [part for n, p in zip(size, patch, strict=True) for part in (n // p, p)]
    x = image.reshape(batch, chans, *split)  # (batch, channel, grid x, patch x, grid y, patch y, ...)
    grid_axes, patch_axes = range(2, 2 + 2 * dims, 2), range(3, 3 + 2 * dims, 2)
    return x.permute(0, *grid_axes, *patch_axes, 1).flatten(dims + 1).flatten(1, dims)


def unpatchify(tokens: Tensor, patch: Sequence[int], grid: Sequence[int]) -> Tensor:
    """The inverse: (batch, token, patch values) -> (batch, channel, x, y[, z]) with `grid` tokens along the axes."""
    batch, dims = tokens.shape[0], len(grid)
    x = tokens.reshape(batch, *grid, *patch, -1)  # (batch, grid x, grid y, ..., patch x, patch y, ..., channel)
    pairs = [axis for d in range(dims) for axis in (1 + d, 1 + dims + d)]
    size = [n * p for n, p in zip(grid, patch, strict=True)]
    return x.permute(0, 1 + 2 * dims, *pairs).reshape(batch, -1, *size)


def pick(tokens: Tensor, chosen: Tensor) -> Tensor:
    """The tokens (batch, n, width) where `chosen` (batch, token) is True: the same number n in every sample."""
    batch, _, width = tokens.shape
    n = int(chosen[0].sum())
    return tokens[chosen].view(batch, n, width)


class PatchEmbedding(nn.Module):
    """Patches into tokens by one linear map."""

    def __init__(self, in_chans: int, width: int, patch: Sequence[int]) -> None:
        super().__init__()
        self.patch = tuple(patch)
        self.proj = linear(in_chans * math.prod(patch), width)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, in_chans, x, y[, z]) -> (batch, token, width)."""
        tokens: Tensor = self.proj(patchify(image, self.patch))
        return tokens
