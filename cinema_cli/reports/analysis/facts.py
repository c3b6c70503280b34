"""What every page of an analysis knows of its run beside the estimates."""

from collections.abc import Sequence
from dataclasses import dataclass


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
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions if name != "cinema")),
        *options,
    ]
    return [(name, words) for name, words in said if words]
