"""A published head whose networks run in the device process: tensors go there and come back."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.batching import Call
from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.engine_facts import ANSWER, FEATURES, network_name

if TYPE_CHECKING:
    from cinema_cli.inference.remote import DeviceClient

FRAMES_A_REQUEST = 8  # of which the device makes batches; more would only take memory here


class RemoteNetwork:
    """One network, called as if it were here."""

    def __init__(self, name: str, client: "DeviceClient") -> None:
        """`name`: as `engine_facts.network_name` has it."""
        self._name, self._client = name, client

    def __call__(self, images: Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
        """{view: (batch, ...)} -> {view: (batch, ...)}, or one tensor."""
        answers = self._asked("forward", images)
        return answers.get(ANSWER, answers)

    def feature_forward(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{view: (batch, ...)} -> {"cls" or view: (batch, token, width)}."""
        return self._asked(FEATURES, images)

    def _asked(self, method: str, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        arrays = {view: image.numpy() for view, image in images.items()}
        answers = self._client.ask(Call(self._name, method), arrays)
        return {view: torch.from_numpy(values) for view, values in answers.items()}


class RemoteHead:
    """What answers need of a published head."""

    device = "cpu"  # of the tensors that its networks take
    frames_at_once = FRAMES_A_REQUEST

    def __init__(self, card: PublishedCard, use: HeadUse, client: "DeviceClient", *, n_networks: int) -> None:
        """`use`: as the device process loaded it."""
        self.card, self.use = card, use
        self.networks = tuple(RemoteNetwork(network_name(card.name, k), client) for k in range(n_networks))

    @property
    def name(self) -> str:
        """As `--head` spells it."""
        return self.card.name
