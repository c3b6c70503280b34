"""The participant flow of an analysis as boxes: who was kept, who was left out at each step and why."""

from collections.abc import Sequence

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.rows import Rows
from cinema_cli.reports.analysis.words import ROUNDED, count_words, first_up
from cinema_cli.reports.flow import FlowStep, Left
from cinema_cli.reports.render import count, number


def flow_steps(rows: Rows, *, one: str = "participant", many: str | None = None) -> list[FlowStep]:
    """Boxes of the participant flow, counted in `one` or `many`; who left stands beside the box that they left from."""
    steps: list[tuple[Estimate, list[Estimate]]] = []
    early: list[Estimate] = []  # who left before the first box
    for row in rows.of("flow"):
        if row.level == "kept":
            steps.append((row, early))
            early = []
        else:
            (steps[-1][1] if steps else early).append(row)
    return [FlowStep(first_up(step.term), _people(step, one, many), _left(left)) for step, left in steps]


def _people(row: Estimate, one: str, many: str | None) -> str:
    if row.n is None:
        return count_words(row.n, row)
    return f"{ROUNDED if row.rounded and row.n else ''}{count(row.n, one=one, many=many)}"


def _left(rows: Sequence[Estimate]) -> tuple[Left, ...]:
    rows = [row for row in rows if row.n != 0]
    if not rows:
        return ()
    known = [row.n for row in rows if row.n is not None]
    title = "Left out" if len(known) < len(rows) else f"Left out: {number(sum(known), decimals=0)}"
    return (Left(title, tuple(_reason(row) for row in rows)),)


def _reason(row: Estimate) -> str:
    known = row.n is not None
    return f"{count_words(row.n, row)} × {row.term}" if known else f"{row.term} ({count_words(None, row)})"
