"""How far groups lie apart: every gap beside what chance alone shows, in figures and in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.interval_chart import IntervalRow, interval_chart, interval_of
from cinema_cli.reports.analysis.metrics import POINTS, Metric, scale_of
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.tables import Cell, Told, cell_of, interval_words, told, value_of
from cinema_cli.reports.analysis.words import p_said, ratio, ratio_interval
from cinema_cli.reports.fairness.naming import (
    AND,
    LOSSES,
    column_words,
    figure_of,
    group_words,
    named,
    of_words,
    unit_of_row,
    value_words,
)

LIMIT = 0.05
SHOWN = 12  # gaps of the table that are not folded


@dataclass(frozen=True, slots=True)
class GapFigure:
    """Gaps of one metric in one unit, each with the band of chance behind it."""

    title: str
    plot: Markup


def evidence(row: Estimate) -> float:
    """q of a gap, p where there is no q, beyond 1 where there is neither."""
    value = row.q if row.q is not None else row.p
    return 2.0 if value is None else value


def gap_figures(rows: Rows, gaps: Sequence[Estimate]) -> list[GapFigure]:
    """A figure for each metric and unit; shares of who is lost are in one."""
    made = []
    for title in in_order(_figure_title(row) for row in gaps):
        inside = [row for row in gaps if _figure_title(row) == title]
        if any(row.estimate is not None for row in inside):
            unit = unit_of_row(inside[0])
            plot = interval_chart(
                _lines(rows, inside), x_title=f"gap, {unit}" if unit else "gap", line=0.0,
                title=f"Gaps between groups with 95% confidence intervals, beside what chance alone shows: {title}",
            )  # fmt: skip
            made.append(GapFigure(title, plot))
    return made


def _is_lost(row: Estimate) -> bool:
    return row.model in LOSSES and figure_of(row.model).share


def _figure_title(row: Estimate) -> str:
    if _is_lost(row):
        return "Who is lost, %"
    return ", ".join(w for w in (figure_of(row.model).title, unit_of_row(row)) if w)


def _lines(rows: Rows, inside: Sequence[Estimate]) -> list[IntervalRow]:
    lines: list[IntervalRow] = []
    heading = ""
    for row in inside:
        of = named(row) if _is_lost(row) else of_words(row)
        lines += [IntervalRow(of, head=True)] if of and of != heading else []
        heading = of
        metric, scale = figure_of(row.model), scale_of(figure_of(row.model), row)
        null = interval_of(_beside(rows, "gap_null", row), scale=scale)
        known = [p_said(v, name=name) for name, v in (("p", row.p), ("q", row.q)) if v is not None]
        known = known if row.estimate is not None else known[-1:]  # "suppressed" takes the room
        words = ", ".join(w for w in (value_of(row, metric), *known) if w)
        lines.append(IntervalRow(column_words(row.group), interval_of(row, scale=scale), words, null=null))
    return lines


def _beside(rows: Rows, analysis: str, gap: Estimate) -> Estimate | None:
    """The row of another kind about the same metric, target, outcome and column."""
    same = rows.of(analysis, model=gap.model, term=gap.term, group=gap.group)
    return next((row for row in same if row.outcome == gap.outcome), None)


def gap_tables(rows: Rows, gaps: Sequence[Estimate]) -> tuple[Told | None, Told | None]:
    """Gaps with the strongest evidence first: those shown and the others."""
    ordered = sorted(gaps, key=evidence)
    n = max(SHOWN, sum(evidence(row) < LIMIT for row in ordered))
    n = len(ordered) if len(ordered) <= n + 3 else n
    return _table(rows, ordered[:n]), _table(rows, ordered[n:])


def _table(rows: Rows, gaps: Sequence[Estimate]) -> Told | None:
    if not gaps:
        return None
    heads = ("Metric", "Between", "Gap", "Chance alone", "Worst group", "Ratio", "Skewed error ratio", "Adjusted gap")
    return told(heads, [_line(rows, row) for row in gaps], n_words=2)


def _line(rows: Rows, row: Estimate) -> list[str | Cell]:
    metric = figure_of(row.model)
    unit = unit_of_row(row)
    gap = cell_of(row, metric, p=True)
    return [
        Cell(named(row), (unit,) if unit else ()),
        column_words(row.group),
        Cell(gap.words, gap.small, flagged=row.q is not None and row.q < LIMIT),
        cell_of(_beside(rows, "gap_null", row), metric),
        _worst(rows, row, metric),
        _ratio(rows, row, "ratio"),
        _ratio(rows, row, "skewed_error_ratio"),
        cell_of(_beside(rows, "gap_adjusted", row), metric, p=True),
    ]


def _worst(rows: Rows, gap: Estimate, metric: Metric) -> Cell:
    """The name of the worst group, its value below."""
    row = _beside(rows, "worst_group", gap)
    if row is None:
        return Cell("")
    said = value_of(row, metric)
    if not row.level:
        return Cell(said)
    by_chance = _by_chance(row, value_of(_beside(rows, "worst_group_null", gap), metric))
    small = (said, interval_words(row, metric), *by_chance)
    return Cell(value_words(row.level), tuple(words for words in small if words))


def _ratio(rows: Rows, gap: Estimate, analysis: str) -> Cell:
    row = _beside(rows, analysis, gap)
    if row is None:
        return Cell("")
    said, _, inside = ratio_interval(row).partition(" (")
    null = _beside(rows, f"{analysis}_null", gap)
    by_chance = _by_chance(row, "" if null is None else ratio(null.estimate))
    return Cell(said, tuple(words for words in (inside.removesuffix(")"), *by_chance) if words))


def _by_chance(row: Estimate, mean: str) -> tuple[str, ...]:
    """p, and the mean under permutation."""
    return ("" if row.p is None else p_said(row.p), f"chance {mean}" if mean else "")


def gap_sentence(rows: Rows, row: Estimate) -> str:
    """`Dice, mean of structures, between the groups of sex: gap 0.012 (...), where chance alone shows ...`."""
    metric, unit = figure_of(row.model), unit_of_row(row)
    scale = scale_of(metric, row)
    said = f"{named(row)}, between the groups of {column_words(row.group)}: "
    if row.estimate is None:
        return f"{said}a gap whose size is suppressed"
    said += f"a gap of {value_of(row, metric)}"
    said += f" {unit}".rstrip() if scale == 1.0 else f" {POINTS}"
    inside = interval_words(row, metric)
    said += f" ({inside})" if inside else ""
    null = _beside(rows, "gap_null", row)
    if null is not None and null.estimate is not None:
        said += f", where chance alone shows {value_of(null, metric)} on average ({interval_words(null, metric)})"
    worst = _beside(rows, "worst_group", row)
    if worst is not None and worst.level:
        said += f"; worst for {group_words(worst.level)}" if "=" in worst.level else f"; worst for {worst.level}"
    return said


def is_crossed(row: Estimate) -> bool:
    """Whether a row is about two columns together."""
    return AND in row.group
