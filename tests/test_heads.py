"""Heads: cards that lack something are refused, turns are averaged, memory groups do not change what is found."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cinema_cli.domain.assets import heads_directory
from cinema_cli.domain.errors import ConfigError, UnavailableError
from cinema_cli.inference.batching import in_turn
from cinema_cli.inference.cards import StackCard
from cinema_cli.inference.devices import pick_device, pick_precision
from cinema_cli.inference.preprocess import Grid, with_cycle
from cinema_cli.inference.stack_head import StackHead, load_stack_head
from cinema_cli.inference.stack_network import StackNetwork
from cinema_models.build import build
from cinema_models.stack_unet import StackUNet

NETWORK = {"kind": "stack_unet", "in_chans": 1, "out_chans": 4, "widths": [8, 16], "fold": 2, "mix_from": 1}


def small_head(
    *,
    turns_deg: tuple[float, ...] = (0.0,),
    class_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0),
    cycle: tuple[float, ...] = (),
    frames_at_once: int = 4,
    net: torch.nn.Module | None = None,
) -> StackHead:
    torch.manual_seed(0)
    net = net or build({**NETWORK, "in_chans": 1 + len(cycle)})
    labels = ("background", "RV", "MYO", "LV")
    card = StackCard(
        "small", "Small", NETWORK, Grid(32, 1.5), cycle, turns_deg, labels, class_weights, "", "0" * 64, "", "", "", ""
    )
    return head_of(StackNetwork(card, net.eval(), torch.device("cpu")), frames_at_once)


def head_of(network: StackNetwork, frames_at_once: int = 4) -> StackHead:
    return StackHead(network.card, in_turn(network.answer, frames_at_once), precision=network.precision)


def frames(n_frames: int = 3, n_slices: int = 2) -> np.ndarray:
    return np.random.default_rng(1).random((n_frames, n_slices, 32, 32), dtype=np.float32)


def test_probabilities_sum_to_one_everywhere_with_turns() -> None:
    head = small_head(turns_deg=(0.0, -12.0, 12.0))
    p = head.look_again(frames(), head.probabilities(frames()), [2, 0, 2])
    assert p.shape == (3, 2, 4, 32, 32)
    np.testing.assert_allclose(p.sum(axis=2), 1.0, atol=1e-5)


def test_a_class_that_weighs_more_is_found_more_often_and_all_still_sum_to_one() -> None:
    plain = small_head().probabilities(frames())
    heavy = small_head(class_weights=(1.0, 1.0, 1.0, 2.0)).probabilities(frames())
    np.testing.assert_allclose(heavy.sum(axis=2), 1.0, atol=1e-5)
    odds = heavy[:, :, 3] / heavy[:, :, 0], plain[:, :, 3] / plain[:, :, 0]
    np.testing.assert_allclose(odds[0], 2.0 * odds[1], rtol=1e-3)


class Brightness(torch.nn.Module):
    """Stands for a network: the brighter, the more LV."""

    def forward(self, images: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        nothing = torch.zeros_like(images)
        return torch.cat([nothing, nothing - 9, nothing - 9, 20 * images - 10], dim=1)


def test_a_turned_image_is_labelled_at_its_own_place() -> None:
    """Averaging over turns must turn the answer back: a bright disk off the middle stays where it is."""
    head = small_head(turns_deg=(0.0, -15.0, 15.0), net=Brightness())
    rows, columns = np.ogrid[:32, :32]
    disk = ((rows - 10) ** 2 + (columns - 20) ** 2 < 20)[None, None]
    image = disk.astype(np.float32)
    found = head.look_again(image, head.probabilities(image), [0]).argmax(axis=2) == 3
    assert np.count_nonzero(found != disk) < 0.25 * np.count_nonzero(disk)


def test_a_second_look_is_the_mean_over_the_turns_whatever_the_classes_weigh() -> None:
    head = small_head(cycle=(90.0, 10.0), turns_deg=(0.0, -15.0, 15.0), class_weights=(1.0, 1.0, 0.7, 2.0))
    images = frames(5)
    first = head.probabilities(images)
    found = head.look_again(images, first, [3, 1])
    seen = with_cycle(images, head.card.cycle_percentiles)[[3, 1]]
    np.testing.assert_allclose(found, head.answer(seen, turns_deg=head.card.turns_deg), atol=1e-5)
    assert np.abs(found - first[[3, 1]]).max() > 1e-3


def test_groups_of_frames_give_what_all_at_once_gives() -> None:
    images = frames(5)
    together = small_head(frames_at_once=5).probabilities(images)
    np.testing.assert_allclose(small_head(frames_at_once=2).probabilities(images), together, atol=1e-5)


def test_the_cycle_tells_about_each_frame_and_the_order_of_frames_does_not() -> None:
    head, images = small_head(cycle=(90.0, 10.0)), frames(5)
    found = head.probabilities(images)
    np.testing.assert_allclose(head.probabilities(images[[3, 0, 4, 1, 2]]), found[[3, 0, 4, 1, 2]], atol=1e-5)
    images[1:] = 1.0 - images[1:]
    assert np.abs(head.probabilities(images)[0] - found[0]).max() > 1e-3


def test_a_published_head_is_not_loaded_as_one_of_ours() -> None:
    with pytest.raises(ConfigError, match="'backbone' is not one of this project's own heads"):
        load_stack_head("backbone", device="cpu")


def test_weights_that_are_not_there_or_not_those_of_the_card(tmp_path: Path) -> None:
    card = (heads_directory() / "starter_sax.toml").read_text("utf-8")
    (tmp_path / "starter_sax.toml").write_text(card)
    with pytest.raises(UnavailableError, match="no weights"):
        load_stack_head(device="cpu", folder=tmp_path)
    weights = bytearray((heads_directory() / "starter_sax.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "starter_sax.safetensors").write_bytes(weights)
    with pytest.raises(UnavailableError, match="digest"):
        load_stack_head(device="cpu", folder=tmp_path)


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(UnavailableError):
        pick_device(device)


def test_the_use_of_a_head_says_what_can_change_results() -> None:
    head = small_head()
    assert (head.use.name, head.use.sha256, head.use.precision) == ("small", "0" * 64, "fp32")
    assert head.use == small_head().use
    assert head.use.setup != small_head(class_weights=(1.0, 1.0, 1.0, 2.0)).use.setup
    assert head.use.setup != small_head(turns_deg=(0.0, 12.0)).use.setup


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_is_taken_only_where_the_processor_has_it(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native, "amx_bf16": False})
    assert pick_precision(torch.device("cpu")) is (torch.bfloat16 if native else torch.float32)


def test_a_precision_that_is_none_is_refused() -> None:
    with pytest.raises(UnavailableError, match="'fp64' is not a precision"):
        pick_precision(torch.device("cpu"), "fp64")


def test_bfloat16_finds_about_what_float32_finds() -> None:
    full, images = small_head(), frames()
    torch.manual_seed(0)
    net = build(NETWORK)
    assert isinstance(net, StackUNet)
    low = head_of(StackNetwork(full.card, net.eval(), torch.device("cpu"), numbers=torch.bfloat16))
    assert (full.precision, low.precision) == ("fp32", "bf16")
    np.testing.assert_allclose(low.probabilities(images), full.probabilities(images), atol=3e-2)
