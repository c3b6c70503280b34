"""The page of an evaluation put together: each section from the estimates, the frame from the house."""

from collections.abc import Sequence

import polars as pl

from cinema_cli.reports.analysis.facts import run_facts
from cinema_cli.reports.analysis.rows import rows_of
from cinema_cli.reports.evaluation.facts import EvaluationFacts, WorstCase
from cinema_cli.reports.render import render_page


def render_evaluation(estimates: pl.DataFrame, facts: EvaluationFacts, worst: Sequence[WorstCase] = ()) -> str:
    """One self-contained HTML page; every number in it comes from `estimates` (see analysis.estimates.SCHEMA).

    The table may be the one in memory or estimates.csv read back. The same input gives the same bytes. Of the worst
    cases the page says only how many there are and where (WORST_PAGE): what `render_worst` makes is data of people.
    """
    rows = rows_of(estimates)
    return render_page(
        "evaluation.html",
        title=f"Evaluation{f': {facts.cohort_name}' if facts.cohort_name else ''}",
        facts=facts,
        rows=rows,
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
