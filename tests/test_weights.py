"""Weights on disk: what does not belong into a network is refused, each time for its own reason."""

import gzip
import os
import pickle
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cinema_models.weights import (
    Fault,
    TensorKind,
    WeightsError,
    adopt_weights,
    check_fit,
    load_weights,
    read_header,
    save_weights,
    sha256_of,
)


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.safetensors"


def fault_of(action: Callable[[], object], match: str) -> Fault:
    with pytest.raises(WeightsError, match=match) as caught:
        action()
    return caught.value.fault


def test_a_header_says_names_shapes_and_number_types(path: Path) -> None:
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)}, path, metadata={"format": "pt"})
    assert read_header(path) == {"a": TensorKind((2, 3), "F32"), "b": TensorKind((4,), "BF16")}


Change = Callable[[dict[str, Tensor]], object]


@pytest.mark.parametrize(
    ("change", "fault", "match"),
    [
        (lambda state: state.pop("0.bias"), Fault.MISSING_KEY, "0.bias is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), Fault.UNEXPECTED_KEY, "extra is not expected"),
        (lambda state: state.update({"0.bias": torch.zeros(3)}), Fault.SHAPE, r"0.bias is \(3,\), not \(2,\)"),
        (lambda state: state.update({"0.bias": torch.zeros(2).half()}), Fault.NUMBERS, "0.bias is torch.float16, not"),
        (lambda state: state.update({"0.bias": torch.zeros(2).int()}), Fault.NUMBERS, "0.bias is I32, not torch"),
    ],
)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_weights_that_do_not_fit_are_refused(
    path: Path, device: str, change: Change, fault: Fault, match: str
) -> None:
    state = dict(small().state_dict())
    change(state)
    save_file(state, path)
    net = small().to(device)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert fault_of(lambda: adopt_weights(net, path), match) is fault
    if device == "cpu":
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_of_many_tensors_that_do_not_fit_some_are_named() -> None:
    net = nn.ModuleList(nn.Linear(1, 1) for _ in range(4))
    assert fault_of(lambda: check_fit({}, net, name="w"), r"w does not .*: 0.bias is missing;.*; and 3 more") is (
        Fault.MISSING_KEY
    )


@pytest.mark.parametrize(
    ("content", "fault", "match"),
    [
        (pickle.dumps({"a": 1}), Fault.PICKLE, "is a pickle"),
        (b"PK\x03\x04...", Fault.PICKLE, "is a zip file"),
        (gzip.compress(b"w", mtime=0), Fault.DAMAGED, "is a compressed file"),
        (b"<!doctype html><title>sign in</title>", Fault.DAMAGED, "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", Fault.DAMAGED, "LFS pointer"),
        (b"", Fault.DAMAGED, "not a safetensors file"),
        (struct.pack("<Q", 2**40) + b"{}", Fault.DAMAGED, "not a safetensors file"),
        (struct.pack("<Q", 2) + b"no", Fault.DAMAGED, "not a safetensors file"),
    ],
)
def test_what_is_no_safetensors_file_is_said(path: Path, content: bytes, fault: Fault, match: str) -> None:
    path.write_bytes(content)
    assert fault_of(lambda: read_header(path), match) is fault
    assert fault_of(lambda: load_weights(small(), path), match) is fault


def test_what_torch_saves_is_a_pickle(path: Path) -> None:
    for new_format in (True, False):
        torch.save(small().state_dict(), path, _use_new_zipfile_serialization=new_format)
        assert fault_of(lambda: read_header(path), "pickle") is Fault.PICKLE


def test_a_header_may_begin_like_a_pickle(path: Path) -> None:
    """Its first bytes are its length: 640 are the bytes 80 02."""
    begin = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", 640) + begin.ljust(640) + bytes(4))
    assert read_header(path) == {"a": TensorKind((1,), "F32")}


def test_a_file_that_ends_early_or_late_is_damaged(path: Path) -> None:
    save_weights(small().state_dict(), path)
    whole = path.read_bytes()
    for content in (whole[:-1], whole + b"0", whole[:20]):
        path.write_bytes(content)
        assert fault_of(lambda: read_header(path), "damaged") is Fault.DAMAGED


def test_missing_weights_and_another_digest(path: Path) -> None:
    assert fault_of(lambda: load_weights(small(), path), "no weights can be read") is Fault.MISSING_FILE
    assert fault_of(lambda: read_header(path.parent), "no weights can be read") is Fault.MISSING_FILE
    save_weights(small().state_dict(), path)
    assert fault_of(lambda: load_weights(small(), path, sha256="0" * 64), "digest") is Fault.DIGEST
    load_weights(small(), path, sha256=sha256_of(path))


def test_a_folder_whose_name_is_not_utf8_is_said_to_be_one(tmp_path: Path) -> None:
    """It is not the weights that are damaged."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    save_weights(small().state_dict(), tmp_path / "w.safetensors")
    path = (tmp_path / "w.safetensors").rename(folder / "w.safetensors")
    for action in (read_header, partial(load_weights, small()), partial(adopt_weights, small())):
        found = fault_of(lambda action=action: action(path), "^w.safetensors lies in a folder whose name is not UTF-8")
        assert found is Fault.FOLDER


def test_weights_that_the_disk_does_not_give_are_said_by_their_name_only(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").symlink_to("/proc/self/mem")  # opens, and then gives nothing, as bad sectors do
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round.safetensors").symlink_to("round.safetensors")
    for name in ("w", "gone", "round"):
        bad = tmp_path / f"{name}.safetensors"
        with pytest.raises(WeightsError, match="no weights can be read") as caught:
            load_weights(small(), bad)
        assert caught.value.fault is Fault.MISSING_FILE and "/" not in str(caught.value)


def test_adopted_weights_are_those_of_the_file(path: Path) -> None:
    """Also by a network without any: it answers the same, and the file may go while it is used."""
    net = small()
    save_weights(net.state_dict(), path)
    with torch.device("meta"):
        empty = small()
    adopted = adopt_weights(empty, path)
    path.unlink()
    images = torch.randn(5, 3)
    with torch.inference_mode():
        assert torch.equal(adopted(images), net(images))
    assert [p.requires_grad for p in adopted.parameters()] == [True] * 4


def test_weights_are_copied_in_the_precision_of_the_network(path: Path) -> None:
    net = small().half()
    save_weights(net.state_dict(), path)
    copied = load_weights(small(), path)
    assert all(value.dtype is torch.float32 for value in copied.state_dict().values())
    assert all(torch.equal(value.half(), net.state_dict()[name]) for name, value in copied.state_dict().items())
