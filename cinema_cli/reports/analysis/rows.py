"""How the sections of the page look things up in the table of estimates."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from cinema_cli.analysis.estimates import SCHEMA, Estimate

APPARENT, CORRECTED, HELD_OUT = "apparent", "optimism-corrected", "held-out"
STANDINGS = (CORRECTED, HELD_OUT, APPARENT)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The estimates by their kind, each in the order of the table."""

    by_analysis: dict[str, list[Estimate]]

    def of(
        self,
        analysis: str,
        *,
        model: str | None = None,
        term: str | None = None,
        group: str | None = None,
        level: str | None = None,
    ) -> list[Estimate]:
        """Rows of a kind, only those with these words where words are given."""
        wanted = [(name, v) for name, v in (("model", model), ("term", term), ("group", group), ("level", level))]
        wanted = [(name, v) for name, v in wanted if v is not None]
        rows = self.by_analysis.get(analysis, [])
        return [row for row in rows if all(getattr(row, name) == v for name, v in wanted)] if wanted else rows

    def one(
        self,
        analysis: str,
        *,
        model: str | None = None,
        term: str | None = None,
        group: str | None = None,
        level: str | None = None,
    ) -> Estimate | None:
        """The first of them, None where there is none."""
        return next(iter(self.of(analysis, model=model, term=term, group=group, level=level)), None)


def rows_of(estimates: pl.DataFrame) -> Rows:
    """The table in reach of the sections; it may come from estimates.csv, where empty words are missing."""
    text = [name for name, kind in SCHEMA.items() if kind == pl.String]
    table = estimates.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    table = table.with_columns(pl.col(text).fill_null(""), pl.col("suppressed").fill_null(False))
    by_analysis: dict[str, list[Estimate]] = {}
    for values in table.iter_rows():
        row = Estimate(*values)
        by_analysis.setdefault(row.analysis, []).append(row)
    return Rows(by_analysis)


def at(row: Estimate) -> float:
    """The number in a row's level: a time, a value, a threshold; NaN where there is none."""
    try:
        return float(row.level)
    except ValueError:
        return math.nan


def in_order(words: Iterable[str]) -> list[str]:
    """Each of them once, in the order in which they first come."""
    return list(dict.fromkeys(words))


def standing(row: Estimate) -> str:
    """How a figure of performance came about, as its row says; apparent where the row is silent."""
    return next((s for s in STANDINGS if s in (row.group, row.level, row.term, row.unit)), APPARENT)
