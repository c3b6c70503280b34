"""Looks at weights again: is each file what was stored or embedded, and does it still fit its head?"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cinema_cli.domain.assets import heads_directory
from cinema_cli.domain.errors import CinemaError
from cinema_cli.inference.cards import Card, PublishedCard, StackCard
from cinema_cli.inference.weight_checks import check_of
from cinema_cli.inference.weight_outcomes import Outcome, State, failed, published_files
from cinema_cli.io.hub import commit_of
from cinema_cli.io.weights_store import StoredFile, check_whole, every_stored, stored
from cinema_models.build import build
from cinema_models.weights import WeightsError, load_weights


def verify(cards: Sequence[Card], *, absent: bool) -> Iterator[Outcome]:
    """Hash every file of these heads and hold it against record and card; `absent`: name heads that have none here.

    Weights without their config.yaml, and a head whose files come from different commits, are failures too.
    """
    for card in cards:
        if isinstance(card, StackCard):
            yield _embedded(card)
            continue
        check = check_of(card)
        files = [file for name in published_files(card) if (file := stored(name))]
        yield from (_stored(file, card.name, check) for file in files)
        yield from _together(card, files)
        if absent and not files:
            yield Outcome(card.name, "", State.ABSENT, reason="no file of this head is on this machine")


def verify_others(cards: Sequence[Card]) -> Iterator[Outcome]:
    """Hash those files of the store that belong to none of these heads."""
    known = {name for card in cards if isinstance(card, PublishedCard) for name in published_files(card)}
    for file in every_stored():
        if file.name not in known:
            yield _stored(file, "", lambda path: None)


def _together(card: PublishedCard, files: Sequence[StoredFile]) -> Iterator[Outcome]:
    """What is wrong with the files of a head though each of them may be sound."""
    if files and card.config_file not in {file.name for file in files}:
        reason = "not on this machine: without it the weights of this head cannot be used"
        yield Outcome(card.name, card.config_file, State.FAILED, reason=reason)
    commits = sorted({commit for file in files if (commit := commit_of(file.source))})
    if len(commits) > 1:
        reason = f"its files come from different commits, {' and '.join(commits)}: pull all of them at one --revision"
        yield Outcome(card.name, "", State.FAILED, reason=reason)


def _stored(file: StoredFile, head: str, check: Callable[[Path], None]) -> Outcome:
    try:
        check_whole(file)
        check(file.path)
    except CinemaError as error:
        return failed(head, file.name, error)
    return Outcome(head, file.name, State.HERE, file.size)


def _embedded(card: StackCard) -> Outcome:
    path = heads_directory() / card.weights
    try:
        load_weights(build(card.network), path, sha256=card.sha256)
    except WeightsError as error:
        return Outcome(card.name, card.weights, State.FAILED, reason=str(error))
    return Outcome(card.name, card.weights, State.HERE, path.stat().st_size)
