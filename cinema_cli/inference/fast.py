"""Published networks made quick: which parts calculate in which number type, and how images lie in memory."""

import torch
from torch import Tensor, nn

FLAT = (nn.Conv2d, nn.ConvTranspose2d)
DEEP = (nn.Conv3d, nn.ConvTranspose3d)
MATRICES = (nn.Linear, *FLAT, *DEEP)
"""Parts that multiply matrices: almost all of the time, and what processors do quicker in short number types."""

EXACT = ("enc_down_dict", "pred_head_dict")
"""Parts that stay in float32: first and last, where rounding moves labels most and little time is spent."""


def ready(net: nn.Module, *, device: torch.device, numbers: torch.dtype) -> nn.Module:
    """Make a published network quick on `device`, its matrices in `numbers`; `net` itself is changed and returned.

    It is called as before, with float32 images, and answers in float32. Sums that run through the network, norms, the
    first convolutions and the last layer stay in float32: rounded there, most labels would change.
    """
    for name, part in net.named_modules():
        if next(part.parameters(recurse=False), None) is None:
            continue
        if isinstance(part, MATRICES) and not name.startswith(EXACT):
            part.to(numbers)
        if numbers is not torch.float32 and isinstance(part, (*MATRICES, nn.LayerNorm, nn.GroupNorm)):
            part.register_forward_pre_hook(_in_own_numbers)
    net.requires_grad_(False).eval().to(device)
    for part in net.modules():
        if isinstance(part, FLAT):
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        elif isinstance(part, DEEP):
            part.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return net


def frames_at_once(net: nn.Module, device: torch.device) -> int:
    """How many images `net` should be given together on `device`."""
    return 1 if device.type == "cpu" else 8


def _in_own_numbers(part: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The inputs of a part in the number type of its weights."""
    numbers = next(part.parameters(recurse=False)).dtype
    return tuple(x.to(numbers) for x in inputs)
