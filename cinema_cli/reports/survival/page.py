"""The page put together: each section from the estimates, the frame from the house."""

import polars as pl

from cinema_cli.reports.analysis.facts import few_words, run_facts
from cinema_cli.reports.analysis.people_flow import flow_steps
from cinema_cli.reports.analysis.rows import rows_of
from cinema_cli.reports.analysis.words import rate_words
from cinema_cli.reports.render import render_page
from cinema_cli.reports.survival.assumptions import assumptions_section
from cinema_cli.reports.survival.checklists import checklists
from cinema_cli.reports.survival.curves import curves_section
from cinema_cli.reports.survival.facts import SurvivalFacts
from cinema_cli.reports.survival.hazards import hazards_section
from cinema_cli.reports.survival.methods import method_paragraphs
from cinema_cli.reports.survival.people import follow_up_sentence, headline, rate_rows, tables_one
from cinema_cli.reports.survival.prediction import added_section
from cinema_cli.reports.survival.summary import summary_sentences
from cinema_cli.reports.survival.usefulness import usefulness_section


def render_survival(estimates: pl.DataFrame, facts: SurvivalFacts) -> str:
    """One self-contained HTML page; every number in it comes from `estimates` (see analysis.estimates.SCHEMA).

    The table may be the one in memory or estimates.csv read back. The same input gives the same bytes.
    """
    rows = rows_of(estimates)
    rate = rows.one("rate", group="")
    return render_page(
        "survival.html",
        title=f"Survival analysis: {facts.event}{f', {facts.cohort_name}' if facts.cohort_name else ''}",
        facts=facts,
        summary=summary_sentences(rows, facts),
        few=few_words(rate.n, suppressed=facts.suppressed, min_cell=facts.min_cell) if rate is not None else "",
        headline=headline(rows),
        flow=flow_steps(rows),
        follow_up=follow_up_sentence(rows),
        rates=(rates := rate_rows(rows, facts)),
        rate_events=len({row.event for row in rates}),
        rate_unit=next((rate_words(row.unit) for row in rows.of("rate")), ""),
        time_unit=next((row.unit for row in rows.of("person_time")), facts.time_unit),
        tables=tables_one(rows),
        curves=curves_section(rows, facts),
        hazards=hazards_section(rows, facts),
        assumptions=assumptions_section(rows, facts),
        added=added_section(rows, facts),
        usefulness=usefulness_section(rows, facts),
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
