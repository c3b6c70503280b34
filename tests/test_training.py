"""Training the starter head: its data obey the laws of the heart, and it learns."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from cinema_cli.commands.app import run
from cinema_cli.domain.errors import OutputError
from cinema_cli.inference.cards import read_card
from cinema_cli.inference.stack_head import load_stack_head
from cinema_cli.inference.stack_network import load_stack_network
from cinema_cli.training.starter import Progress, Recipe, loss_of, train_starter
from cinema_cli.training.starter_data import GRID, SyntheticStacks, picture, sample_tissue_stack
from cinema_models.weights import save_weights

ROOT = Path(__file__).parents[1]


def test_pictures_are_scaled_and_labelled() -> None:
    rng = np.random.default_rng(3)
    for _ in range(2):
        stack = sample_tissue_stack(rng)
        seen, labels = picture(stack, rng)
        image = seen[:, 0]
        assert image.shape == labels.shape == (stack.codes.shape[2], GRID.size_px, GRID.size_px)
        assert (seen[:, 1] >= seen[:, 2]).all()  # the cycle's bright and dark
        assert image.dtype == np.float32
        assert image.min() >= 0.0
        assert image.max() <= 1.0
        assert set(np.unique(labels)) <= {0, 1, 2, 3}
        assert (labels == 3).any()
        blood, wall = image[labels == 3].mean(), image[labels == 2].mean()
        assert blood > wall  # bSSFP: blood is brighter than myocardium


def test_data_are_the_same_for_a_seed_and_differ_between_seeds() -> None:
    first, again, other = (next(iter(SyntheticStacks(seed=s, stacks=1))) for s in (5, 5, 6))
    assert first.counts == again.counts
    np.testing.assert_array_equal(first.images, again.images)
    assert first.images.shape != other.images.shape or not np.array_equal(first.images, other.images)


def test_loss_falls_with_agreement() -> None:
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[:, 2:6, 2:6] = 3
    right = 20.0 * torch.nn.functional.one_hot(labels, 4).movedim(-1, 1).float()
    good, dice = loss_of(right, labels)
    bad, _ = loss_of(-right, labels)
    assert float(good) < 0.01 < 1.0 < float(bad)
    assert float(dice[2]) == pytest.approx(1.0, abs=1e-3)


def test_training_learns_writes_weights_and_a_card_that_loads(tmp_path: Path) -> None:
    log: list[Progress] = []
    recipe = Recipe(steps=6, minutes=5.0, stacks=1, workers=0, threads=1, seed=7)
    train_starter(tmp_path, recipe=recipe, report=log.append, every=1)
    assert len(log) == 6
    assert np.mean([p.loss for p in log[-2:]]) < np.mean([p.loss for p in log[:2]])
    card = tomllib.loads((tmp_path / "starter_sax.toml").read_text("utf-8"))
    assert (card["training"]["seed"], card["training"]["steps"], "figures" in card) == (7, 6, False)
    assert card["output"]["class_weights"] == [1.0] * 4
    head = load_stack_head(device="cpu", folder=tmp_path)
    p = head.probabilities(np.zeros((2, 3, GRID.size_px, GRID.size_px), np.float32))
    assert p.shape == (2, 3, 4, GRID.size_px, GRID.size_px)
    np.testing.assert_allclose(p.sum(axis=2), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("none.safetensors", 66, "no weights at"),
        ("folder", 66, "no weights at"),
        ("text.safetensors", 78, "is not a safetensors file"),
        ("other.safetensors", 78, "does not fit the network"),
    ],
)
def test_weights_that_cannot_be_gone_on_from_are_refused(
    name: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.safetensors").write_text("not weights")
    save_weights({"stem.weight": torch.zeros(2, 3)}, tmp_path / "other.safetensors")
    arguments = ["train", "starter", str(tmp_path / "out"), "--device", "cpu", "--workers", "0"]
    assert run([*arguments, "--start-from", str(tmp_path / name)]) == code
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith("error: ") and said in error and hint.startswith("hint: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["file/out", "file"])
def test_a_folder_for_weights_that_cannot_be_made_is_said(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(["train", "starter", str(tmp_path / place), "--device", "cpu", "--workers", "0"]) == 73
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith("error: cannot write") and hint.startswith("hint: ")


@pytest.mark.parametrize("taken", ["starter_sax.safetensors", "starter_sax.toml"])
def test_weights_and_card_that_cannot_be_written_are_an_output_error(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken / "folder").mkdir(parents=True)  # refused also to root
    with pytest.raises(OutputError, match=taken):
        train_starter(tmp_path, recipe=Recipe(steps=1, minutes=5.0, stacks=1, workers=0), every=1)


def test_a_folder_that_goes_while_training_is_an_output_error(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(OutputError, match=r"starter_sax\.safetensors"):
        train_starter(
            out,
            recipe=Recipe(steps=2, minutes=5.0, stacks=1, workers=0),
            report=lambda _: shutil.rmtree(out),
            every=1,
        )


def test_the_embedded_head_is_small_and_says_what_it_is() -> None:
    card = read_card("starter_sax")
    network = load_stack_network(device="cpu")
    assert sum(p.numel() for p in network.net.parameters()) <= 5_000_000
    assert card.labels == ("background", "RV", "MYO", "LV")
    assert "synthetic" in card.training_data.lower()
    assert "not a medical device" in card.limits


def test_the_figures_of_the_card_are_those_that_were_measured() -> None:
    """bench/acdc_validation.py measured these weights; its JSON is kept."""
    card = read_card("starter_sax")
    measured = json.loads((ROOT / "bench" / "results" / "acdc_validation.json").read_text("utf-8"))
    assert measured["sha256"] == card.sha256
    mean = measured["mean"]
    assert card.figures == {
        "acdc_n": measured["n"],
        "acdc_dice_lv": round(mean["lv"], 3),
        "acdc_dice_myo": round(mean["myo"], 3),
        "acdc_dice_rv": round(mean["rv"], 3),
        "acdc_lvef_mae": round(mean["lvef_error_mae"], 1),
        "acdc_rvef_mae": round(mean["rvef_error_mae"], 1),
    }
