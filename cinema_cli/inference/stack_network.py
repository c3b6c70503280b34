"""The network of this project's own heads: labels stacks of slices, and says how sure it is."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cinema_cli.domain.assets import heads_directory
from cinema_cli.domain.errors import ConfigError, UnavailableError
from cinema_cli.inference.cards import StackCard, read_card
from cinema_cli.inference.devices import autocast, pick_device, pick_precision, precision_word
from cinema_models.build import build
from cinema_models.stack_unet import StackUNet, neighbours
from cinema_models.weights import WeightsError, load_weights

Float32 = NDArray[np.float32]


class StackNetwork:
    """A segmentation network of short-axis stacks, loaded once."""

    def __init__(
        self, card: StackCard, net: StackUNet, device: torch.device, *, numbers: torch.dtype = torch.float32
    ) -> None:
        """Use a network that is ready on `device`; its matrices are calculated in `numbers`."""
        self.card, self.net, self.device, self.numbers = card, net, device, numbers

    @property
    def precision(self) -> str:
        """Number type of the network's arithmetic, as `--precision` spells it."""
        return precision_word(self.numbers)

    @torch.inference_mode()
    def answer(self, frames: Float32, *, turns_deg: Sequence[float] = (0.0,), known: Float32 | None = None) -> Float32:
        """Class probabilities (frame, slice, class, y, x) of what the network sees, (frame, slice, channel, y, x).

        Slices must run from base to apex, seen from the apex with the anterior wall up. Probabilities are the mean over
        turns of the image, and over its `known` answer without a turn where that is given.
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


def load_stack_network(
    name: str = "starter_sax", *, device: str = "auto", precision: str = "auto", folder: Path | None = None
) -> StackNetwork:
    """Load the network of head `name`, its digest checked.

    Raises ConfigError (no such head), UnavailableError (weights, device).
    """
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
    return StackNetwork(card, net, chosen, numbers=numbers)
