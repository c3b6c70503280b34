"""What every page of an analysis knows of its run beside the estimates."""

from collections.abc import Sequence
from dataclasses import dataclass

from cinema_cli.reports.render import number


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that was read; `name` without a path that identifies."""

    name: str
    sha256: str


def run_facts(
    *, version: str, started: str, finished: str, seed: int, versions: Sequence[tuple[str, str]],
    options: Sequence[tuple[str, str]],
) -> list[tuple[str, str]]:  # fmt: skip
    """(name, words) of what a run says of itself, for the list at the end of a page."""
    said = [
        ("cinema", version),
        ("Started", started),
        ("Finished", finished),
        ("Seed", str(seed)),
        ("Versions", ", ".join(f"{name} {edition}" for name, edition in versions if name != "cinema")),
        *options,
    ]
    return [(name, words) for name, words in said if words]


SMALL = 5  # times the smallest count that is shown: fewer people than that are few for a released table


def few_words(n: int | None, *, suppressed: bool, min_cell: int) -> str:
    """That so few people fill a page with what is hidden; "" of more people, or where disclosure control was off.

    `n` is the number as released; None: it is itself hidden.
    """
    if not suppressed or (n is not None and not 0 < n < SMALL * min_cell):
        return ""
    who = "These" if n is None else f"{number(n, decimals=0)} people"
    return (
        f"{who} are too few for a released table: most of it is suppressed. "
        "With --no-suppress it is shown, for work inside."
    )


def disclosure_words(*, suppressed: bool, min_cell: int) -> str:
    """What disclosure control took out; "" where it was off."""
    if not suppressed:
        return ""
    return (
        f"Counts from 1 to {number(min_cell - 1, decimals=0)} people and what is computed from them are suppressed, "
        f"with further cells from which they could be found, or these are rounded to multiples of {min_cell}."
    )
