"""Published networks made quick: number types part by part, maps as processors like them, nothing calculated twice."""

import ctypes
import sys

import torch
from torch import Tensor, nn

from cinema_models.blocks import ChannelNorm, ConvRes
from cinema_models.unetr import ConvUNetR
from cinema_models.vit import Attention

FLAT = (nn.Conv2d, nn.ConvTranspose2d)
DEEP = (nn.Conv3d, nn.ConvTranspose3d)
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the axes of a map
MATRICES = (nn.Linear, *FLAT, *DEEP)
"""Parts that multiply matrices: almost all of the time, and what processors do quicker in short number types."""

EXACT = ("enc_down_dict", "dec_image_conv_block_dict", "pred_head_dict")
"""Parts that stay in float32: first and last, where rounding moves labels most and little time is spent."""


def ready(net: nn.Module, *, device: torch.device, numbers: torch.dtype) -> nn.Module:
    """Make a published network quick on `device`, its matrices in `numbers`; `net` itself is changed and returned.

    It is called as before, with float32 images, and answers in float32. Sums that run through the network, norms, the
    first convolutions and the last layer stay in float32: rounded there, most labels would change. In float32 only the
    order of sums differs. On a CPU the process keeps memory that it frees (see `keep_freed_memory`).
    """
    net.eval().to(device)
    if isinstance(net, ConvUNetR):
        _know_image_branches(net, device)
    _make_pointwise(net)
    for name, part in net.named_modules():
        if isinstance(part, MATRICES) and not name.startswith(EXACT):
            part.to(numbers)
        if isinstance(part, (*MATRICES, nn.LayerNorm)) and numbers is not torch.float32:
            part.register_forward_pre_hook(_in_own_numbers)
        if isinstance(part, Attention) and device.type == "cpu" and numbers is torch.bfloat16:
            part.attend = attend_by_head
        if isinstance(part, (*FLAT, *DEEP)):
            part.to(memory_format=CHANNELS_LAST[part.weight.ndim])  # type: ignore[call-overload]
            part.register_forward_hook(_with_channels_last)
    if numbers is not torch.float32:
        for kept in net.parameters():  # one part in float32 would hold all of the file in memory
            kept.data = kept.data.clone()
    if device.type == "cpu":
        keep_freed_memory()
    return net.eval().requires_grad_(False)


def frames_at_once(net: nn.Module, device: torch.device) -> int:
    """How many images `net` should be given together on `device`: more would gain nothing, or take too much memory.

    A short-axis stack keeps a CPU busy alone; four long-axis images together take up to a tenth less than one by one.
    On a GPU a stack takes about half a GiB.
    """
    deep = any(isinstance(part, DEEP) for part in net.modules())
    if device.type == "cpu":
        return 1 if deep else 4
    return 8 if deep else 32


class Pointwise(nn.Linear):
    """A 1x1 convolution as what it is, a linear map of the channels: torch's own, in float32, moves them first."""

    def __init__(self, conv: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__(1, 1, device="meta")
        weight, self.bias = conv.parameters()
        self.weight = nn.Parameter(weight.detach().flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in channel, x, y[, z]) -> (batch, out channel, x, y[, z])."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class KnownBranch(nn.Module):
    """A residual block whose convolutions see a normed single channel, which is the same whatever the image shows.

    What they add is calculated once, for images of one size.
    """

    known: Tensor  # (1, channel, x, y[, z])
    weight: Tensor  # (1, channel, 1, 1[, 1]) of the shortcut

    def __init__(self, block: ConvRes, size: tuple[int, ...], device: torch.device) -> None:
        super().__init__()
        weight, bias = (value.detach().view(1, -1, *[1] * len(size)) for value in block.shortcut.parameters())
        with torch.no_grad():
            known = block.branch(torch.zeros(1, 1, *size, device=device)) + bias
        self.register_buffer("known", known.contiguous(memory_format=CHANNELS_LAST[known.ndim]))
        self.register_buffer("weight", weight.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, x, y[, z]) -> (batch, channel, x, y[, z])."""
        return torch.addcmul(self.known, x, self.weight)


def attend_by_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention of (batch, head, token, channel), head after head.

    In bfloat16 on a CPU this takes two thirds of the time of torch's own kernel, which calculates in float32.
    """
    y = q.new_empty(q.shape[0], q.shape[2], q.shape[1], q.shape[3])  # (batch, token, head, channel)
    for one, queries, keys, values in zip(y, q * q.shape[-1] ** -0.5, k, v, strict=True):
        for h in range(q.shape[1]):
            one[:, h] = (queries[h] @ keys[h].T).softmax(-1) @ values[h]
    return y.transpose(1, 2)


def keep_freed_memory() -> None:
    """Have the C library keep memory that this process frees, for the next map of the network.

    By default it goes back to the system at once and comes again as empty pages, which takes longer than all norms,
    sums and activations. Nothing happens where the C library is not GNU's.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)


def _know_image_branches(net: ConvUNetR, device: torch.device) -> None:
    for name, block in net.dec_image_conv_block_dict.items():
        if isinstance(block, ConvRes) and isinstance(block.norm1, ChannelNorm) and net.views[name].in_chans == 1:
            net.dec_image_conv_block_dict[name] = KnownBranch(block, net.views[name].size, device)


def _make_pointwise(net: nn.Module) -> None:
    for part in list(net.modules()):
        for name, conv in part.named_children():
            if isinstance(conv, (nn.Conv2d, nn.Conv3d)) and set(conv.kernel_size) == {1}:
                setattr(part, name, Pointwise(conv))


def _in_own_numbers(part: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The inputs of a part in the number type of its weights."""
    numbers = next(part.parameters(recurse=False)).dtype
    return tuple(x.to(numbers) for x in inputs)


def _with_channels_last(part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """A map in the layout that later parts are quick on; nothing is moved where it has it."""
    return output.contiguous(memory_format=CHANNELS_LAST[output.ndim])
