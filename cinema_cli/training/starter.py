"""Train the starter head: labels of RV, MYO and LV in short-axis stacks, from synthetic hearts alone."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from cinema_cli.domain.assets import heads_directory
from cinema_cli.domain.errors import ConfigError
from cinema_cli.inference.heads import autocast, pick_precision
from cinema_cli.training.starter_data import Batch, SyntheticStacks
from cinema_models.stack_unet import StackUNet, neighbours
from cinema_models.weights import load_weights, save_weights, sha256_of

WIDTHS = (32, 64, 128, 256)
FOLD = 2
MIX_FROM = 1
N_CLASSES = 4


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how the starter head is trained; training ends at `steps` or after `minutes`, whichever is first."""

    steps: int
    minutes: float
    stacks: int = 2  # per step
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warm_up: float = 0.03  # share of the training
    averaging: float = 0.998  # of the weights, exponential
    workers: int = 1
    threads: int = 2
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of a training log."""

    step: int
    share: float
    loss: float
    dice: tuple[float, float, float]  # RV, MYO, LV on the batch in hand
    seconds: float


def loss_of(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy plus soft Dice of RV, MYO, LV over the batch; logits (slice, class, y, x), labels (slice, y, x).

    Returns the loss and the soft Dice of the three classes.
    """
    log_p = logits.float().log_softmax(1)
    entropy = F.nll_loss(log_p, labels)
    p = log_p.exp()[:, 1:]
    truth = F.one_hot(labels, N_CLASSES).movedim(-1, 1)[:, 1:].to(p.dtype)
    overlap = (p * truth).sum((0, 2, 3))
    dice = (2.0 * overlap + 1.0) / (p.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + 1.0)
    return entropy + (1.0 - dice).mean(), dice.detach()


def _rate(share: float, recipe: Recipe) -> float:
    """Learning rate: linear warm-up, then half a cosine to 1 % of the peak."""
    if share < recipe.warm_up:
        return recipe.learning_rate * (share + 1e-3) / recipe.warm_up
    rest = min(1.0, (share - recipe.warm_up) / (1.0 - recipe.warm_up))
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + float(torch.cos(torch.tensor(rest * torch.pi)))))


def _as_it_is(batch: Any) -> Any:
    return batch


def train_starter(
    out: Path,
    *,
    recipe: Recipe,
    device: str = "cpu",
    start_from: Path | None = None,
    report: Callable[[Progress], None] | None = None,
    every: int = 50,
) -> StackUNet:
    """Train, writing the averaged weights to `out` (safetensors) at each report; returns the averaged network.

    float32 weights; the network's arithmetic is bfloat16 where the device has it. `start_from` continues from earlier
    weights.
    """
    precision = pick_precision(torch.device(device))
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    net = StackUNet(1, N_CLASSES, WIDTHS, fold=FOLD, mix_from=MIX_FROM)
    if start_from is not None:
        load_weights(net, start_from)
    net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = {name: value.detach().clone() for name, value in net.state_dict().items()}
    optimiser = torch.optim.AdamW(
        net.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, foreach=True
    )
    data = SyntheticStacks(seed=recipe.seed, stacks=recipe.stacks)
    loader = DataLoader(
        data, batch_size=None, num_workers=recipe.workers, collate_fn=_as_it_is,
        prefetch_factor=6 if recipe.workers else None,
    )  # fmt: skip
    started = time.monotonic()
    for step, batch in enumerate(loader, start=1):
        share = max(step / recipe.steps, (time.monotonic() - started) / (60.0 * recipe.minutes))
        for group in optimiser.param_groups:
            group["lr"] = _rate(share, recipe)
        loss, dice = _step(net, optimiser, batch, device=device, precision=precision)
        decay = min(recipe.averaging, (1.0 + step) / (10.0 + step))
        for name, value in net.state_dict().items():
            averaged[name].lerp_(value, 1.0 - decay)
        if step % every == 0 or share >= 1.0:
            save_weights({name: value.half() for name, value in averaged.items()}, out)  # half the size
            if report is not None:
                rv, myo, lv = (float(d) for d in dice)
                report(Progress(step, share, loss, (rv, myo, lv), time.monotonic() - started))
        if share >= 1.0:
            break
    net.load_state_dict(averaged)
    return net


def _step(
    net: StackUNet, optimiser: torch.optim.Optimizer, batch: Batch, *, device: str, precision: torch.dtype
) -> tuple[float, Tensor]:
    """One update; returns the loss and the soft Dice of the batch."""
    images = torch.from_numpy(batch.images)[:, None].to(device).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(batch.labels).to(device).long()
    before, after = (index.to(device) for index in neighbours(batch.counts))
    with autocast(torch.device(device), precision):
        logits = net(images, before, after)
    loss, dice = loss_of(logits, labels)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach()), dice


def write_card(folder: Path, *, weights: Path) -> Path:
    """Write the starter head's card, with the digest of `weights`, into `folder`; its text is the embedded card's."""
    card = folder / "starter_sax.toml"
    text = (heads_directory() / "starter_sax.toml").read_text("utf-8")
    text, n = re.subn(r'(?m)^sha256 = ".*"$', f'sha256 = "{sha256_of(weights)}"', text)
    if n != 1:
        raise ConfigError("the card of starter_sax has no line `sha256 = ...`", hint="Restore models/heads.")
    beside = card.with_name(f".{card.name}.{os.getpid()}")
    beside.write_text(text, "utf-8")
    beside.replace(card)
    return card
