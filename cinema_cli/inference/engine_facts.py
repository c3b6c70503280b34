"""What the other processes know of the heads that the device process has loaded."""

from dataclasses import dataclass

from cinema_cli.domain.prediction import PredictionColumn, Task
from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.cards import Card, PublishedCard

ANSWER = ""  # name of an answer that is a single array
FEATURES = "features"  # method of a backbone that gives tokens


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """A head in use: its card, what a record says of it, and how many networks (seeds) it has."""

    card: Card
    use: HeadUse
    n_networks: int


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Heads in use, the one that measures first, and what they run on."""

    heads: tuple[HeadFacts, ...]
    columns: tuple[PredictionColumn, ...]  # of their prediction table
    precision: str
    device: str  # `cpu`, `cuda:0`, ...
    device_words: str  # `NVIDIA H100 80GB HBM3`, or the device again

    @property
    def uses(self) -> tuple[HeadUse, ...]:
        """For records: names and digests of weights."""
        return tuple(head.use for head in self.heads)

    @property
    def embeds(self) -> bool:
        """Whether a backbone is among the heads."""
        return any(isinstance(head.card, PublishedCard) and head.card.task is Task.EMBEDDING for head in self.heads)


def network_name(head: str, number: int) -> str:
    """What the `number`-th network of a published head is called in a Call."""
    return f"{head}/{number}"
