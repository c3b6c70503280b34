"""The page of a fairness audit put together: each section from the estimates, the frame from the house."""

import polars as pl

from cinema_cli.reports.analysis.facts import run_facts
from cinema_cli.reports.analysis.rows import rows_of
from cinema_cli.reports.fairness.facts import FairnessFacts
from cinema_cli.reports.render import render_page


def render_fairness(estimates: pl.DataFrame, facts: FairnessFacts) -> str:
    """One self-contained HTML page; every number in it comes from `estimates` (see analysis.estimates.SCHEMA).

    The table may be the one in memory or estimates.csv read back. The same input gives the same bytes.
    """
    rows = rows_of(estimates)
    return render_page(
        "fairness.html",
        title=f"Fairness{f': {facts.cohort_name}' if facts.cohort_name else ''}",
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
