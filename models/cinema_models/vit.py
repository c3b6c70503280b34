"""The transformer: attention, blocks, and the encoder that all views share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinema_models.initial import learnable_token, linear
from cinema_models.recompute import run

CLS = "cls"


@dataclass(frozen=True, slots=True)
class TransformerSize:
    """Channels of a token, number of blocks, heads of each attention."""

    width: int
    depth: int
    heads: int


class Attention(nn.Module):
    """Scaled dot-product attention with separate query and key-value maps.

    `attend` takes queries, keys and values, each (batch, head, token, channel); another way to the same may replace it.
    """

    attend: Callable[[Tensor, Tensor, Tensor], Tensor] = staticmethod(F.scaled_dot_product_attention)

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.heads = heads
        self.q = linear(width, width)
        self.kv = linear(width, 2 * width)
        self.proj = linear(width, width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Queries from `x` (batch, token, width), keys and values from `context` -> the shape of `x`."""
        batch, tokens, width = x.shape
        each = width // self.heads
        q = self.q(x).view(batch, tokens, self.heads, each).transpose(1, 2)
        k, v = self.kv(context).view(batch, context.shape[1], 2, self.heads, each).permute(2, 0, 3, 1, 4)
        y = self.attend(q, k, v)  # each (batch, head, token, channel)
        out: Tensor = self.proj(y.transpose(1, 2).reshape(batch, tokens, width))
        return out


class Mlp(nn.Module):
    """Two linear maps with GELU between, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = linear(width, 4 * width)
        self.fc2 = linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, token, width) -> the same shape."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class DropPath(nn.Module):
    """Stochastic depth: in training, whole samples skip a branch with probability `rate`, the others are scaled up."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"drop_path is {rate}, not within 0..1 (1 excluded)")
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """(batch, token, width) -> the same shape."""
        if not self.training or self.rate == 0.0:
            return branch
        kept = branch.new_empty(branch.shape[0], 1, 1).bernoulli_(1.0 - self.rate)
        return branch * kept / (1.0 - self.rate)


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int, *, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(batch, token, width) -> the same shape; keys and values from `context`, un-normed, if it is given."""
        queries = self.norm1(x)
        x = x + self.drop_path(self.attn(queries, queries if context is None else context))
        y: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return y


class ViTEncoder(nn.Module):
    """One transformer over a learned class token and the tokens of all views, end to end in the order given."""

    def __init__(self, size: TransformerSize, *, drop_path: float = 0.0, grad_ckpt: bool = False) -> None:
        super().__init__()
        self.grad_ckpt = grad_ckpt
        self.cls_token = learnable_token(size.width)
        self.blocks = nn.ModuleList([Block(size.width, size.heads, drop_path=drop_path) for _ in range(size.depth)])
        self.norm = nn.LayerNorm(size.width)

    def forward(self, tokens: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """{view: (batch, token, width)} -> the class token (batch, 1, width) and the views' tokens, normed."""
        batch = next(iter(tokens.values())).shape[0]
        x = torch.cat([self.cls_token.expand(batch, -1, -1), *tokens.values()], dim=1)  # (batch, 1 + all tokens, width)
        for block in self.blocks:
            x = run(block, x, recompute=self.grad_ckpt)
        cls, *parts = self.norm(x).split([1, *(t.shape[1] for t in tokens.values())], dim=1)
        return cls, dict(zip(tokens, parts, strict=True))
