"""Fresh weights of the transformers' parts: Xavier for linear maps, small noise for learnable tokens."""

import torch
from torch import nn


def linear(in_width: int, out_width: int) -> nn.Linear:
    """A linear map, Xavier-uniform, with zero bias."""
    layer = nn.Linear(in_width, out_width)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def learnable_token(width: int) -> nn.Parameter:
    """A token (1, 1, width) that is learned: normal, spread 0.02, and always on the CPU like `position_embedding`."""
    return nn.Parameter(0.02 * torch.randn(1, 1, width, device="cpu"))
