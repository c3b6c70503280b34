"""Which heads a run uses: the ones that were named, or all whose weights are here; one of them measures."""

from collections.abc import Sequence

from cinema_cli.domain.cine import View
from cinema_cli.domain.errors import UsageError
from cinema_cli.domain.prediction import Task
from cinema_cli.inference.cards import Card, PublishedCard, StackCard, list_cards, read_card, seeds_here
from cinema_cli.io.weights_store import stored

STARTER = "starter_sax"
MEASURES = ("segmentation_mnms_sax", "segmentation_mnms2_sax", "segmentation_acdc_sax")
"""Published heads that may replace the starter, the first whose weights are here: by how many scanners and centres
their training data came from (M&Ms: 4 vendors, 6 centres; M&Ms2: 3 vendors, 9 scanners; ACDC: one centre)."""


def chosen_cards(names: Sequence[str]) -> tuple[Card, ...]:
    """The card of the head that measures, then those of the other heads in use, each once.

    Without `names`, every published head whose weights and config.yaml are here. The first named head that segments the
    short axis measures; where none is named, the first of `MEASURES` that is here, else the starter. Raises ConfigError
    for an unknown name, UsageError for the starter beside another head that measures.
    """
    named = [read_card(name) for name in dict.fromkeys(names)]
    others = named or [card for card in list_cards() if isinstance(card, PublishedCard) and is_whole(card)]
    measures = next((card for card in named if _segments_sax(card)), None) or _usual()
    if any(isinstance(card, StackCard) and card.name != measures.name for card in others):
        raise UsageError(
            f"{STARTER} was named beside {measures.name}, which measures",
            hint=f"Only one head measures, the first one named: leave one out, or name {STARTER} first.",
        )
    return (measures, *(card for card in others if card.name != measures.name))


def _segments_sax(card: Card) -> bool:
    return isinstance(card, StackCard) or (card.task is Task.SEGMENTATION and card.views == (View.SAX,))


def _usual() -> Card:
    """The head that measures where none was named."""
    published = (card for name in MEASURES if isinstance(card := read_card(name), PublishedCard))
    return next((card for card in published if is_whole(card)), None) or read_card(STARTER)


def is_whole(card: PublishedCard) -> bool:
    """Whether a head can run here: config.yaml and the weights of at least one seed are stored."""
    return bool(seeds_here(card) and stored(card.config_file))
