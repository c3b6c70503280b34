"""Every group with its number of people and its value: forests, tables, sizes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.interval_chart import IntervalRow, interval_chart, interval_of, n_of
from cinema_cli.reports.analysis.metrics import scale_of
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.tables import Cell, Told, cell_of, interval_words, told, value_of
from cinema_cli.reports.analysis.words import count_words, first_up, p_words, title_of
from cinema_cli.reports.fairness.naming import (
    AND,
    RATIOS,
    SIZES,
    column_of,
    column_words,
    figure_of,
    group_words,
    named,
    unit_of_row,
    value_words,
)
from cinema_cli.reports.render import count, number

Key = tuple[str, str, str]  # model, term, outcome
FIGURES_NAMED = 3  # of a group that is too small for them


@dataclass(frozen=True, slots=True)
class GroupFigure:
    """A metric in everybody and in each group, as a forest and in numbers."""

    title: str
    plot: Markup | None
    table: Told
    is_open: bool  # the first, and those of which a gap stands out


def key_of(row: Estimate) -> Key:
    """What a row is a figure of."""
    return row.model, row.term, row.outcome


def group_figures(rows: Rows, values: Sequence[Estimate], *, clear: Collection[Key] = ()) -> list[GroupFigure]:
    """One figure for each metric and target among these `group_metric` rows; `clear`: of which a gap stands out."""
    few: dict[Key, list[Estimate]] = {}
    for row in rows.of("too_few"):
        if row.group:
            few.setdefault(key_of(row), []).append(row)
    return [
        _figure([r for r in values if key_of(r) == key], few.get(key, []), is_open=not k or key in clear)
        for k, key in enumerate(dict.fromkeys(key_of(row) for row in values))
    ]


def _figure(values: Sequence[Estimate], few: Sequence[Estimate], *, is_open: bool) -> GroupFigure:
    first = values[0]
    whole = [row for row in values if not row.group]
    columns = in_order(column_of(row.group) for row in values if row.group)
    lines = [_line(row, "Everyone") for row in whole]
    for column in columns:
        lines.append(IntervalRow(column_words(column), head=True))
        lines += [_line(r, value_words(r.group)) for r in values if r.group and column_of(r.group) == column]
        lines += [
            IntervalRow(value_words(r.group), words=_why(r), n=n_of(r)) for r in few if column_of(r.group) == column
        ]
    metric, unit = figure_of(first.model), unit_of_row(first)
    title = named(first)
    plot = None
    if any(row.estimate is not None for row in values):
        everyone = interval_of(whole[0], scale=scale_of(metric, first)) if whole else None
        ratios = first.model in RATIOS
        line = 1.0 if ratios else everyone[1] if everyone else None
        plot = interval_chart(
            lines, x_title=", ".join(w for w in (metric.title, unit) if w), line=line, ratios=ratios,
            title=f"{title} of each group with 95% confidence intervals",
        )  # fmt: skip
    return GroupFigure(title, plot, _table(whole, values, few), is_open)


def _line(row: Estimate, name: str) -> IntervalRow:
    metric = figure_of(row.model)
    inside = interval_words(row, metric)
    words = f"{value_of(row, metric)}{f' ({inside})' if inside else ''}"
    return IntervalRow(name, interval_of(row, scale=scale_of(metric, row)), words, n_of(row))


def _why(row: Estimate) -> str:
    return "too few" if row.level.startswith("fewer than") else "not estimable"


def _table(whole: Sequence[Estimate], values: Sequence[Estimate], few: Sequence[Estimate]) -> Told:
    lines: list[list[str | Cell]] = []
    for row in [*whole, *(row for row in values if row.group), *few]:
        name = group_words(row.group) if row.group else "Everyone"
        value = Cell(_why(row), (row.level,)) if row.analysis == "too_few" else cell_of(row, figure_of(row.model))
        events = "" if row.events is None and not row.suppressed else count_words(row.events, row)
        lines.append([name, count_words(row.n, row), events, value])
    return told(("Group", "n", "Events", "Value (95% CI)"), lines)


def matrix(values: Sequence[Estimate], few: Sequence[Estimate], column: str) -> Told | None:
    """Metrics down, groups of a column across, everyone alone without one: for shares of who is lost."""
    inside = [row for row in (*values, *few) if row.group and column_of(row.group) == column]
    groups = in_order(row.group for row in inside)
    lines: list[list[str | Cell]] = []
    for key in dict.fromkeys(key_of(row) for row in (*values, *few)):
        cells = {row.group: row for row in reversed((*values, *few)) if key_of(row) == key}
        first = next(iter(cells.values()))
        unit = unit_of_row(first)
        shown = [_cell(cells.get(group)) for group in ("", *groups)]
        lines.append([Cell(named(first), (unit,) if unit else ()), *shown])
    return told(("What", "Everyone", *(value_words(g) for g in groups)), lines) if lines else None


def _cell(row: Estimate | None) -> Cell:
    if row is None:
        return Cell("")
    return Cell(_why(row)) if row.analysis == "too_few" else cell_of(row, figure_of(row.model))


def too_few_sentences(rows: Rows) -> list[str]:
    """Who is too few for what, a sentence a group and reason; what is not estimable, a sentence each."""
    about: dict[tuple[str, str], list[str]] = {}
    for kind in ("too_few", "not_estimable"):
        for row in rows.of(kind):
            who = group_words(row.group) if "=" in row.group else ""
            of = "" if who or not row.group else f" between the groups of {column_words(row.group)}"
            about.setdefault((who, row.level), []).append(f"{named(row)}{of}")
    return [_too_few(who, reason, in_order(figures)) for (who, reason), figures in about.items()]


def _too_few(who: str, reason: str, figures: list[str]) -> str:
    rest = len(figures) - FIGURES_NAMED
    of = "; ".join([*figures[:FIGURES_NAMED], count(rest, one="more figure")] if rest > 0 else figures)
    return f"{who}, {reason}: {of}." if who else f"{first_up(reason)}: {of}."


def sizes_table(rows: Rows, *, crossed: bool = False) -> Told | None:
    """How many people each group of a column (`crossed`: of two) has, and of how many it is not known."""
    sizes = [row for row in rows.of("group_metric") if row.model in SIZES]
    by_column: dict[str, list[str]] = {}
    for row in sizes:
        unknown = row.model == "unknown"
        column = row.term if unknown else column_of(row.group)
        name = "not known" if unknown else value_words(row.group)
        if column and (AND in column) == crossed:
            by_column.setdefault(column, []).append(f"{name}: {count_words(row.n, row)}")
    lines = [[column_words(column), "; ".join(said)] for column, said in by_column.items()]
    return told(("Column", "People in each group"), lines, n_words=2) if lines else None


def interactions_table(rows: Rows) -> Told | None:
    """Whether the hazard ratio of a phenotype differs by group."""
    lines: list[list[str | Cell]] = []
    for row in rows.of("interaction"):
        statistic = number(row.estimate, decimals=1) if row.estimate is not None else value_of(row, figure_of(""))
        lines.append(
            [title_of(row.term), column_words(row.group), statistic, row.level, p_words(row.p), p_words(row.q)]
        )  # fmt: skip
    heads = ("Phenotype", "Groups of", "χ²", "df", "p", "q")
    return told(heads, lines, n_words=2) if lines else None
