"""Which points of a decision curve may be released: each threshold tells how many are above it."""

from collections import defaultdict
from collections.abc import Sequence

from cinema_cli.analysis.disclosure.rows import Row

OF_EVERYBODY = ("all", "none")  # models of a decision curve that act on everybody or nobody


def few_above(rows: Sequence[tuple[int, Row]], everybody: Sequence[Row], *, min_cell: int) -> set[int]:
    """Numbers of points that are left out: few people, events or people without event lie above, or since the last.

    `rows` are those of models, with n and events above the threshold in level, `everybody` those of acting on all.
    Raises ValueError where they lack counts.
    """
    start = {row["outcome"]: _counts(row) for row in everybody}
    curves: dict[tuple[str, str], list[tuple[float, int, Row]]] = defaultdict(list)
    for number, row in rows:
        curves[row["outcome"], row["model"]].append((float(row["level"]), number, row))
    left_out: set[int] = set()
    for (outcome, _), points in curves.items():
        before = start.get(outcome)
        for _, number, row in sorted(points, key=lambda point: point[:2]):
            counts = _counts(row)
            steps = counts if before is None else (*counts, *(b - c for b, c in zip(before, counts, strict=True)))
            if any(0 < step < min_cell for step in steps):
                left_out.add(number)
            else:
                before = counts
    return left_out


def _counts(row: Row) -> tuple[int, int, int]:
    """People, events, and people without event."""
    if row["n"] is None or row["events"] is None:
        raise ValueError("a point of decision_curve without n or events cannot be released")
    return row["n"], row["events"], row["n"] - row["events"]
