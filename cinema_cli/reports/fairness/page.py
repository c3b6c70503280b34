"""The page of a fairness audit put together: each section from the estimates, the frame from the house."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.facts import few_words, run_facts
from cinema_cli.reports.analysis.people_flow import flow_steps
from cinema_cli.reports.analysis.rows import Rows, in_order, rows_of
from cinema_cli.reports.analysis.tables import Told
from cinema_cli.reports.fairness.checklists import checklists
from cinema_cli.reports.fairness.facts import FairnessFacts
from cinema_cli.reports.fairness.gaps import LIMIT, GapFigure, evidence, gap_figures, gap_tables, is_crossed
from cinema_cli.reports.fairness.groups import (
    GroupFigure,
    group_figures,
    interactions_table,
    key_of,
    matrix,
    sizes_table,
    too_few_sentences,
)
from cinema_cli.reports.fairness.methods import method_paragraphs
from cinema_cli.reports.fairness.naming import FOLLOWED, LOSSES, SIZES, column_of, column_words
from cinema_cli.reports.fairness.summary import headline, summary_sentences
from cinema_cli.reports.render import render_page

_LOST, _RIGHT, _FOLLOWED, _CROSSED = "lost", "right", "followed", "crossed"  # sections of the template


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the page: gaps in figures and numbers, and the groups behind them."""

    figures: tuple[GapFigure, ...]
    gaps: Told | None
    more_gaps: Told | None
    groups: tuple[GroupFigure, ...]
    matrices: tuple[tuple[str, Told], ...] = ()


def render_fairness(estimates: pl.DataFrame, facts: FairnessFacts) -> str:
    """One self-contained HTML page; every number in it comes from `estimates` (see analysis.estimates.SCHEMA).

    The table may be the one in memory or estimates.csv read back. The same input gives the same bytes.
    """
    rows = rows_of(estimates)
    people = rows.one("group_metric", model="people", group="")
    return render_page(
        "fairness.html",
        title=f"Fairness{f': {facts.cohort_name}' if facts.cohort_name else ''}",
        facts=facts,
        summary=summary_sentences(rows, facts),
        few=few_words(people.n, suppressed=facts.suppressed, min_cell=facts.min_cell) if people is not None else "",
        headline=headline(rows, facts),
        flow=flow_steps(rows),
        sizes=sizes_table(rows),
        crossed_sizes=sizes_table(rows, crossed=True),
        **_parts(rows),
        interactions=interactions_table(rows),
        not_given=too_few_sentences(rows),
        methods=method_paragraphs(rows, facts),
        checklists=checklists(rows, facts),
        run=run_facts(
            version=facts.version,
            started=facts.started,
            finished=facts.finished,
            seed=facts.seed,
            versions=facts.versions,
            options=facts.options,
        ),
        version=facts.version,
        generated=facts.finished,
    )


def _parts(rows: Rows) -> dict[str, Part | None]:
    """The sections of gaps by their names in the template."""
    values = [row for row in rows.of("group_metric") if row.model not in SIZES]
    gaps = rows.of("gap")
    return {
        name: _part(
            rows,
            [row for row in values if _section(row) == name],
            [row for row in gaps if _section(row) == name],
            across=name == _LOST,
        )
        for name in (_LOST, _RIGHT, _FOLLOWED, _CROSSED)
    }


def _section(row: Estimate) -> str:
    """Where a figure or gap stands."""
    if is_crossed(row):
        return _CROSSED
    return _LOST if row.model in LOSSES else _FOLLOWED if row.model in FOLLOWED else _RIGHT


def _part(rows: Rows, values: Sequence[Estimate], gaps: Sequence[Estimate], *, across: bool = False) -> Part | None:
    """A section; `across` puts the groups of each column side by side. None where there is nothing."""
    if not values and not gaps:
        return None
    shown, more = gap_tables(rows, gaps)
    figures = tuple(gap_figures(rows, gaps))
    if not across:
        clear = {key_of(row) for row in gaps if evidence(row) < LIMIT}
        return Part(figures, shown, more, tuple(group_figures(rows, values, clear=clear)))
    few = [row for row in rows.of("too_few") if row.model in LOSSES and not is_crossed(row)]
    columns = in_order(column_of(row.group) for row in (*values, *few) if row.group) or [""]
    tables = tuple((column_words(c), table) for c in columns if (table := matrix(values, few, c)) is not None)
    return Part(figures, shown, more, (), tables)
