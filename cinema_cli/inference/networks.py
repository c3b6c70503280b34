"""The networks of the heads in use, in the process that owns the device: called by name, with NumPy arrays."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from cinema_cli.domain.prediction import Task
from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.answers import columns
from cinema_cli.inference.batching import Arrays, Call, Float32
from cinema_cli.inference.cards import Card, PublishedCard, StackCard
from cinema_cli.inference.chosen import chosen_cards
from cinema_cli.inference.devices import device_words, pick_device, pick_precision, precision_word
from cinema_cli.inference.engine_facts import ANSWER, FEATURES, EngineFacts, HeadFacts
from cinema_cli.inference.pool import NetworkPool
from cinema_cli.inference.published_head import PublishedHead
from cinema_cli.inference.stack_network import StackNetwork, load_stack_network


class Networks:
    """Loads what the heads need; calls it."""

    def __init__(self, names: Sequence[str], *, device: str, precision: str) -> None:
        """See `chosen.chosen_cards` for `names`. Raises UnavailableError (device, weights), ConfigError, UsageError."""
        cards = chosen_cards(names)
        self.device = pick_device(device)
        numbers = pick_precision(self.device, precision)
        pool = NetworkPool(device=self.device, numbers=numbers)
        self._stacks: dict[str, StackNetwork] = {}
        self._published: dict[str, PublishedHead] = {}
        for card in cards:
            if isinstance(card, StackCard):
                self._stacks[card.name] = load_stack_network(card.name, device=device, precision=precision)
            else:
                self._published[card.name] = PublishedHead(card, pool)
        self.facts = EngineFacts(
            tuple(self._facts(card) for card in _in_order(cards)),
            tuple(c for card in _in_order(cards) if isinstance(card, PublishedCard) for c in columns(card)),
            precision=precision_word(numbers), device=str(self.device), device_words=device_words(self.device),
        )  # fmt: skip

    @property
    def side_by_side(self) -> bool:
        """Whether several batches may be calculated at the same time: on a CPU, where networks are small."""
        return self.device.type == "cpu" and not self._published

    def call(self, call: Call, arrays: Arrays) -> dict[str, Float32]:
        """Answers, item by item, of a network to arrays of items."""
        if call.network in self._stacks:
            return {ANSWER: self._stacks[call.network].answer(**arrays, **dict(call.options))}  # type: ignore[arg-type]
        return self._of_published(call, arrays)

    @torch.inference_mode()
    def _of_published(self, call: Call, arrays: Arrays) -> dict[str, Float32]:
        name, _, number = call.network.rpartition("/")
        network = self._published[name].networks[int(number)]
        images = {view: torch.from_numpy(values).to(self.device) for view, values in arrays.items()}
        said = network.feature_forward(images) if call.method == FEATURES else network(images)  # type: ignore[operator]
        answers: Mapping[str, Tensor] = said if isinstance(said, Mapping) else {ANSWER: said}
        return {view: np.asarray(values.float().cpu().numpy()) for view, values in answers.items()}

    def _facts(self, card: Card) -> HeadFacts:
        if isinstance(card, StackCard):
            precision = self._stacks[card.name].precision
            return HeadFacts(card, HeadUse(card.name, card.sha256, setup=card.setup, precision=precision), 1)
        head = self._published[card.name]
        return HeadFacts(card, head.use, head.n_networks)


def _in_order(cards: Sequence[Card]) -> list[Card]:
    """The card that measures, then those that segment (others build on masks and ED, ES), then the others by name."""
    measures, *others = cards
    published = [card for card in others if isinstance(card, PublishedCard)]
    return [measures, *sorted(published, key=lambda card: (card.task is not Task.SEGMENTATION, card.name))]
