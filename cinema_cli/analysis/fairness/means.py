"""Metrics that are means over people, in all groups of all columns: figures, gaps, gaps with covariates held equal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.fairness.groups import AND, GroupColumn
from cinema_cli.analysis.fairness.metric import Metric, RankMetric
from cinema_cli.analysis.fairness.rows import gap_rows, mean_row, too_few, with_interval
from cinema_cli.analysis.fairness.settings import FairnessSettings
from cinema_cli.analysis.statistics.adjusted_gap import adjusted_gap
from cinema_cli.analysis.statistics.delong import auc, auc_interval
from cinema_cli.analysis.statistics.group_figures import auc_in_groups, figure_gaps
from cinema_cli.analysis.statistics.group_means import mean_gaps
from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.domain.errors import NotEstimableError


def mean_rows(
    metrics: Sequence[Metric],
    columns: Sequence[GroupColumn],
    covariates: Mapping[str, Floats],
    settings: FairnessSettings,
) -> Iterator[Estimate]:
    """Every metric in everybody and in every group, and its gap in every column, permuted and resampled together."""
    if not metrics:
        return
    values = np.stack([_where_it_varies(metric.values) for metric in metrics], axis=1)
    gaps = mean_gaps(values, [c.code for c in columns], [m.better for m in metrics], settings.draws)
    for j, metric in enumerate(metrics):
        row = Estimate("group_metric", model=metric.model, term=metric.term, unit=metric.unit)
        known = np.isfinite(metric.values)
        yield mean_row(row, metric.values[known], is_share=metric.is_share, fewest=settings.fewest)
        for a, column in enumerate(columns):
            for code, label in enumerate(column.labels):
                own = metric.values[known & (column.code == code)]
                yield mean_row(replace(row, group=label), own, is_share=metric.is_share, fewest=settings.fewest)
            if (a, j) in gaps:
                found = gaps[a, j]
                n = int(np.count_nonzero(known & np.isin(column.code, found.groups)))
                yield from gap_rows(replace(row, analysis="gap", n=n), column, found)
                yield from _adjusted(metric, column, found.groups, covariates, settings)


def _where_it_varies(values: Floats) -> Floats:
    """The same; nobody's where all are alike, so that nothing is tested where there is nothing to find."""
    known = values[np.isfinite(values)]
    return values if len(known) and known.min() < known.max() else np.full(len(values), np.nan)


def rank_rows(metric: RankMetric, columns: Sequence[GroupColumn], settings: FairnessSettings) -> Iterator[Estimate]:
    """An area under the ROC curve likewise; a group needs enough people with and without the condition."""
    known = np.isfinite(metric.score)
    row = Estimate("group_metric", model=metric.model, term=metric.term)
    yield _area(row, metric, known, settings.fewest)
    figure = auc_in_groups(np.nan_to_num(metric.score), metric.positive)
    for column in columns:
        code = column.code.copy()
        for k, label in enumerate(column.labels):
            own = known & (column.code == k)
            found = _area(replace(row, group=label), metric, own, settings.fewest)
            yield found
            if found.analysis == "too_few":
                code[own] = -1
        code[~known] = -1
        gaps = figure_gaps(figure, code, metric.better, settings.draws)
        if gaps is not None:
            n = int(np.count_nonzero(code >= 0))
            yield from gap_rows(replace(row, analysis="gap", n=n), column, gaps)


def _area(row: Estimate, metric: RankMetric, own: np.ndarray, fewest: int) -> Estimate:
    positive = metric.positive[own]
    n, events = len(positive), int(np.count_nonzero(positive))
    row = replace(row, n=n, events=events)
    if min(events, n - events) < fewest:
        return too_few(row, f"fewer than {fewest} people with or without it")
    return with_interval(row, auc_interval(auc(metric.score[own], positive), smallest=min(events, n - events)))


def _adjusted(
    metric: Metric, column: GroupColumn, groups: Ints, covariates: Mapping[str, Floats], settings: FairnessSettings
) -> Iterator[Estimate]:
    """The gap once covariates are held equal, those that the groups are made of left out."""
    own = column.name.split(AND)
    names = [name for name in covariates if name.partition("=")[0] not in own and not _is_age_of(name, own)]
    if not names:
        return
    x = np.column_stack([covariates[name] for name in names])
    row = Estimate("gap_adjusted", model=metric.model, term=metric.term, group=column.name, unit=metric.unit)
    rows = np.flatnonzero(np.isin(column.code, groups) & np.isfinite(metric.values) & np.isfinite(x).all(axis=1))
    kept, code, sizes = np.unique(column.code[rows], return_inverse=True, return_counts=True)
    try:
        if len(kept) < len(groups) or sizes.min() < settings.fewest:
            raise NotEstimableError("too few people of a group have all covariates: the adjusted gap is not estimable")
        found = adjusted_gap(metric.values[rows], code, x[rows], is_share=metric.is_share, seed=settings.seed)
    except NotEstimableError as error:
        yield replace(row, analysis="not_estimable", level=error.message, unit="")
        return
    yield replace(
        row,
        level=", ".join(names),
        n=found.n,
        estimate=found.estimate,
        lower=found.lower,
        upper=found.upper,
        p=found.p,
    )


def _is_age_of(name: str, columns: Sequence[str]) -> bool:
    return name in ("age", "age_years") and "age_band" in columns
