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
    """A token (1, 1, width) that is learned, normal with standard deviation 0.02."""
    return nn.Parameter(nn.init.normal_(torch.empty(1, 1, width), std=0.02))
