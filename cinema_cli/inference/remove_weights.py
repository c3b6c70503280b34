"""Removes weights of published heads from this machine."""

from collections.abc import Iterator, Sequence

from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.weight_outcomes import Outcome, State, published_files
from cinema_cli.io.weights_store import forget


def remove(cards: Sequence[PublishedCard]) -> Iterator[Outcome]:
    """Remove all files of these heads from the store, weights first; a head without any is an outcome too.

    Raises OutputError where the disk refuses.
    """
    for card in cards:
        found = False
        for name in reversed(published_files(card)):
            if (size := forget(name)) is not None:
                found = True
                yield Outcome(card.name, name, State.REMOVED, size)
        if not found:
            yield Outcome(card.name, "", State.ABSENT, reason="no file of this head is on this machine")
