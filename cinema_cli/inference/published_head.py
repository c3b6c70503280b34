"""A published head with its weights: which seeds are here, their networks, what a record says of them."""

import hashlib

import torch
from torch import nn

from cinema_cli.domain.errors import UnavailableError
from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.heads import PRECISIONS
from cinema_cli.inference.pool import NetworkPool
from cinema_cli.inference.trusted import load, seeds_here
from cinema_cli.io.weights_store import stored


class PublishedHead:
    """One published head; its networks, a seed each, are loaded when they are first needed."""

    def __init__(self, card: PublishedCard, pool: NetworkPool) -> None:
        """Raises UnavailableError, ConfigError where no seed's weights are here, or not what they should be."""
        self.card, self._pool = card, pool
        seeds = seeds_here(card)
        for seed in seeds:
            load(card, seed=seed)  # before any study: only mapped, and let go again
        if not seeds:
            raise UnavailableError(
                f"the weights of head {card.name} are not here",
                hint=f"`cinema models pull {card.name}`, or `cinema models import` where there is no network.",
                code="no_weights",
            )

    @property
    def name(self) -> str:
        """As `--head` spells it."""
        return self.card.name

    @property
    def device(self) -> torch.device:
        """Where its networks run."""
        return self._pool.device

    @property
    def precision(self) -> str:
        """Number type of the networks' arithmetic, as `--precision` spells it."""
        return next(name for name, numbers in PRECISIONS.items() if numbers is self._pool.numbers)

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """One network for each seed that is here. Raises UnavailableError, ConfigError."""
        return self._pool.networks(self.card)

    @property
    def use(self) -> HeadUse:
        """Name, digests and number type for the record: another of these can give other numbers."""
        files = [found for file in self.card.files if (found := stored(file.path))]
        weights = {found.name: found.sha256 for found in files}
        together = hashlib.sha256("".join(weights.values()).encode()).hexdigest()
        sha256 = next(iter(weights.values())) if len(weights) == 1 else together
        return HeadUse(self.name, sha256, setup=self.card.setup, precision=self.precision, weights=weights)


