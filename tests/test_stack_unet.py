"""The starter head's network: shapes, what it can see, and strict weights."""

from pathlib import Path

import pytest
import torch

from cinema_models.build import build
from cinema_models.stack_unet import StackUNet, neighbours
from cinema_models.weights import load_weights, save_weights, sha256_of

SMALL = {"kind": "stack_unet", "in_chans": 1, "out_chans": 4, "widths": [8, 16], "fold": 2, "mix_from": 1}


def small(seed: int = 0) -> StackUNet:
    torch.manual_seed(seed)
    net = build(SMALL)
    assert isinstance(net, StackUNet)
    for module in net.modules():  # slice mixing starts at zero: let it work
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (1, 1):
            torch.nn.init.normal_(module.weight, std=0.2)
    return net.eval()


def test_neighbours_stop_at_the_ends_of_each_stack() -> None:
    before, after = neighbours([2, 3])
    assert before.tolist() == [5, 0, 5, 2, 3]
    assert after.tolist() == [1, 5, 3, 4, 5]


def test_logits_have_the_size_of_the_image() -> None:
    with torch.inference_mode():
        assert small()(torch.zeros(3, 1, 16, 24), *neighbours([3])).shape == (3, 4, 16, 24)


def test_a_slice_is_seen_by_its_own_stack_only() -> None:
    net, images = small(), torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    changed = images.clone()
    changed[1] += 1.0
    with torch.inference_mode():
        apart = (net(images, *neighbours([2, 2])) - net(changed, *neighbours([2, 2]))).abs().amax((1, 2, 3))
        joined = (net(images, *neighbours([4])) - net(changed, *neighbours([4]))).abs().amax((1, 2, 3))
    assert apart[0] > 1e-4
    assert apart[2:].max() < 1e-6  # the other stack does not notice
    assert joined[2] > 1e-4


def test_stacks_do_not_depend_on_what_else_is_in_the_batch() -> None:
    net, images = small(), torch.randn(5, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        together = net(images, *neighbours([2, 3]))
        alone = net(images[2:], *neighbours([3]))
    torch.testing.assert_close(together[2:], alone, rtol=1e-4, atol=1e-5)


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    net, path = small(3), tmp_path / "w.safetensors"
    save_weights(net.state_dict(), path)
    other = load_weights(small(4), path, sha256=sha256_of(path))
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in other.state_dict().items())
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown network 'x'"):
        build({"kind": "x"})
