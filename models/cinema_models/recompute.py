"""Time for memory in training: calculate a part's insides again in the backward pass instead of keeping them."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def run(part: nn.Module, *inputs: Tensor | None, recompute: bool) -> Tensor:
    """`part(*inputs)`; with `recompute`, in training, nothing inside is kept for the backward pass (same numbers)."""
    if recompute and part.training and torch.is_grad_enabled():
        y: Tensor = checkpoint(part, *inputs, use_reentrant=False)
        return y
    y = part(*inputs)
    return y
