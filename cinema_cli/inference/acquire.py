"""Pulls weights of published heads from the hub: what is missing is planned, fetched, checked and stored."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cinema_cli.domain.errors import UsageError
from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.weight_outcomes import Outcome, State, published_files, refused_weights, take_each
from cinema_cli.io.hub import HubFile, commit_of, fetch, files_at, is_commit, source_of
from cinema_cli.io.weights_store import StoredFile, add, every_stored, stored, stored_whole

Progress = Callable[[int, int], None]
"""Told how many bytes have arrived, and of how many."""


@dataclass(frozen=True, slots=True)
class Step:
    """A file of a head that was asked for: what is known of it, and what is to be fetched, if anything."""

    card: PublishedCard
    outcome: Outcome
    file: HubFile | None = None


def plan_pull(
    cards: Sequence[PublishedCard],
    *,
    revision: str | None = None,
    seeds: Collection[int] | None = None,
    repository: str | None = None,
) -> tuple[Step, ...]:
    """What is to be fetched so that these heads can run, config.yaml of each before its weights; nothing is stored.

    `revision` is a commit, or a branch or tag, which is resolved to its commit; None is the commit that the store's
    files of that repository came from. `seeds`: only these; `repository`: another than the cards name. Where all is
    here at a commit, nobody is asked. Raises UsageError where the revision or a seed is not known, and where a head
    would be of two commits; UnavailableError where the hub cannot be reached or refuses.
    """
    _refuse_unknown(seeds, cards)
    steps: list[Step] = []
    for name in dict.fromkeys(repository or card.repository for card in cards):
        ours = [card for card in cards if (repository or card.repository) == name]
        steps += _plan_one(name, revision or _commit_here(name), _wanted(ours, seeds))
    lacking = {s.card.name for s in steps if s.outcome.state is State.FAILED and s.outcome.file == s.card.config_file}
    steps = [_without_settings(step) if step.card.name in lacking else step for step in steps]
    for card in {step.card.name: step.card for step in steps if step.file}.values():
        _refuse_mixture(card, {step.file.name: step.file.commit for step in steps if step.file and step.card is card})
    return tuple(steps)


def pull(steps: Sequence[Step], *, progress: Progress) -> Iterator[Outcome]:
    """Carry out a plan, file by file; what one file's error is about is an outcome.

    Raises what concerns all: UnavailableError for the hub, OutputError for the disk. What is stored by then stays.
    """
    total = sum(step.file.size for step in steps if step.file)
    done = 0
    checks = _checks({step.card.name: step.card for step in steps if step.file})

    def carry_out(step: Step) -> Outcome:
        nonlocal done
        if not step.file:
            return step.outcome
        before, done = done, done + step.file.size
        _fetch(step.file, checks[step.card.name], lambda got: progress(before + got, total))
        progress(done, total)
        return replace(step.outcome, state=State.STORED)

    return take_each((step.card, step.outcome.file, partial(carry_out, step)) for step in steps)


def _checks(cards: Mapping[str, PublishedCard]) -> dict[str, Callable[[Path], None]]:
    """The check of each head's files."""
    if not cards:
        return {}
    from cinema_cli.inference.weight_checks import check_of  # here: torch takes seconds to load

    return {name: check_of(card) for name, card in cards.items()}


def _fetch(file: HubFile, check: Callable[[Path], None], progress: Callable[[int], None]) -> None:
    """Fetch one file, unless what is stored under its name, from elsewhere, is the same."""
    if (same := stored_whole(file.name)) and same.sha256 == file.digest:
        add(file.name, same.path, source=file.source, sha256=file.digest, link=True, check=check)
    else:
        fetch(file, check=check, progress=progress)


def _wanted(cards: Sequence[PublishedCard], seeds: Collection[int] | None) -> list[tuple[PublishedCard, str]]:
    """The files that were asked for, with their cards."""
    return [
        (card, name)
        for card in cards
        for name in (
            card.config_file,
            *(file.path for file in card.files if seeds is None or file.seed is None or file.seed in seeds),
        )
    ]


def _plan_one(repository: str, revision: str, wanted: Sequence[tuple[PublishedCard, str]]) -> list[Step]:
    names = [name for _, name in wanted]
    source = source_of(repository, revision)
    here = {name: file for name in names if is_commit(revision) and (file := _here(name, source))}
    found: Mapping[str, HubFile] = files_at(repository, revision, names) if len(here) < len(names) else {}
    here |= {name: file for name, it in found.items() if name not in here and (file := _here(name, it.source))}
    where = f"{repository} at {revision}"
    return [_step(card, name, found.get(name), here=here.get(name), where=where) for card, name in wanted]


def _step(card: PublishedCard, name: str, file: HubFile | None, *, here: StoredFile | None, where: str) -> Step:
    if here:
        return Step(card, Outcome(card.name, name, State.HERE, here.size))
    if file is None:
        return Step(card, Outcome(card.name, name, State.FAILED, reason=f"{where} does not hold this file"))
    return Step(card, Outcome(card.name, name, State.PLANNED, file.size), file)


def _without_settings(step: Step) -> Step:
    """What becomes of a head's file where its config.yaml is not there."""
    name = step.outcome.file
    return step if name == step.card.config_file else Step(step.card, refused_weights(step.card, name))


def _refuse_mixture(card: PublishedCard, coming: Mapping[str, str]) -> None:
    """Raise UsageError where files of a head that stay are of other commits than those that come (name -> commit).

    The mean over seeds of two commits is the answer of no head that was published.
    """
    stay = [file for name in published_files(card) if name not in coming and (file := stored(name))]
    others = sorted({commit for file in stay if (commit := commit_of(file.source))} - set(coming.values()))
    if others:
        raise UsageError(
            f"files of {card.name} at commit {' and '.join(others)} would stay beside those at {max(coming.values())}",
            hint=f"Pull all seeds, or keep to --revision {others[0]}, or `cinema models remove {card.name}` first.",
            code="mixed_commits",
        )


def _here(name: str, source: str) -> StoredFile | None:
    """The stored file, if it comes from that source and is whole."""
    file = stored(name)
    return stored_whole(name) if file and file.source == source else None


def _commit_here(repository: str) -> str:
    """The commit that the stored files of a repository came from. Raises UsageError unless there is exactly one."""
    begin = source_of(repository, "")
    commits = sorted({f.source.removeprefix(begin) for f in every_stored() if f.source.startswith(begin)})
    if len(commits) == 1:
        return commits[0]
    known = f"files of {' and '.join(commits)} are here" if commits else "nothing of it is here yet"
    raise UsageError(
        f"at which revision {repository} is to be pulled is not said, and {known}",
        hint="Give --revision a commit (40 digits) or a branch such as main. The commit is recorded, and is what "
        "later pulls take if none is given.",
        code="no_revision",
    )


def _refuse_unknown(seeds: Collection[int] | None, cards: Sequence[PublishedCard]) -> None:
    known = sorted({file.seed for card in cards for file in card.files if file.seed is not None})
    if known and (unknown := sorted(set(seeds or ()) - set(known))):
        raise UsageError(
            f"no head that was named has the seed {', '.join(map(str, unknown))}",
            hint=f"There are {', '.join(map(str, known))}.",
        )
