"""Columns of the analysis table as the columns of a model: categories against one of them, phenotypes per SD."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.analysis.survival.settings import Per
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.domain.errors import NotEstimableError
from cinema_cli.domain.phenotypes import PHENOTYPES

_UNITS = {phenotype.name: phenotype.unit for phenotype in PHENOTYPES}


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Covariates of a model for n rows; NaN where the table lacks a value."""

    names: tuple[str, ...]  # (p,) `lvef_pct`, `sex=M`
    x: Floats  # (n, p)
    terms: tuple[str, ...]  # (p,) the column of the table that each comes from
    scales: tuple[float, ...]  # (p,) what one unit of x is in the table's unit: the SD, or 1
    units: tuple[str, ...]  # (p,) the same in words: `SD (9.8 %)`, `unit`, `M against F`

    def columns_of(self, *terms: str) -> list[int]:
        """Positions of the columns that come from these columns of the table."""
        return [at for at, term in enumerate(self.terms) if term in terms]

    def is_level(self, at: int) -> bool:
        """Whether a column tells one category from the others."""
        return self.names[at] != self.terms[at]

    def only(self, *terms: str) -> "Design":
        """The columns that come from some of the terms, in the order they have here."""
        at = self.columns_of(*terms)
        return Design(
            tuple(self.names[k] for k in at),
            np.ascontiguousarray(self.x[:, at]),
            tuple(self.terms[k] for k in at),
            tuple(self.scales[k] for k in at),
            tuple(self.units[k] for k in at),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    name: str
    x: Floats  # (n,)
    term: str
    scale: float = 1.0
    unit: str = "unit"


def design(table: AnalysisTable, terms: Sequence[str], *, rows: Ints | None = None, per: Per = Per.SD) -> Design:
    """The columns of a model with these phenotypes and covariates, in their order.

    Text becomes a column for each category but the most frequent one of the table; phenotypes are divided by their
    standard deviation in these rows unless `per` is a unit. Raises NotEstimableError where that is 0.
    """
    columns: list[_Column] = []
    for term in terms:
        if table.is_category(term):
            columns += _categories(table, term, rows)
        else:
            columns.append(_number(table, term, rows, per=per))
    n = table.n if rows is None else len(rows)
    x = np.column_stack([column.x for column in columns]) if columns else np.empty((n, 0))
    return Design(
        tuple(column.name for column in columns),
        np.ascontiguousarray(x, dtype=np.float64),
        tuple(column.term for column in columns),
        tuple(column.scale for column in columns),
        tuple(column.unit for column in columns),
    )


def reference_level(levels: Mapping[str, int]) -> str:
    """The most frequent of the categories (count of each); of equally frequent ones the first by name."""
    return min(levels, key=lambda level: (-levels[level], level))


def unit_of(name: str) -> str:
    """Unit of a phenotype that this program measures; empty for others."""
    return _UNITS.get(name, "")


def _number(table: AnalysisTable, term: str, rows: Ints | None, *, per: Per) -> _Column:
    values, unit = table.floats(term, rows), unit_of(term)
    if term not in table.phenotypes or per is Per.UNIT:
        return _Column(term, values, term, unit=unit or "unit")
    known = values[np.isfinite(values)]
    scale = float(np.std(known, ddof=1)) if known.size > 1 else 0.0
    if not scale > 1e-12 * max(1.0, float(np.max(np.abs(known), initial=0.0))):
        raise NotEstimableError(
            f"{term} is the same in all rows: its hazard ratio is not estimable",
            hint="Leave it out with --phenotypes.",
            code="constant",
        )
    return _Column(term, values / scale, term, scale, sd_words(term, scale))


def sd_words(term: str, scale: float) -> str:
    """A standard deviation as what a hazard ratio is per: `SD (9.8 %)`."""
    return f"SD ({scale:.3g} {unit_of(term)})".replace(" )", ")")


def _categories(table: AnalysisTable, term: str, rows: Ints | None) -> list[_Column]:
    """Columns of 0 and 1, one a category that occurs in the rows, in order of their names."""
    whole = table.texts(term)
    texts = whole if rows is None else whole[rows]
    present = sorted(texts.drop_nulls().unique())
    if len(present) < 2:
        raise NotEstimableError(
            f"{term} is the same in all rows: its hazard ratio is not estimable",
            hint="Leave it out with --covariates.",
            code="constant",
        )
    counts = dict(whole.drop_nulls().value_counts().iter_rows())
    against = reference_level({level: counts[level] for level in present})
    return [
        _Column(
            f"{term}={level}",
            (texts == level).cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64),
            term,
            unit=f"{level} against {against}",
        )
        for level in present
        if level != against
    ]
