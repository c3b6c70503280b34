"""Estimates of one metric in the groups of a column: each group with its interval, and how far they lie apart."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.fairness.groups import GroupColumn
from cinema_cli.analysis.statistics.diagnostic import wilson
from cinema_cli.analysis.statistics.group_gaps import Apart, GroupGaps
from cinema_cli.analysis.statistics.interval import Interval, mean_interval
from cinema_cli.analysis.statistics.outcome import Floats

_WITH_UNIT = (Apart.GAP, Apart.WORST)


def mean_row(row: Estimate, values: Floats, *, is_share: bool, fewest: int) -> Estimate:
    """The mean of one group (n,), limits by Student's t, of a share Wilson's; `too_few` where it has few people."""
    n = len(values)
    events = int(values.sum()) if is_share else None
    if n < fewest:
        return too_few(replace(row, n=n, events=events), f"fewer than {fewest} people")
    found = wilson(int(values.sum()), n) if is_share else mean_interval(values)
    return with_interval(replace(row, n=n, events=events), found)


def with_interval(row: Estimate, found: Interval) -> Estimate:
    """The row with a figure and its limits."""
    return replace(row, estimate=found.estimate, lower=found.lower, upper=found.upper)


def too_few(row: Estimate, reason: str) -> Estimate:
    """The row without a number, and why."""
    return replace(row, analysis="too_few", level=reason, estimate=None, lower=None, upper=None)


def gap_rows(row: Estimate, column: GroupColumn, found: GroupGaps) -> Iterator[Estimate]:
    """Gap, ratio, worst group and skewed error ratio, then each under permutation; `row` says of what and whom."""
    row = replace(row, group=column.name)
    for way, disparity in found.apart.items():
        if not np.isfinite(disparity.estimate):
            continue
        yield replace(
            row,
            analysis=str(way),
            level=column.labels[found.worst] if way is Apart.WORST else row.level,
            estimate=disparity.estimate,
            lower=disparity.lower,
            upper=disparity.upper,
            p=None if disparity.null is None else disparity.null.p,
            unit=row.unit if way in _WITH_UNIT else "",
        )
    for way, disparity in found.apart.items():
        null = disparity.null if np.isfinite(disparity.estimate) else None
        if null is not None and np.isfinite(null.mean):
            unit = row.unit if way in _WITH_UNIT else ""
            chance = replace(row, analysis=f"{way}_null", unit=unit)
            yield replace(chance, estimate=null.mean, lower=null.lower, upper=null.upper)
