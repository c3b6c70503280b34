"""A published head with its weights: which seeds are here, their networks, what a record says of them."""

import hashlib

import torch
from torch import nn

from cinema_cli.domain.errors import UnavailableError
from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.cards import PublishedCard, seeds_here
from cinema_cli.inference.devices import precision_word
from cinema_cli.inference.fast import frames_at_once
from cinema_cli.inference.pool import NetworkPool
from cinema_cli.inference.trusted import load
from cinema_cli.io.weights_store import stored


class PublishedHead:
    """One published head; its networks, a seed each, are loaded when they are first needed."""

    def __init__(self, card: PublishedCard, pool: NetworkPool) -> None:
        """Use the seeds whose weights are here now, in the whole run.

        Raises UnavailableError, ConfigError where there is none, or one is not what it should be.
        """
        self.card, self._pool, self._seeds = card, pool, seeds_here(card)
        for seed in self._seeds:
            load(card, seed=seed)  # before any study: only mapped, and let go again
        self._weights = self._weights_here()
        if not self._seeds:
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
        return precision_word(self._pool.numbers)

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """One network for each seed, the same in the whole run.

        Raises UnavailableError where weights have gone or changed since, ConfigError for a changed config.yaml.
        """
        networks = self._pool.networks(self.card, self._seeds)
        if self._weights_here() != self._weights:
            raise UnavailableError(
                f"the weights of head {self.name} changed while it was in use",
                hint="Run the same command again: studies that the old weights answered are recorded with these.",
                code="weights_changed",
            )
        return networks

    @property
    def n_networks(self) -> int:
        """How many it has."""
        return len(self._seeds)

    @property
    def frames_at_once(self) -> int:
        """How many frames its networks should be given together."""
        return frames_at_once(self.networks[0], self.device)

    @property
    def use(self) -> HeadUse:
        """Name, digests and number type for the record: another of these can give other numbers."""
        weights = self._weights
        together = hashlib.sha256("".join(weights.values()).encode()).hexdigest()
        sha256 = next(iter(weights.values())) if len(weights) == 1 else together
        return HeadUse(self.name, sha256, setup=self.card.setup, precision=self.precision, weights=weights)

    def _weights_here(self) -> dict[str, str]:
        """Published path -> SHA-256, by the store's records, of the seeds in use."""
        names = [file.path for file in self.card.files if file.seed in self._seeds]
        return {found.name: found.sha256 for name in names if (found := stored(name))}


