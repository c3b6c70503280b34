"""What of an audit may be released: small counts go, and gaps from which a hidden figure could be computed back."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.disclosure.rounding import level_of
from cinema_cli.analysis.disclosure.rows import columns_of
from cinema_cli.analysis.estimates import SCHEMA
from cinema_cli.analysis.statistics.group_gaps import Apart

_APART = (*(str(way) for way in Apart), "gap_adjusted")
Row = Mapping[str, Any]


def released(estimates: pl.DataFrame, *, min_cell: int) -> pl.DataFrame:
    """The table as `suppressed` leaves it, without the size of gaps between groups any of whose figures it changed.

    Exact gaps would give figures back that are hidden or rounded, and with everybody's those of the few; beside figures
    that stayed, of rounded numbers of people, they tell nothing more. What permutations show stays, p and q as in
    `level_of`.
    """
    if min_cell <= 1:
        return estimates
    both = list(
        zip(
            estimates.iter_rows(named=True),
            suppressed(estimates, min_cell=min_cell).iter_rows(named=True),
            strict=True,
        )
    )
    changed = {
        _compared(old, columns_of(old["group"]))
        for old, new in both
        if old["analysis"] == "group_metric" and old["group"] and old["estimate"] != new["estimate"]
    }
    rows = [
        _without_size(new) if old["analysis"] in _APART and _compared(old, old["group"]) in changed else new
        for old, new in both
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def _compared(row: Row, column: str) -> tuple[str, str, str, str]:
    """The metric and the column of which groups are compared."""
    return row["outcome"], row["model"], row["term"], column


def _without_size(row: Row) -> Row:
    tests = {name: level_of(row[name]) for name in ("p", "q")}
    return {**row, **dict.fromkeys(("estimate", "lower", "upper", "se")), **tests, "suppressed": True}
