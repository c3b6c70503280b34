"""From values in the table of an evaluation to rows of estimates: agreement, and what it is drawn from."""

from collections.abc import Iterator, Sequence
from math import isfinite

import numpy as np
import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.evaluation.bland_altman import bland_altman_rows
from cinema_cli.analysis.evaluation.parts import first_of_each, parts_of
from cinema_cli.analysis.evaluation.table import Kind, System
from cinema_cli.analysis.statistics.agreement import agreement, icc21, icc31
from cinema_cli.analysis.statistics.interval import Interval, mean_interval
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.domain.errors import NotEstimableError
from cinema_cli.domain.phenotypes import PHENOTYPES

MODELS = ("bias", "mae", "rmse", "sd", "loa_lower", "loa_upper", "icc21", "icc31", "r2", "slope", "middle")
_ICCS = {"icc21": icc21, "icc31": icc31}
_UNITLESS = ("icc21", "icc31", "r2", "slope")
_FEWEST = 10  # people in a cell of a picture, unless asked for otherwise
_UNITS = {phenotype.name: phenotype.unit for phenotype in PHENOTYPES}
_SUFFIXES = {"pct": "%", "ml": "ml", "g": "g", "mm": "mm", "bpm": "1/min", "years": "years"}


def agreement_rows(
    table: pl.DataFrame,
    *,
    people: pl.DataFrame | None = None,
    groups: Sequence[str] = (),
    system: System = System.THIS,
    fewest: int = _FEWEST,
) -> list[Estimate]:
    """`agreement` rows of a system's values (EVALUATION), overall and by group, and overall `bland_altman`.

    Of a participant with several studies the first that has both values counts. `people` and `groups` as in
    `parts.parts_of`; `fewest`: people in a cell of `bland_altman`, with 1 a point a person.
    """
    rows = []
    for term, pairs in value_pairs(table, system=system):
        for group, inside in parts_of(pairs, people, groups):
            prediction, reference = (inside[name].to_numpy() for name in ("prediction", "reference"))
            rows += [*_agreement(term, group, prediction, reference)]
        prediction, reference = (pairs[name].to_numpy() for name in ("prediction", "reference"))
        rows += bland_altman_rows(
            term, prediction, reference, model="agreement", fewest=fewest, unit=unit_of(term)
        )  # fmt: skip
    return rows


def value_pairs(table: pl.DataFrame, *, system: System = System.THIS) -> Iterator[tuple[str, pl.DataFrame]]:
    """(term, participant_id, prediction, reference) of each value that somebody has from both, one row a person.

    Values at a frame are a term of their own: `<term> <frame>`.
    """
    both = pl.col("prediction").is_not_null() & pl.col("reference").is_not_null()
    values = table.filter((pl.col("kind") == Kind.VALUE) & (pl.col("system") == system) & both)
    for (term, frame), rows in values.group_by("term", "frame", maintain_order=True):
        yield f"{term} {frame}".strip(), first_of_each(rows).select("participant_id", "prediction", "reference")


def interval_row(
    analysis: str, interval: Interval, *, model: str, term: str, group: str, n: int, unit: str = ""
) -> Iterator[Estimate]:
    """One row, or none where there is no figure."""
    if isfinite(interval.estimate):
        yield Estimate(
            analysis, model=model, term=term, group=group, n=n, estimate=interval.estimate, lower=interval.lower,
            upper=interval.upper, p=interval.p, unit=unit,
        )  # fmt: skip


def unit_of(term: str) -> str:
    """Unit of a value by its name, whose last part it is."""
    name = term.partition(" ")[0]
    return _UNITS.get(name) or _SUFFIXES.get(name.rpartition("_")[2], "")


def _agreement(term: str, group: str, prediction: Floats, reference: Floats) -> Iterator[Estimate]:
    found = agreement(prediction, reference)
    by_model = {name: getattr(found, name) for name in MODELS if name not in (*_ICCS, "middle")}
    if isfinite(found.slope.estimate):
        by_model["middle"] = mean_interval((prediction + reference) / 2.0)
    ratings = np.column_stack([prediction, reference])
    for model, icc in _ICCS.items():
        try:
            by_model[model] = icc(ratings)
        except NotEstimableError as error:
            yield Estimate("too_few", model=model, term=term, group=group, level=error.message, n=found.n)
    tested = ("bias", "slope")
    for model in MODELS:
        if (interval := by_model.get(model)) is None:
            continue
        shown = interval if model in tested else Interval(interval.estimate, interval.lower, interval.upper)
        unit = "" if model in _UNITLESS else unit_of(term)
        yield from interval_row("agreement", shown, model=model, term=term, group=group, n=found.n, unit=unit)
