"""The page of an evaluation put together: each section from the estimates, the frame from the house."""

from collections.abc import Sequence

import polars as pl

from cinema_cli.reports.analysis.facts import run_facts
from cinema_cli.reports.analysis.not_given import not_given
from cinema_cli.reports.analysis.people_flow import flow_steps
from cinema_cli.reports.analysis.rows import Rows, rows_of
from cinema_cli.reports.evaluation.against import against_section
from cinema_cli.reports.evaluation.agreement import agreement_section, repeatability_section
from cinema_cli.reports.evaluation.checklists import checklists
from cinema_cli.reports.evaluation.classes import classes_section
from cinema_cli.reports.evaluation.compared import counts_table, whole_words
from cinema_cli.reports.evaluation.facts import WORST_PAGE, EvaluationFacts, WorstStudy
from cinema_cli.reports.evaluation.masks import masks_section
from cinema_cli.reports.evaluation.methods import method_paragraphs
from cinema_cli.reports.evaluation.summary import headline, only_repeats, summary_sentences
from cinema_cli.reports.render import render_page


def render_evaluation(estimates: pl.DataFrame, facts: EvaluationFacts, worst: Sequence[WorstStudy] = ()) -> str:
    """One self-contained HTML page; every number in it comes from `estimates` (see analysis.estimates.SCHEMA).

    The table may be the one in memory or estimates.csv read back. The same input gives the same bytes. Of the worst
    cases the page says only that there are some and where (WORST_PAGE): what `render_worst` makes is data of people.
    """
    rows = rows_of(estimates)
    return render_page(
        "evaluation.html",
        title=f"{f'{facts.cohort_name}: ' if facts.cohort_name else ''}{compared_words(rows, facts)}",
        facts=facts,
        summary=summary_sentences(rows, facts),
        few="",
        headline=headline(rows),
        flow=flow_steps(rows, one=(one := _counted(rows, facts)), many="studies" if one == "study" else None),
        counts=counts_table(rows),
        whole=whole_words(rows),
        masks=masks_section(rows),
        agreement=agreement_section(rows),
        classes=classes_section(rows),
        against=against_section(rows, facts),
        repeat=repeatability_section(rows),
        not_given=not_given(rows),
        has_worst=bool(worst),
        worst_page=WORST_PAGE,
        methods=method_paragraphs(rows, facts),
        checklists=checklists(rows, facts, has_worst=bool(worst)),
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


def compared_words(rows: Rows, facts: EvaluationFacts) -> str:
    """What the page is about: a system, or two, against a reference, or the repeatability of one."""
    system = facts.system or "predictions"
    if only_repeats(rows):
        return f"Repeatability of {system}"
    return f"{system}{f' and {facts.against}' if facts.against else ''} against {facts.reference or 'the reference'}"


def _counted(rows: Rows, facts: EvaluationFacts) -> str:
    """What the boxes of the flow count."""
    if not any(row.model == "repeatability" for row in rows.of("flow")):
        return "study"
    return "pair" if facts.repeats.startswith("pairs") else "participant"
