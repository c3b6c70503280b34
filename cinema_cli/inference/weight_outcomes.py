"""What became of each published file that was pulled, imported or verified."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from cinema_cli.domain.errors import CinemaError
from cinema_cli.inference.cards import PublishedCard

ONE_FILE = {
    "pickle",
    "damaged_weights",
    "wrong_digest",
    "missing_key",
    "unexpected_key",
    "wrong_shape",
    "wrong_dtype",
    "config_disagrees",
    "bad_yaml",
    "cannot_read",
}
"""Codes of errors that say something of one file, so that the next one may still do."""


class State(StrEnum):
    """Where a published file stands."""

    HERE = "here"  # and it is what was stored
    STORED = "stored"  # just now
    REMOVED = "removed"
    PLANNED = "to fetch"
    ABSENT = "absent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file of a head: its published path, its size in bytes, and why it failed."""

    head: str
    file: str
    state: State
    size: int = 0
    reason: str = ""


def published_files(card: PublishedCard) -> tuple[str, ...]:
    """Published paths of a head's files: its config.yaml, then its weights."""
    return (card.config_file, *(file.path for file in card.files))


def take_each(files: Iterable[tuple[PublishedCard, str, Callable[[], Outcome]]]) -> Iterator[Outcome]:
    """Take published files, each with its card and path, one by one, config.yaml of a head before its weights.

    What one file's error is about is an outcome. Where config.yaml fails, the weights of its head are not taken.
    """
    refused: set[str] = set()
    for card, name, take in files:
        if card.name in refused:
            yield refused_weights(card, name)
            continue
        try:
            outcome = take()
        except CinemaError as error:
            outcome = failed(card.name, name, error)
        if outcome.state is State.FAILED and name == card.config_file:
            refused.add(card.name)
        yield outcome


def refused_weights(card: PublishedCard, name: str) -> Outcome:
    """The outcome of weights whose config.yaml is refused or lacking: it alone says what they are."""
    return Outcome(card.name, name, State.FAILED, reason="not taken: config.yaml of this head was refused or not found")


def failed(head: str, name: str, error: CinemaError) -> Outcome:
    """The outcome of a file that an error is about; other errors are raised again: the next file would fail too."""
    if error.code not in ONE_FILE:
        raise error
    return Outcome(head, name, State.FAILED, reason=error.message)
