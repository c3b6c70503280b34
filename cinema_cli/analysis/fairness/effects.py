"""Whether a phenotype goes with the outcome alike in every group: hazard ratios by group, and their interaction."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.fairness.groups import AND, GroupColumn
from cinema_cli.analysis.fairness.rows import too_few
from cinema_cli.analysis.statistics.cox import fit_cox, likelihood_ratio
from cinema_cli.analysis.statistics.limits import UNREADABLE, readable
from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.analysis.survival.models import ModelData, model_data
from cinema_cli.analysis.survival.settings import Per
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.domain.errors import NotEstimableError


def hazard_ratio_rows(
    table: AnalysisTable, people: Ints, phenotype: str, column: GroupColumn, *, fewest: int
) -> Iterator[Estimate]:
    """Hazard ratio of a phenotype per SD, adjusted for covariates, in each group, and the test that it is the same.

    `people` (rows,) says whose group in `column` each row has, -1 where nobody's. The SD is that of all rows; the
    test's model has a column for each group but one, and their products with the phenotype.
    """
    own = column.name.split(AND)
    place = Estimate("group_metric", table.outcome_name, "hazard_ratio", phenotype, unit="per SD")
    try:
        data = model_data(table, [phenotype, *(name for name in table.covariates if name not in own)], per=Per.SD)
        code = column.take_or_unknown(people[data.rows]).code
        kept = []
        for k, label in enumerate(column.labels):
            row = _hazard_ratio(replace(place, group=label), data.take(np.flatnonzero(code == k)), fewest)
            yield row
            if row.analysis != "too_few":
                kept.append(k)
        if len(kept) > 1:
            rows = np.flatnonzero(np.isin(code, kept))
            yield _interaction(replace(place, group=column.name), data.take(rows), code[rows], kept)
    except NotEstimableError as error:
        yield replace(place, analysis="not_estimable", group=column.name, level=error.message, unit="")


def _hazard_ratio(row: Estimate, data: ModelData, fewest: int) -> Estimate:
    outcome, x = data.outcome, data.design.x
    row = replace(row, n=outcome.n, events=outcome.n_events)
    if outcome.n_events < fewest:
        return too_few(row, f"fewer than {fewest} events")
    varies = [k == 0 or bool(np.ptp(x[:, k]) > 0) for k in range(x.shape[1])]
    names = [name for name, keep in zip(data.design.names, varies, strict=True) if keep]
    try:
        fit = fit_cox(
            outcome, x[:, varies], names=names, weights=data.weights, strata=data.strata, cluster=data.cluster
        )
    except NotEstimableError as error:
        return too_few(row, error.message)
    if not readable(fit.hazard_ratio[0], fit.lower[0], fit.upper[0]):
        return too_few(row, UNREADABLE)
    return replace(
        row,
        estimate=float(fit.hazard_ratio[0]),
        lower=float(fit.lower[0]),
        upper=float(fit.upper[0]),
        se=float(fit.se[0]),
        p=float(fit.p[0]),
    )


def _interaction(row: Estimate, data: ModelData, code: Ints, kept: list[int]) -> Estimate:
    groups = (code[:, None] == np.array(kept[1:])).astype(np.float64)
    products = groups * data.design.x[:, :1]
    names = [f"group {k}" for k in kept[1:]]
    smaller = _columns(data, groups, names)
    larger = _columns(data, np.column_stack([groups, products]), [*names, *(f"interaction {k}" for k in kept[1:])])
    test = likelihood_ratio(
        *(fit_cox(data.outcome, x, names=of, weights=data.weights, strata=data.strata) for x, of in (smaller, larger))
    )
    return replace(
        row,
        analysis="interaction",
        n=data.outcome.n,
        events=data.outcome.n_events,
        level=str(test.df),
        estimate=test.statistic,
        p=test.p,
        unit="",
    )


def _columns(data: ModelData, more: Floats, names: list[str]) -> tuple[Floats, list[str]]:
    return np.column_stack([data.design.x, more]), [*data.design.names, *names]
