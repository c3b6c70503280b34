"""Weights on disk: safetensors only, digests, strict loading; what can be wrong has an error each."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

MOST_NAMES = 5  # tensors that an error names

NUMBERS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""The number types of weights, as a safetensors header spells them."""

OTHER_FILES = {
    b"PK\x03\x04": "a zip file, such as `torch.save` writes: it may hold a pickle, which could run any program",
    b"\x80\x02": "a pickle, such as `torch.save` wrote: to read it could run any program",
    b"\x80\x03": "a pickle: to read it could run any program",
    b"\x80\x04": "a pickle: to read it could run any program",
    b"\x80\x05": "a pickle: to read it could run any program",
    b"\x1f\x8b": "a compressed file",
    b"version https://git-lfs": "a Git LFS pointer, which only names the file",
    b"<": "a web page",
}
"""How files begin that are taken for weights."""


class Fault(StrEnum):
    """What is wrong with weights."""

    MISSING_FILE = "no_weights"  # or one that cannot be read
    FOLDER = "folder_name"
    PICKLE = "pickle"
    DAMAGED = "damaged_weights"
    DIGEST = "wrong_digest"
    MISSING_KEY = "missing_key"
    UNEXPECTED_KEY = "unexpected_key"
    SHAPE = "wrong_shape"
    NUMBERS = "wrong_dtype"


class WeightsError(Exception):
    """Weights that are missing, damaged or do not fit the network; `fault` says which."""

    def __init__(self, message: str, *, fault: Fault) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class TensorKind:
    """Shape and number type of a tensor in a file, as its header says."""

    shape: tuple[int, ...]
    numbers: str  # F32: see NUMBERS


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def save_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict beside `path`, then rename: never half a file under the final name."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, beside)
    beside.replace(path)


def read_header(path: Path) -> dict[str, TensorKind]:
    """The tensors of a safetensors file by name; none of their numbers is read.

    Raises WeightsError for a missing or unreadable file, a folder whose name is not UTF-8, a pickle, and whatever else
    is not a whole safetensors file.
    """
    with _weights_errors(path), safe_open(path, framework="pt") as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        return {name: TensorKind(tuple(part.get_shape()), part.get_dtype()) for name, part in parts.items()}


def check_fit(header: Mapping[str, TensorKind], net: nn.Module, *, name: str, any_numbers: bool = False) -> None:
    """Raise WeightsError unless the tensors are those of `net`, one for one, of the same shapes and number types.

    `net` may be on the meta device. `name` is what the error calls the file; `any_numbers` leaves types out.
    """
    own = net.state_dict()
    shared = own.keys() & header.keys()
    _refuse(name, Fault.MISSING_KEY, [f"{key} is missing" for key in own.keys() - header.keys()])
    _refuse(name, Fault.UNEXPECTED_KEY, [f"{key} is not expected" for key in header.keys() - own.keys()])
    shapes = {key: (header[key].shape, tuple(own[key].shape)) for key in shared}
    _refuse(name, Fault.SHAPE, [f"{key} is {found}, not {due}" for key, (found, due) in shapes.items() if found != due])
    numbers = {key: (NUMBERS.get(header[key].numbers, header[key].numbers), own[key].dtype) for key in shared}
    wrong = [f"{key} is {found}, not {due}" for key, (found, due) in numbers.items() if found != due]
    _refuse(name, Fault.NUMBERS, [] if any_numbers else wrong)


def load_weights(net: nn.Module, path: Path, *, sha256: str | None = None) -> nn.Module:
    """Copy a safetensors file strictly into `net`, in the precision of the network.

    Raises WeightsError as `read_header` and `check_fit`, and for another digest than `sha256`.
    """
    header = read_header(path)
    with _weights_errors(path):
        found = None if sha256 is None else sha256_of(path)
    if sha256 is not None and found != sha256:
        raise WeightsError(
            f"{path.name} has digest {str(found)[:12]}..., its card says {sha256[:12]}...", fault=Fault.DIGEST
        )
    check_fit(header, net, name=path.name, any_numbers=True)
    with torch.no_grad(), _weights_errors(path):
        net.load_state_dict(load_file(path), strict=True)
    return net


def adopt_weights(net: nn.Module, path: Path) -> nn.Module:
    """Give `net`, which may be on the meta device, the tensors of a safetensors file itself: they are not copied.

    They stay on disk until they are used: nobody may write into the file, which may be removed or replaced by another.
    Raises WeightsError as `read_header` and `check_fit`.
    """
    check_fit(read_header(path), net, name=path.name)
    with _weights_errors(path):
        net.load_state_dict(load_file(path), strict=True, assign=True)
    return net


@contextlib.contextmanager
def _weights_errors(path: Path) -> Iterator[None]:
    """Turn what reading a file can raise into WeightsErrors, which name it without its folders."""
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError as error:
        said = f"{path.name} lies in a folder whose name is not UTF-8, which safetensors refuses"
        raise WeightsError(said, fault=Fault.FOLDER) from error
    try:
        path.open("rb").close()  # the operating system's own reason: safetensors words it with the path
        try:
            yield
        except SafetensorError as error:
            raise _not_safetensors(path, error) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error).replace(str(path), path.name)
        raise WeightsError(f"no weights can be read at {path.name}: {reason}", fault=Fault.MISSING_FILE) from error


def _not_safetensors(path: Path, error: SafetensorError) -> WeightsError:
    """What a file is that should be safetensors, from how it begins: what it says of itself comes first."""
    with path.open("rb") as stream:
        begin = stream.read(64)
    kind = next((words for signature, words in OTHER_FILES.items() if begin.startswith(signature)), "")
    if kind:
        fault = Fault.PICKLE if "pickle" in kind else Fault.DAMAGED
        return WeightsError(f"{path.name} is {kind}; only safetensors files are read", fault=fault)
    return WeightsError(f"{path.name} is not a safetensors file, or a damaged one: {error}", fault=Fault.DAMAGED)


def _refuse(name: str, fault: Fault, problems: list[str]) -> None:
    if not problems:
        return
    more = f"; and {len(problems) - MOST_NAMES} more" if len(problems) > MOST_NAMES else ""
    said = "; ".join(sorted(problems)[:MOST_NAMES])
    raise WeightsError(f"{name} does not fit the network: {said}{more}", fault=fault)
