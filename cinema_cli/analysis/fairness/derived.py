"""What is compared or held equal and made of other columns: age bands, body mass index, checks that are not passed."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import polars as pl

from cinema_cli.analysis.statistics.group_means import FEWEST
from cinema_cli.analysis.survival.columns import AGES
from cinema_cli.analysis.survival.reading import as_numbers

AGE_BAND, BMI, FLAGGED = "age_band", "bmi", "flagged_checks"  # made here where the tables lack them
QC = "qc_"
FLAG = ("flag", "fail")  # verdicts of a check that is not passed
_DECADE = 10.0


def with_derived(rows: pl.DataFrame, age_bands: Sequence[float]) -> pl.DataFrame:
    """People with what their columns tell; `age_bands`: ages in years that bands begin with (none: decades)."""
    made: dict[str, pl.Series] = {}
    age = next((name for name in AGES if name in rows.columns), "")
    if age:
        made[AGE_BAND] = _bands(as_numbers(rows[age]), age_bands)
    if {"height_cm", "weight_kg"} <= set(rows.columns):
        height, weight = as_numbers(rows["height_cm"]), as_numbers(rows["weight_kg"])
        made[BMI] = weight / (height / 100.0) ** 2
    checks = [name for name in rows.columns if name.startswith(QC)]
    if checks:
        flags = rows.select(pl.sum_horizontal(pl.col(name).is_in(FLAG).fill_null(value=False) for name in checks))
        known = rows.select(pl.any_horizontal(pl.col(name).is_not_null() for name in checks)).to_series()
        made[FLAGGED] = flags.to_series().cast(pl.Float64).set(~known, None)
    return rows.with_columns(values.alias(name) for name, values in made.items() if name not in rows.columns)


def _bands(ages: pl.Series, starts: Sequence[float]) -> pl.Series:
    """Ages in years as `50 to 59`, in decades or between given ages."""
    edges = list(starts) or _decades(ages)
    words: Mapping[int, str] = {
        0: f"under {edges[0]:g}",
        **{k: f"{low:g} to {high - 1:g}" for k, (low, high) in enumerate(pairwise(edges), 1)},
        len(edges): f"{edges[-1]:g} and over",
    }
    place = sum((ages >= edge).cast(pl.Int64) for edge in edges)
    assert isinstance(place, pl.Series)
    return place.replace_strict(dict(words), return_dtype=pl.String)


def _decades(ages: pl.Series) -> list[float]:
    """Where bands begin: few people at either end are one band with the next decade, for they could not be shown."""
    known = ages.drop_nulls()
    if known.is_empty():
        return [_DECADE]
    lowest, highest = (float(v) // _DECADE * _DECADE for v in (known.min(), known.max()))  # type: ignore[arg-type]
    edges = [lowest + _DECADE * k for k in range(round((highest - lowest) / _DECADE) + 2)]
    if len(edges) > 3 and (known >= edges[-2]).sum() < FEWEST:
        edges = edges[:-2]
        while len(edges) > 2 and (known >= edges[-1]).sum() < FEWEST:
            edges.pop()
    if len(edges) > 3 and (known < edges[1]).sum() < FEWEST:
        edges = edges[2:]
        while len(edges) > 2 and (known < edges[0]).sum() < FEWEST:
            edges.pop(0)
    return edges
