"""Where networks calculate and in which number type: what was asked for, or what is quickest here."""

from contextlib import AbstractContextManager, nullcontext

import torch

from cinema_cli.domain.errors import UnavailableError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def pick_device(device: str = "auto") -> torch.device:
    """Device of that name; `auto` takes the first of cuda, mps, cpu. Raises UnavailableError where it is not there."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UnavailableError(f"{device!r} is not a device", hint="Use auto, cpu, cuda, cuda:1 or mps.") from error
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not there.get(chosen.type, False) or (chosen.index or 0) >= max(1, torch.cuda.device_count()):
        raise UnavailableError(f"device {device} is not available here", hint="`--device auto` takes what there is.")
    return chosen


def pick_precision(device: torch.device, precision: str = "auto") -> torch.dtype:
    """Number type of the networks' arithmetic: `fp32`, `bf16`, `fp16`, or what is fastest there for `auto`.

    A CPU without bfloat16 instructions emulates it several times slower than float32, so `auto` asks the processor.
    Raises UnavailableError for another word.
    """
    if precision == "auto":
        native = torch.cpu.get_capabilities()
        cpu = bool(native.get("avx512_bf16") or native.get("amx_bf16"))
        quick = {"cpu": cpu, "cuda": device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)}
        precision = "bf16" if quick.get(device.type) else "fp32"
    if precision not in PRECISIONS:
        raise UnavailableError(f"{precision!r} is not a precision", hint=f"Use auto, {', '.join(PRECISIONS)}.")
    return PRECISIONS[precision]


def precision_word(numbers: torch.dtype) -> str:
    """A number type as `--precision` spells it."""
    return next(name for name, known in PRECISIONS.items() if known is numbers)


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    """Context in which networks calculate with `precision`; their weights stay as they are."""
    if precision is torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=precision)


def device_words(device: torch.device) -> str:
    """What a device is called: `NVIDIA H100 80GB HBM3`, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def is_broken(error: Exception) -> bool:
    """Whether a device answers nothing any more in this process, whatever it is asked."""
    return isinstance(error, torch.AcceleratorError) or (isinstance(error, RuntimeError) and "CUDA error" in str(error))


def is_too_large(error: Exception) -> bool:
    """Whether a device (or the machine's memory) had no room for a batch."""
    refused = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in refused)
    )
