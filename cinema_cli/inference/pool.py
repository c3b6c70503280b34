"""Published networks in memory: as many heads as fit, the one used longest ago leaves first."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.fast import ready
from cinema_cli.inference.trusted import load
from cinema_cli.io.weights_store import stored

CPU_BYTES = 2**30  # as much as a few heads in bfloat16; alone, three seeds of the largest in float32 take 1.5 GB
GPU_SHARE = 0.5  # of what is free: the rest is for the networks' work


class NetworkPool:
    """Loads the networks of heads when they are asked for, ready to run on one device."""

    def __init__(self, *, device: torch.device, numbers: torch.dtype, most_bytes: int | None = None) -> None:
        """`most_bytes` bounds the weights that are held together; a single head may be larger."""
        self.device, self.numbers = device, numbers
        self._most = _room(device) if most_bytes is None else most_bytes
        self._heads: OrderedDict[str, tuple[nn.Module, ...]] = OrderedDict()

    def networks(self, card: PublishedCard, seeds: Sequence[int | None]) -> tuple[nn.Module, ...]:
        """The networks of a head, one for each of these seeds, the same ones whenever it is asked for.

        Raises UnavailableError or ConfigError for weights that are not there or not what they should be.
        """
        if card.name not in self._heads:
            self._make_room(_bytes_on_disk(card) * self.numbers.itemsize // torch.float32.itemsize)
            networks = (load(card, seed=seed) for seed in seeds)
            self._heads[card.name] = tuple(ready(n, device=self.device, numbers=self.numbers) for n in networks)
        self._heads.move_to_end(card.name)
        return self._heads[card.name]

    def _make_room(self, coming: int) -> None:
        """Let heads go until `coming` bytes more can be held."""
        while self._heads and coming + sum(_n_bytes(n) for nets in self._heads.values() for n in nets) > self._most:
            self._heads.popitem(last=False)


def _room(device: torch.device) -> int:
    if device.type != "cuda":
        return CPU_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    return int(GPU_SHARE * free)


def _bytes_on_disk(card: PublishedCard) -> int:
    return sum(found.size for file in card.files if (found := stored(file.path)))


def _n_bytes(network: nn.Module) -> int:
    return sum(x.numel() * x.element_size() for x in (*network.parameters(), *network.buffers()))
