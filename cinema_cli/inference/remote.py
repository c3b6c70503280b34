"""An engine whose networks run in the device process: what a study process works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection

import numpy as np

from cinema_cli.domain.errors import CinemaError
from cinema_cli.inference.batching import Arrays, Call, Float32
from cinema_cli.inference.cards import PublishedCard, StackCard
from cinema_cli.inference.device_messages import ask
from cinema_cli.inference.engine import Engine
from cinema_cli.inference.engine_facts import ANSWER, EngineFacts, HeadFacts
from cinema_cli.inference.head import Head
from cinema_cli.inference.segmenters import Segmenter, StackSegmenter
from cinema_cli.inference.stack_head import StackHead


class DeviceLostError(CinemaError):
    """The device process has gone while it was asked."""

    def __init__(self) -> None:
        """There is only one thing to say."""
        super().__init__("the process that runs the networks has gone", code="device_lost")

    def __reduce__(self) -> tuple[type["DeviceLostError"], tuple[()]]:
        """How it goes to another process."""
        return DeviceLostError, ()


class DeviceClient:
    """Asks the device process; connects when it is first needed, and again after it was lost."""

    def __init__(self, address: str, key: bytes) -> None:
        """Where it listens, and the key without which it does not answer."""
        self._address, self._key = address, key
        self._connection: Connection | None = None

    def ask(self, call: Call, arrays: Arrays) -> dict[str, Float32]:
        """Answers of a network, item by item. Raises what it met there, DeviceLostError where it is gone."""
        try:
            if self._connection is None:
                self._connection = Client(self._address, authkey=self._key)
            return ask(self._connection, call, arrays)
        except (EOFError, OSError) as error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise DeviceLostError from error


@dataclass(frozen=True, slots=True)
class RemoteEngine:
    """Makes the engine of a study process."""

    facts: EngineFacts
    address: str
    key: bytes

    def __call__(self) -> Engine:
        """An engine that asks the device process."""
        client = DeviceClient(self.address, self.key)
        measures, *others = self.facts.heads
        return Engine(_segmenter(measures, client), [_published(head, client) for head in others])


def _segmenter(head: HeadFacts, client: DeviceClient) -> Segmenter:
    if isinstance(head.card, StackCard):
        name = head.card.name

        def answer(frames: Float32, *, turns_deg: Sequence[float] = (0.0,), known: Float32 | None = None) -> Float32:
            arrays = {"frames": frames} | ({} if known is None else {"known": known})
            call = Call(name, options=(("turns_deg", tuple(turns_deg)),))
            return np.asarray(client.ask(call, arrays)[ANSWER], np.float32)

        return StackSegmenter(StackHead(head.card, answer, precision=head.use.precision))
    from cinema_cli.inference.published_segmenter import PublishedSegmenter

    return PublishedSegmenter(_published(head, client))


def _published(head: HeadFacts, client: DeviceClient) -> Head:
    from cinema_cli.inference.remote_head import RemoteHead

    if not isinstance(head.card, PublishedCard):
        raise TypeError(f"{head.card.name} is not a published head")
    return RemoteHead(head.card, head.use, client, n_networks=head.n_networks)
