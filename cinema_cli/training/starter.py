"""Train the starter head: labels of RV, MYO and LV in short-axis stacks, from synthetic hearts alone."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.data import DataLoader

from cinema_cli.domain.assets import heads_directory
from cinema_cli.domain.errors import ConfigError, InputError, OutputError
from cinema_cli.inference.devices import autocast, pick_precision
from cinema_cli.io.atomic import output_errors, write_atomic
from cinema_cli.training.starter_data import CYCLE_PERCENTILES, Batch, SyntheticStacks
from cinema_models.stack_unet import StackUNet, neighbours
from cinema_models.weights import WeightsError, load_weights, save_weights, sha256_of

WIDTHS = (32, 64, 128, 256)
FOLD = 2
MIX_FROM = 1
N_CLASSES = 4
IN_CHANS = 1 + len(CYCLE_PERCENTILES)


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
    """Train; at each report, write the averaged weights and their card to the folder `out`. Returns that network.

    float32 weights; the network's arithmetic is bfloat16 where the device has it. `start_from` continues from earlier
    weights. Raises InputError where they are not there, ConfigError where they do not fit, OutputError where `out`
    cannot be written.
    """
    precision = pick_precision(torch.device(device))
    weights = out / "starter_sax.safetensors"
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    net = StackUNet(IN_CHANS, N_CLASSES, WIDTHS, fold=FOLD, mix_from=MIX_FROM)
    earlier = "" if start_from is None else _go_on_from(start_from, net)
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
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
            rv, myo, lv = (float(d) for d in dice)
            done = Progress(step, share, loss, (rv, myo, lv), time.monotonic() - started)
            _save(averaged, weights)
            write_card(out, weights=weights, recipe=recipe, done=done, start_from=earlier)
            if report is not None:
                report(done)
        if share >= 1.0:
            break
    net.load_state_dict(averaged)
    return net


def _go_on_from(path: Path, net: StackUNet) -> str:
    """Load earlier weights into the network; their digest. Raises InputError (none there), ConfigError (do not fit)."""
    if not path.is_file():
        raise InputError(f"no weights at {path}", hint="Give the .safetensors file of an earlier training.")
    try:
        load_weights(net, path)
    except WeightsError as error:
        hint = "Go on from weights that this version of `cinema train starter` wrote."
        raise ConfigError(str(error), hint=hint, code="weights") from error
    return sha256_of(path)


def _save(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write weights in half precision. Raises OutputError where the disk is full or refuses."""
    with output_errors(path):
        try:
            save_weights({name: value.half() for name, value in weights.items()}, path)
        except SafetensorError as error:  # also what the system says of the file
            hint = "Free some space, or give a folder that you may write."
            raise OutputError(f"cannot write {path}: {error}", hint=hint, code="cannot_write") from error


def _step(
    net: StackUNet, optimiser: torch.optim.Optimizer, batch: Batch, *, device: str, precision: torch.dtype
) -> tuple[float, Tensor]:
    """One update; returns the loss and the soft Dice of the batch."""
    images = torch.from_numpy(batch.images).to(device).contiguous(memory_format=torch.channels_last)
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


def write_card(out: Path, *, weights: Path, recipe: Recipe, done: Progress, start_from: str = "") -> Path:
    """Write the starter head's card into `out`: the embedded card's description, these weights, how they were made.

    Figures are left out and class weights are one: they belong to other weights until they are measured anew, by
    bench/acdc_validation.py and bench/calibrate_head.py. `start_from` is the digest of the weights that the training
    went on from. Raises OutputError where it cannot be written.
    """
    text = (heads_directory() / "starter_sax.toml").read_text("utf-8")
    about, found, _ = text.partition("[weights]")
    if not found:
        raise ConfigError("the card of starter_sax has no table [weights]", hint="Restore models/heads.")
    about = re.sub(r"(?m)^class_weights = .*$", f"class_weights = {[1.0] * N_CLASSES}", about)
    made = {**asdict(recipe), "steps": done.step, "minutes": round(done.seconds / 60.0, 1), "start_from": start_from}
    lines = [f"{name} = {json.dumps(value)}" for name, value in made.items() if name not in ("workers", "threads")]
    tables = f'[weights]\nfile = "{weights.name}"\nsha256 = "{sha256_of(weights)}"\n\n[training]\n'
    return write_atomic(out / "starter_sax.toml", about + tables + "\n".join(lines) + "\n")
