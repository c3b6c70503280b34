"""This project's own heads: weights are checked against their card, and label stacks of slices."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cinema_cli.domain.assets import heads_directory
from cinema_cli.domain.errors import ConfigError, UnavailableError
from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.cards import StackCard, read_card
from cinema_cli.inference.preprocess import Grid, with_cycle
from cinema_models.build import build
from cinema_models.stack_unet import StackUNet, neighbours
from cinema_models.weights import WeightsError, load_weights

Float32 = NDArray[np.float32]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SLICES_AT_ONCE = 48  # slices sent through the network together: bounds memory, keeps two cores busy


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


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    """Context in which networks calculate with `precision`; their weights stay as they are."""
    if precision is torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=precision)


class StackHead:
    """A segmentation head of short-axis stacks, loaded once."""

    def __init__(
        self, card: StackCard, net: StackUNet, device: torch.device, *, numbers: torch.dtype = torch.float32
    ) -> None:
        self.card, self.net, self.device, self.numbers = card, net, device, numbers

    @property
    def grid(self) -> Grid:
        """The grid that images must be on."""
        return self.card.grid

    @property
    def precision(self) -> str:
        """Number type of the network's arithmetic, as `--precision` spells it."""
        return next(name for name, numbers in PRECISIONS.items() if numbers is self.numbers)

    @property
    def use(self) -> HeadUse:
        """Name, digests and number type for the record: another of these can give other numbers."""
        return HeadUse(self.card.name, self.card.sha256, setup=self.card.setup, precision=self.precision)

    def probabilities(self, frames: Float32) -> Float32:
        """Class probabilities (frame, slice, class, size, size) of normalised frames (frame, slice, size, size).

        Slices must run from base to apex, seen from the apex with the anterior wall up; frames are those of a cycle, as
        many as there are. They go through the network in groups, each with its whole stack, so that its memory does not
        grow with the length of the cine.
        """
        n_frames, n_slices = frames.shape[:2]
        group = max(1, SLICES_AT_ONCE // n_slices)
        seen = with_cycle(frames, self.card.cycle_percentiles)
        return np.concatenate([self.answer(seen[start : start + group]) for start in range(0, n_frames, group)])

    def look_again(self, frames: Float32, first: Float32, chosen: Sequence[int]) -> Float32:
        """Class probabilities (chosen, slice, class, size, size) of the `chosen` ones among the frames of a cycle.

        They are averaged over the card's turns of the image: nearer to the truth, at the price of so many more looks.
        `first` is what `probabilities` found: the look without a turn is not taken again.
        """
        seen, turns = with_cycle(frames, self.card.cycle_percentiles), [turn for turn in self.card.turns_deg if turn]
        return np.concatenate([self.answer(seen[[f]], turns_deg=turns, known=first[[f]]) for f in chosen])

    @torch.inference_mode()
    def answer(self, frames: Float32, *, turns_deg: Sequence[float] = (0.0,), known: Float32 | None = None) -> Float32:
        """Class probabilities (frame, slice, class, y, x) of what the network sees, (frame, slice, channel, y, x).

        They are the mean over turns of the image, and over its `known` answer without a turn where that is given.
        """
        count, n_slices = frames.shape[:2]
        before, after = (index.to(self.device) for index in neighbours([n_slices] * count))
        images = torch.from_numpy(np.ascontiguousarray(frames)).flatten(0, 1).to(self.device)
        class_weights = torch.tensor(self.card.class_weights, device=self.device)[:, None, None]
        total, weight = torch.zeros(()), torch.zeros(())
        if known is not None:
            total, weight = (
                _weighed(torch.from_numpy(known).flatten(0, 1).to(self.device), 1.0 / class_weights),
                weight + 1,
            )
        for degrees in turns_deg:
            seen = _turned(images, degrees).contiguous(memory_format=torch.channels_last)
            with autocast(self.device, self.numbers):
                logits = self.net(seen, before, after)
            total = total + _turned(logits.float().softmax(1), -degrees)
            weight = weight + _turned(torch.ones_like(images[:1, :1]), -degrees)
        p = np.asarray(_weighed(total / weight, class_weights).cpu().numpy(), dtype=np.float32)
        return p.reshape(count, n_slices, *p.shape[1:])


def _weighed(probabilities: Tensor, weights: Tensor) -> Tensor:
    """Probabilities (slice, class, y, x) times the weight of each class, scaled to sum to one again."""
    weighted = probabilities * weights
    return weighted / weighted.sum(1, keepdim=True)


def _turned(images: Tensor, degrees: float) -> Tensor:
    """Images (slice, channel, y, x) turned about their middle; linear, zero where nothing is known."""
    if degrees == 0.0:
        return images
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = images.new_tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]]).expand(len(images), 2, 3)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def load_head(
    name: str = "starter_sax", *, device: str = "auto", precision: str = "auto", folder: Path | None = None
) -> StackHead:
    """Load head `name`, its digest checked. Raises ConfigError (no such head), UnavailableError (weights, device)."""
    card = read_card(name, folder=folder)
    if not isinstance(card, StackCard):
        raise ConfigError(f"head {name!r} is not one of this project's own heads, which label short-axis stacks")
    chosen = pick_device(device)
    numbers = pick_precision(chosen, precision)
    net = build(card.network)
    path = (heads_directory() if folder is None else folder) / card.weights
    try:
        load_weights(net, path, sha256=card.sha256)
    except WeightsError as error:
        raise UnavailableError(str(error), hint="Reinstall cinema-cli, or `git checkout models/heads`.") from error
    if not isinstance(net, StackUNet):
        raise ConfigError(f"head {name!r} is not a segmentation head of short-axis stacks")
    net = net.to(chosen).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return StackHead(card, net, chosen, numbers=numbers)
