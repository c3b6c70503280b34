"""Hazard ratios pooled over tables in which missing cells were filled in."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.cox import CoxFit
from cinema_cli.analysis.statistics.imputation import Covariate, impute
from cinema_cli.analysis.statistics.limits import UNREADABLE, readable
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.statistics.pooling import pool
from cinema_cli.analysis.survival.associations import confounding_row, is_rare
from cinema_cli.analysis.survival.design import Design, sd_words
from cinema_cli.analysis.survival.models import ModelData, Place, model_data, term_rows
from cinema_cli.analysis.survival.settings import SurvivalSettings
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.domain.errors import NotEstimableError

COMPLETE_CASE = "_complete_case"  # added to the name of a model whose pooled one takes its place


def pooled_rows(table: AnalysisTable, settings: SurvivalSettings) -> Iterator[Estimate]:
    """The unadjusted and adjusted model of each phenotype, pooled by Rubin's rules. Raises NotEstimableError."""
    tables = completed(table, n=settings.n_imputations, seed=settings.seed)
    for phenotype in table.phenotypes:
        others = [name for name in table.covariates if name != phenotype]
        models = {"unadjusted": [phenotype]} | ({"adjusted": [phenotype, *others]} if others else {})
        for model, terms in models.items():
            place = Place(table.outcome_name, model, phenotype)
            try:
                yield from _pooled(table, place, [model_data(one, terms, per=settings.per) for one in tables])
            except NotEstimableError as error:
                yield place.cannot(error)


def completed(table: AnalysisTable, *, n: int, seed: int) -> list[AnalysisTable]:
    """The table `n` times, each with its missing phenotypes and covariates filled in from a stream of its own."""
    names = list(dict.fromkeys([*table.covariates, *table.phenotypes]))
    levels = {name: sorted(table.texts(name).drop_nulls().unique()) for name in names if table.is_category(name)}
    columns = [_column(table, name, levels.get(name)) for name in names]
    tables = []
    for filled in impute(columns, table.outcome(), m=n, seed=seed):
        new = [_series(name, filled[:, k], levels.get(name)) for k, name in enumerate(names)]
        tables.append(replace(table, rows=table.rows.with_columns(new)))
    return tables


def complete_case(rows: Sequence[Estimate]) -> list[Estimate]:
    """Rows of complete cases, their models named as such, to stand beside the pooled ones."""
    return [replace(row, model=row.model + COMPLETE_CASE) if row.model else row for row in rows]


def _pooled(table: AnalysisTable, place: Place, data: Sequence[ModelData]) -> Iterator[Estimate]:
    fits = [one.fit() for one in data]
    scales = np.array([one.design.scales for one in data])
    mean_scale = scales.mean(axis=0)  # filled-in tables have standard deviations of their own
    rescaled = mean_scale / scales
    found = pool(
        np.array([fit.coef for fit in fits]) * rescaled,
        np.array([np.diag(fit.variance) for fit in fits]) * rescaled**2,
        df_complete=float(max(fits[0].n_events - len(fits[0].coef), 1)),
    )
    pooled = _as_fit(fits[0], found.estimate, found.variance)
    shown = replace(data[0], design=replace(data[0].design, units=_units(data[0].design, mean_scale)))
    rare = is_rare(table, shown)
    for k, row in enumerate(term_rows(place, pooled, shown)):
        with np.errstate(over="ignore"):
            lower, upper = np.exp([found.lower[k], found.upper[k]])
        if row.estimate is None or not readable(lower, upper):
            yield place.cannot(NotEstimableError(f"{row.term}: {UNREADABLE}"), term=row.term)
            continue
        row = replace(row, lower=float(lower), upper=float(upper), p=float(found.p[k]))
        yield row
        yield replace(
            row, analysis="imputation", level=str(len(fits)), estimate=float(found.fmi[k]), lower=None, upper=None,
            se=None, p=None, unit="",
        )  # fmt: skip
        if row.term == place.group:
            yield confounding_row(row, rare=rare)
    events = fits[0].n_events
    yield Estimate(
        "model_fit", place.outcome, place.model, "events_per_term", place.group,
        n=fits[0].n, events=events, estimate=events / len(pooled.coef),
    )  # fmt: skip


def _units(design: Design, scales: Floats) -> tuple[str, ...]:
    """What hazard ratios are per, with the standard deviation that the filled-in tables have on average."""
    return tuple(
        unit if scale == 1 or design.is_level(k) else sd_words(term, float(mean))
        for k, (unit, scale, term, mean) in enumerate(
            zip(design.units, design.scales, design.terms, scales, strict=True)
        )
    )


def _as_fit(fit: CoxFit, coef: Floats, variance: Floats) -> CoxFit:
    return replace(fit, coef=coef, variance=np.diag(variance))


def _column(table: AnalysisTable, name: str, levels: Sequence[str] | None) -> Covariate:
    if levels is None:
        return Covariate(name, table.floats(name))
    codes = table.texts(name).replace_strict(levels, range(len(levels)), default=None, return_dtype=pl.Float64)
    return Covariate(name, codes.fill_null(float("nan")).to_numpy().astype(np.float64), len(levels))


def _series(name: str, values: Floats, levels: Sequence[str] | None) -> pl.Series:
    if levels is None:
        return pl.Series(name, values)
    return pl.Series(name, [levels[int(code)] for code in values], dtype=pl.String)
