"""Sixth section: two systems judged by the same reference, and whether one is worse by more than a margin."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.interval_chart import IntervalRow, interval_chart, interval_of, n_of
from cinema_cli.reports.analysis.metrics import (
    HIGHER,
    LOWER,
    Metric,
    at_frame,
    metric_of,
    metric_words,
    scale_of,
    unit_words_of,
)
from cinema_cli.reports.analysis.rows import Rows, at
from cinema_cli.reports.analysis.tables import Cell, Told, cell_of, interval_words, told, value_of
from cinema_cli.reports.analysis.words import count_words, first_up, p_words
from cinema_cli.reports.evaluation.facts import EvaluationFacts
from cinema_cli.reports.render import number

BESIDE = ("_wilcoxon", "_bootstrap")
SIDES = ("_this", "_other")
FINE = ("dice", "iou", "auc", "r2")  # differences of these are small


@dataclass(frozen=True, slots=True)
class Forest:
    """Differences of one metric."""

    title: str
    plot: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Against:
    """Differences between two systems, in figures and numbers, and the verdicts at the margins."""

    forests: tuple[Forest, ...]
    table: Told | None
    margins: Told | None


def against_section(rows: Rows, facts: EvaluationFacts) -> Against | None:
    """Every row of `difference` and `non_inferiority`; None where there is no other system."""
    main = [row for row in rows.of("difference") if not row.model.endswith((*BESIDE, *SIDES))]
    if not main and not rows.of("non_inferiority"):
        return None
    kinds = dict.fromkeys((row.model, unit_words_of(metric_of(row.model), row.term)) for row in main)
    return Against(
        forests=tuple(f for metric, unit in kinds if (f := _forest(rows, main, metric, unit)) is not None),
        table=_table(rows, main, facts),
        margins=_margins(rows),
    )


def difference_metric(name: str) -> Metric:
    """The metric of a difference: one more digit where differences are small."""
    metric = metric_of(name)
    return replace(metric, decimals=4) if name in FINE else metric


def _forest(rows: Rows, main: Sequence[Estimate], name: str, unit: str) -> Forest | None:
    """Differences of a metric in one unit; a margin is drawn where all that have one share it."""
    inside = [r for r in main if r.model == name and unit_words_of(metric_of(name), r.term) == unit]
    if not any(row.estimate is not None for row in inside):
        return None
    metric = difference_metric(name)
    lines = [
        IntervalRow(
            at_frame(row.term, row.level),
            interval_of(row, scale=scale_of(metric, row)),
            _words(row, metric),
            n_of(row),
        )
        for row in inside
    ]
    margin, said = _shared_margin(rows, inside), ""
    if margin is not None and metric.better:
        margin = -margin if metric.better == HIGHER else margin
        where = "right" if metric.better == HIGHER else "left"
        said = f" Dashed: the margin; not worse than the other by more where the interval lies to the {where} of it."
    better = {HIGHER: "above 0 this system is better", LOWER: "below 0 this system is better"}.get(metric.better, "")
    title = f"{metric.title}, {unit}" if unit else metric.title
    plot = interval_chart(
        lines, x_title=f"difference in {title}", line=0.0, margin=margin if said else None,
        title=f"Differences in {title} with 95% confidence intervals",
    )  # fmt: skip
    return Forest(title, plot, (first_up(better) + "." if better else "") + said)


def _words(row: Estimate, metric: Metric) -> str:
    inside = interval_words(row, metric)
    return f"{value_of(row, metric)}{f' ({inside})' if inside else ''}"


def _shared_margin(rows: Rows, inside: Sequence[Estimate]) -> float | None:
    """The one margin of these differences; None where there is none or there are several."""
    places = {(row.model, row.term) for row in inside}
    margins = {at(row) for row in rows.of("non_inferiority") if (row.model, row.term) in places}
    return next(iter(margins)) if len(margins) == 1 and all(math.isfinite(m) for m in margins) else None


def _table(rows: Rows, main: Sequence[Estimate], facts: EvaluationFacts) -> Told | None:
    """Both systems and their difference; of signed errors, which are not compared, both alone."""
    known = {(row.model, row.term, row.level) for row in main}
    sides = [replace(row, model=row.model.removesuffix(SIDES[0])) for row in rows.of("difference")
             if row.model.endswith(SIDES[0])]  # fmt: skip
    alone = [row for row in sides if (row.model, row.term, row.level) not in known]
    lines = [_line(rows, row, row) for row in main] + [_line(rows, row, None) for row in alone]
    heads = (
        "Metric", "Of", "n", facts.this, facts.against or "the other", "Difference (95% CI)", "CI by bootstrap", "p",
        "p, signed ranks",
    )  # fmt: skip
    return told(heads, lines, n_words=2) if lines else None


def _line(rows: Rows, at: Estimate, apart: Estimate | None) -> list[str | Cell]:
    """What is compared, both systems, their difference where there is one, and its tests."""
    metric, fine = metric_of(at.model), difference_metric(at.model)
    where = {"term": at.term, "level": at.level, "group": at.group}
    rank, again, this, other = (
        rows.one("difference", model=at.model + tail, **where) for tail in (*BESIDE, *SIDES)
    )  # fmt: skip
    return [
        metric_words(at.model, at.term),
        at_frame(at.term, at.level),
        count_words(at.n, at),
        cell_of(this, metric),
        cell_of(other, metric),
        cell_of(apart, fine),
        "" if again is None else interval_words(again, fine),
        "" if apart is None else p_words(apart.p),
        "" if rank is None else p_words(rank.p),
    ]


def _margins(rows: Rows) -> Told | None:
    lines: list[list[str | Cell]] = []
    for row in rows.of("non_inferiority"):
        metric = difference_metric(row.model)
        unit = unit_words_of(metric, row.term)
        margin = number(at(row) * scale_of(metric, row), decimals=metric.decimals)
        name = at_frame(row.term, row.group)
        said = row.unit or ("suppressed" if row.suppressed else "")
        lines.append(
            [metric.title, name, said, f"{margin} {unit}".rstrip(), cell_of(row, metric), p_words(row.p)]
        )  # fmt: skip
    heads = ("Metric", "Of", "Verdict", "Margin", "Difference (95% CI)", "p, one-sided")
    return told(heads, lines, n_words=3) if lines else None
