"""Sliding windows: the reference's starts (shared/golden/models/functions), averages by hand, laws."""

import itertools

import numpy as np
import pytest
import torch
from functions_golden import needs_golden, said
from hypothesis import given
from hypothesis import strategies as st
from networks_golden import GOLDEN, load
from torch import Tensor

from cinema_cli.inference.tiles import Answer, tiled_maps, tiled_vector, window_starts


@needs_golden
def test_windows_start_where_the_reference_starts_them() -> None:
    gold = said("patch_grid")
    tall = [list(start) for start in window_starts((192, 192, 20), (192, 192, 16))]
    assert tall == gold["192x192x20 patch 192x192x16 overlap half"]
    flat = [list(start) for start in window_starts((10, 7), (5, 4), overlap=(2, 2))]
    assert flat == gold["10x7 patch 5x4 overlap 2x2"]


@given(st.integers(2, 40), st.integers(0, 60))
def test_windows_cover_everything_and_stay_inside(patch: int, more: int) -> None:
    starts = [start for (start,) in window_starts((patch + more,), (patch,))]
    covered = {n for start in starts for n in range(start, start + patch)}
    assert covered == set(range(patch + more)) and len(set(starts)) == len(starts)
    assert all(after - before <= patch - patch // 2 for before, after in itertools.pairwise(starts))


def test_too_small_an_image_is_an_error() -> None:
    with pytest.raises(ValueError, match="pad it first"):
        window_starts((10, 3), (5, 4))


def doubled(images: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network that answers voxel by voxel: windows must change nothing."""
    return {view: torch.cat([image, 1 - image, 0.3 * image], dim=1) for view, image in images.items()}


@pytest.mark.parametrize("answer", [Answer.CLASSES, Answer.MAPS])
def test_a_network_that_looks_at_single_voxels_answers_the_same(answer: Answer) -> None:
    image = torch.rand(2, 1, 21, 18, 9, generator=torch.Generator().manual_seed(0))
    found = tiled_maps(doubled, {"sax": image}, patches={"sax": (8, 8, 4)}, answer=answer)["sax"]
    whole = doubled({"sax": image})["sax"]
    same = (found.softmax(1), whole.softmax(1)) if answer is Answer.CLASSES else (found, whole)
    torch.testing.assert_close(*same, atol=1e-5, rtol=1e-5)


def test_twenty_slices_are_two_windows_averaged_then_logarithm() -> None:
    seen = []

    def network(images: dict[str, Tensor]) -> dict[str, Tensor]:
        seen.append(images["sax"].clone())
        side = torch.full_like(images["sax"], float(len(seen)))  # another answer each time
        return {"sax": torch.cat([side, torch.zeros_like(side)], dim=1)}

    image = torch.rand(1, 1, 6, 6, 20)
    found = tiled_maps(network, {"sax": image}, patches={"sax": (6, 6, 16)})["sax"]
    assert len(seen) == 2 and torch.equal(seen[1], image[..., 4:])
    one, two = (torch.tensor([level, 0.0]).softmax(0) for level in (1.0, 2.0))
    for z, mean in ((0, one), (10, (one + two) / 2), (19, two)):
        torch.testing.assert_close(found[0, :, 3, 3, z], mean.log())


def test_small_images_are_padded_at_the_end_and_cut_again() -> None:
    def network(images: dict[str, Tensor]) -> dict[str, Tensor]:
        assert images["sax"].shape == (1, 1, 8, 8, 16)
        assert not images["sax"][..., 5:].any() and not images["sax"][:, :, 6:].any()
        return {"sax": images["sax"] * 2}

    image = 0.5 + torch.rand(1, 1, 6, 8, 5)
    torch.testing.assert_close(tiled_maps(network, {"sax": image}, patches={"sax": (8, 8, 16)})["sax"], image * 2)


def test_vectors_are_means_over_windows() -> None:
    def network(images: dict[str, Tensor]) -> Tensor:
        assert images["lax_4c"].shape[2:] == (4, 4)
        return torch.stack([images["sax"].mean((1, 2, 3, 4)), images["lax_4c"].mean((1, 2, 3))], dim=1)

    sax = torch.arange(20.0).expand(1, 1, 4, 4, 20)
    images = {"sax": sax, "lax_4c": torch.full((1, 1, 4, 4), 3.0)}
    patches = {"sax": (4, 4, 16), "lax_4c": (4, 4)}
    numbers = tiled_vector(network, images, patches=patches, answer=Answer.NUMBERS)
    torch.testing.assert_close(numbers, torch.tensor([[(7.5 + 11.5) / 2, 3.0]]))
    classes = tiled_vector(network, images, patches=patches, answer=Answer.CLASSES)
    windows = torch.tensor([[7.5, 3.0], [11.5, 3.0]]).softmax(1)
    torch.testing.assert_close(classes, windows.mean(0, keepdim=True).log())


def test_probabilities_of_zero_and_one_stay_finite() -> None:
    def network(images: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"v": torch.cat([images["v"] + 500, images["v"] - 500], dim=1)}

    for answer in (Answer.CLASSES, Answer.MAPS):
        found = tiled_maps(network, {"v": torch.zeros(1, 1, 9, 4)}, patches={"v": (4, 4)}, answer=answer)
        assert torch.isfinite(found["v"]).all()


def test_two_large_views_are_refused() -> None:
    images = {"sax": torch.zeros(1, 1, 4, 4, 20), "lax_4c": torch.zeros(1, 1, 8, 4)}
    with pytest.raises(ValueError, match="sax and lax_4c"):
        tiled_maps(doubled, images, patches={"sax": (4, 4, 16), "lax_4c": (4, 4)})


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden networks are not on this machine")
def test_a_real_network_with_more_slices_than_it_was_built_for() -> None:
    net, images, _, _ = load("convunetr_sax")
    patch = tuple(images["sax"].shape[2:])
    deep = torch.cat([images["sax"], images["sax"].flip(-1)], dim=-1)[..., : patch[2] + 3]
    with torch.inference_mode():
        found = tiled_maps(net, {"sax": deep}, patches={"sax": patch})["sax"]
        first, last = (net({"sax": deep[..., s : s + patch[2]]})["sax"] for s in (0, 3))
        whole = tiled_maps(net, images, patches={"sax": patch})["sax"]
        torch.testing.assert_close(whole, net(images)["sax"])
    assert found.shape[2:] == deep.shape[2:]
    starts = window_starts(tuple(deep.shape[2:]), patch)
    assert [start[-1] for start in starts] in ([0, 3], [0, patch[2] // 2, 3])
    np.testing.assert_allclose(found[..., 0].softmax(1), first[..., 0].softmax(1), atol=1e-5)
    np.testing.assert_allclose(found[..., -1].softmax(1), last[..., -1].softmax(1), atol=1e-5)
