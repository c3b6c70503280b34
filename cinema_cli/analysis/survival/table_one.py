"""Who takes part: every variable overall and by group, as rows of the table of estimates (Table 1)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.describe import describe, smd_categories, smd_numbers
from cinema_cli.analysis.statistics.outcome import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """Everybody, or the groups of a column, with their rows."""

    column: str  # "" for everybody
    rows: dict[str, Ints]  # level -> row numbers

    def group(self, level: str) -> str:
        """How the table of estimates names a group."""
        return f"{self.column}={level}" if self.column else ""


def table_one(rows: pl.DataFrame, variables: Sequence[str], groups: Sequence[str]) -> list[Estimate]:
    """Table 1 of `rows` (one a person): see `table_one` in `ANALYSES`.

    Variables of text, booleans and numbers that are only 0 and 1 are categories (count, percent of the known); other
    numbers have mean, SD and quartiles (R's type 7). Both have missing and its percent of everybody in the group.
    The size of a group is the count of the term ``. For a group column, `smd` is the largest standardised difference
    between two of its groups; its row's group is the column's name alone, its n the people with a value. People whose
    group is missing are in the overall column only; a group column is not described by itself.
    """
    words = {name: _words(rows[name]) for name in dict.fromkeys([*variables, *groups]) if _is_category(rows[name])}
    words |= {name: _text(rows[name]) for name in groups if name not in words}
    found: list[Estimate] = []
    for split in [_Split("", {"": np.arange(rows.height)}), *(_split(name, words[name]) for name in groups)]:
        for level, people in split.rows.items():
            found.append(_row(split, level, "count", n=len(people), estimate=len(people)))
        for name in variables:
            if name == split.column:
                continue
            if name in words:
                found.extend(_categories(name, words[name], split))
            else:
                found.extend(_numbers(name, rows[name].cast(pl.Float64).to_numpy(), split))
    return found


def _is_category(values: pl.Series) -> bool:
    if not values.dtype.is_numeric():
        return True
    known = values.cast(pl.Float64).fill_nan(None).drop_nulls()
    return len(known) > 0 and bool(known.is_in([0.0, 1.0]).all())


def _words(values: pl.Series) -> pl.Series:
    """Categories as text: 1.0 of a column of 0 and 1 is `1`."""
    return values.cast(pl.Int64, strict=False).cast(pl.String) if values.dtype.is_numeric() else _text(values)


def _text(values: pl.Series) -> pl.Series:
    if values.dtype.is_float():
        values = values.fill_nan(None)
    return values.cast(pl.String)


def _split(column: str, words: pl.Series) -> _Split:
    levels, codes = _codes(words)
    return _Split(column, {level: np.flatnonzero(codes == k) for k, level in enumerate(levels)})


def _codes(words: pl.Series) -> tuple[list[str], Ints]:
    """Categories in order, and each row's place among them, -1 where missing."""
    levels = words.drop_nulls().unique().sort().to_list()
    codes = words.replace_strict(levels, range(len(levels)), default=-1, return_dtype=pl.Int64)
    return levels, codes.fill_null(-1).to_numpy()


def _numbers(name: str, values: Floats, split: _Split) -> Iterator[Estimate]:
    """Rows of a numeric variable."""
    described = {}
    for level, people in split.rows.items():
        of_level = values[people]
        known = describe(of_level[np.isfinite(of_level)])
        described[level] = known
        for statistic in ("mean", "sd", "median", "q1", "q3"):
            yield _row(split, level, statistic, term=name, n=known.n, estimate=getattr(known, statistic))
        yield from _missing(name, split, level, known=known.n)
    if split.column:
        means = np.array([d.mean for d in described.values()])
        sds = np.array([d.sd for d in described.values()])
        yield _smd(name, split, sum(d.n for d in described.values()), smd_numbers(means, sds))


def _categories(name: str, words: pl.Series, split: _Split) -> Iterator[Estimate]:
    """Rows of a categorical variable."""
    levels, codes = _codes(words)
    counts = np.zeros((len(split.rows), len(levels)))
    for (level, people), of_level in zip(split.rows.items(), counts, strict=True):
        of_level[:] = np.bincount(codes[people][codes[people] >= 0], minlength=len(levels))
        known = int(of_level.sum())
        for category, count in zip(levels, of_level, strict=True):
            percent = 100.0 * count / known if known else math.nan
            yield _row(split, level, "count", term=name, category=category, n=known, estimate=count)
            yield _row(split, level, "percent", term=name, category=category, n=known, estimate=percent, unit="%")
        yield from _missing(name, split, level, known=known)
    if split.column:
        yield _smd(name, split, int(counts.sum()), smd_categories(counts))


def _missing(name: str, split: _Split, level: str, *, known: int) -> Iterator[Estimate]:
    size = len(split.rows[level])
    yield _row(split, level, "missing", term=name, n=size, estimate=size - known)
    percent = 100.0 * (size - known) / size if size else math.nan
    yield _row(split, level, "missing_percent", term=name, n=size, estimate=percent, unit="%")


def _smd(name: str, split: _Split, known: int, value: float) -> Estimate:
    return Estimate("table_one", model="smd", term=name, group=split.column, n=known, estimate=value)


def _row(
    split: _Split,
    level: str,
    statistic: str,
    *,
    n: int,
    estimate: float,
    term: str = "",
    category: str = "",
    unit: str = "",
) -> Estimate:
    return Estimate(
        "table_one",
        model=statistic,
        term=term,
        group=split.group(level),
        level=category,
        n=n,
        estimate=float(estimate),
        unit=unit,
    )
