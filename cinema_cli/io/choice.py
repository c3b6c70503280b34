"""Which of several stacks of a view is used, and what decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cinema_cli.domain.cine import Note
from cinema_cli.io.frames import FramePlan
from cinema_cli.io.spares import NEARLY_ALL_SLICES
from cinema_cli.io.stack import Stack
from cinema_cli.io.views import DOUBTFUL, ViewGuess

_SURE = 0.9  # confidence of a view that description and geometry agree on


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A stack that shows a view, with its frame plan and what speaks against using it."""

    stack: Stack
    guess: ViewGuess
    plan: FramePlan
    refusal: Note | None
    notes: tuple[Note, ...]


def best(candidates: Sequence[Candidate]) -> Candidate | None:
    """What the user named; else the most complete stack that is not doubtful, then the surest, then the latest.

    A damaged one only if nothing compares.
    """
    most = _most_slices(candidates)
    return max(candidates, key=lambda c: [value for value, _ in _merits(c, most)], default=None)


def why_better(winner: Candidate, loser: Candidate, candidates: Sequence[Candidate]) -> str:
    """What speaks for the best of `candidates` against another: the first merit in which they differ."""
    most = _most_slices(candidates)
    pairs = zip(_merits(winner, most), _merits(loser, most), strict=True)
    return next((said for (ours, said), (theirs, _) in pairs if ours != theirs), "nothing tells them apart")


def _most_slices(candidates: Sequence[Candidate]) -> int:
    """Slices of the largest stack, of those that the user named where there are any."""
    named = [c for c in candidates if c.guess.forced] or candidates
    return max((len(c.stack.runs) for c in named), default=0)


def _merits(candidate: Candidate, most: int) -> tuple[tuple[Any, str], ...]:
    """What counts for a stack of a view, in this order, each with its words."""
    stack, confidence = candidate.stack, candidate.guess.confidence
    slices, frames = candidate.plan.rows.shape
    numbers = [part.series_number for part in stack.parts if part.series_number is not None]
    return (
        (candidate.guess.forced, "the views file names it"),
        (slices >= NEARLY_ALL_SLICES * most, "it has more slices"),
        (candidate.refusal is None, "nothing is wrong with it"),
        (confidence >= DOUBTFUL, "its view is not doubtful"),
        (slices, "it has more slices"),
        (frames, "it has more frames"),
        (-len(candidate.plan.missing), "it lacks fewer frames"),
        (confidence >= _SURE, "its view is surer"),
        (max(run.latest_s for run in stack.runs), "it is the latest"),
        (max(numbers, default=-1), "it has the higher series number"),
        (stack.lead.series_uid, "its series is the last by identifier"),
        (tuple(stack.runs[0].origin_mm), "its place is the last by coordinates"),
    )
