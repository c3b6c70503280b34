"""Weights on disk: safetensors only, digests, strict loading."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class WeightsError(Exception):
    """Weights that are missing, damaged or do not fit the network."""


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def save_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict beside `path`, then rename: never half a file under the final name."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, beside)
    beside.replace(path)


def load_weights(net: nn.Module, path: Path, *, sha256: str | None = None) -> nn.Module:
    """Load a safetensors file strictly into `net`, in the precision of the network.

    Raises WeightsError for a missing or damaged file, another digest than `sha256`, and for missing, unexpected or
    misshapen tensors, naming them.
    """
    if not path.is_file():
        raise WeightsError(f"no weights at {path.name}")
    if sha256 is not None and (found := sha256_of(path)) != sha256:
        raise WeightsError(f"{path.name} has digest {found[:12]}..., its card says {sha256[:12]}...")
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path.name} is not a safetensors file: {error}") from error
    own = net.state_dict()
    problems = [f"missing {name}" for name in own.keys() - state.keys()]
    problems += [f"unexpected {name}" for name in state.keys() - own.keys()]
    problems += [
        f"{name} is {tuple(value.shape)}, not {tuple(own[name].shape)}"
        for name, value in state.items()
        if name in own and value.shape != own[name].shape
    ]
    if problems:
        raise WeightsError(f"{path.name} does not fit the network: " + "; ".join(sorted(problems)[:5]))
    with torch.no_grad():
        net.load_state_dict(state, strict=True)
    return net
