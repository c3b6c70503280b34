"""Tables as the pages print them: worded cells with small lines below."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.metrics import Metric, scale_of
from cinema_cli.reports.analysis.words import NONE, SUPPRESSED, count_words, p_said
from cinema_cli.reports.render import number


@dataclass(frozen=True, slots=True)
class Cell:
    """Words of a cell, small lines below them, and whether they are marked for a look."""

    words: str
    small: tuple[str, ...] = ()
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A table: heads, and lines whose first `n_words` cells are words, the others numbers."""

    heads: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    n_words: int = 1


def told(heads: Sequence[str], lines: Iterable[Sequence[str | Cell]], *, n_words: int = 1) -> Told:
    """A table of cells, plain words among them; columns in which no line says anything are left out."""
    made = [tuple(c if isinstance(c, Cell) else Cell(c) for c in line) for line in lines]
    kept = [
        k for k in range(len(heads)) if k < n_words or any(line[k].words not in ("", NONE) for line in made)
    ]  # fmt: skip
    return Told(tuple(heads[k] for k in kept), tuple(tuple(line[k] for k in kept) for line in made), n_words)


def interval_words(row: Estimate, metric: Metric) -> str:
    """`0.880 to 0.942`, "" where a row has no limits."""
    if row.lower is None or row.upper is None:
        return ""
    low, high = (number(v * scale_of(metric, row), decimals=metric.decimals) for v in (row.lower, row.upper))
    return f"{low} to {high}"


def value_of(row: Estimate | None, metric: Metric) -> str:
    """The number of a row, or why there is none."""
    if row is None:
        return ""
    if row.estimate is None:
        return SUPPRESSED if row.suppressed else NONE
    return number(row.estimate * scale_of(metric, row), decimals=metric.decimals)


def cell_of(row: Estimate | None, metric: Metric, *, median: Estimate | None = None, p: bool = False) -> Cell:
    """A number with its interval below it, then the median with its quartiles, then p and q."""
    small = [] if row is None or row.estimate is None else [interval_words(row, metric)]
    if median is not None and median.estimate is not None:
        inside = interval_words(median, metric).replace(" to ", ",\u00a0")
        small.append(f"{value_of(median, metric)}{f' [{inside}]' if inside else ''}")
    if p and row is not None:
        small += [p_said(v, name=name) for name, v in (("p", row.p), ("q", row.q)) if v is not None]
    return Cell(value_of(row, metric), tuple(s for s in small if s))


def said_of(row: Estimate, metric: Metric, unit: str = "") -> str:
    """`2.6% (2.2 to 3.0)`, `8.8 ml (7.5 to 10.1)`: a number in a sentence."""
    inside = interval_words(row, metric)
    known = f"{value_of(row, metric)}{unit if unit in ('', '%') else ' ' + unit}"
    return f"{known} ({inside})" if inside and row.estimate is not None else known


def sizes_words(rows: Sequence[Estimate]) -> str:
    """`10 to 60`: the fewest and the most people of rows; "" where none of them tells."""
    known = [(row.n, row) for row in rows if row.n is not None]
    ends = [count_words(*end(known, key=lambda one: one[0])) for end in (min, max)] if known else []
    return " to ".join(dict.fromkeys(ends))
