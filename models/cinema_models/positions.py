"""Fixed sine and cosine position embeddings of token grids, and their interpolation to other grids."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def position_embedding(grid: Sequence[int], width: int) -> Tensor:
    """Embedding (1, token, width) of a grid; each axis has width // axes channels, made even, zeros fill the rest.

    As in the published weights, coordinates come from a Cartesian ("xy") mesh: tokens run row by row, x slowest, but
    the first block of channels holds the coordinate along y and the second that along x. On grids that are not square
    in plane the mesh does not even follow the order of the tokens: weights depend on it, so it is kept.

    Always on the CPU: on the meta device `arange`, like `normal_`, loads the compiler of torch, 80 MB and seconds.
    """
    per_axis = width // len(grid) // 2 * 2
    rates = 10000.0 ** (-torch.arange(per_axis // 2, dtype=torch.float64, device="cpu") / (per_axis / 2))
    axes = [torch.arange(n, dtype=torch.float64, device="cpu") for n in grid]
    waves: list[Tensor] = []
    for coordinate in torch.meshgrid(*axes, indexing="xy"):
        angle = coordinate.reshape(-1, 1) * rates  # (token, per_axis / 2)
        waves += [angle.sin(), angle.cos()]
    embedding = torch.cat(waves, dim=1)
    return F.pad(embedding, (0, width - embedding.shape[1])).float().unsqueeze(0)


def resize_embedding(embedding: Tensor, grid: Sequence[int], new_grid: Sequence[int]) -> Tensor:
    """Interpolate (1, token, width) from `grid` to `new_grid`: bicubic in 2-D, trilinear in 3-D, in float32."""
    if tuple(grid) == tuple(new_grid):
        return embedding
    width = embedding.shape[-1]
    maps = embedding.float().transpose(1, 2).reshape(1, width, *grid)
    mode = "bicubic" if len(grid) == 2 else "trilinear"
    maps = F.interpolate(maps, size=list(new_grid), mode=mode, align_corners=False)
    return maps.flatten(2).transpose(1, 2).to(embedding.dtype)  # (1, new token, width)
