"""The page of a study without a result: what was found of it, why that was not enough, and what helps."""

import polars as pl

from cinema_cli.io.ledger import Failure, Status
from cinema_cli.reports.render import render_page, words
from cinema_cli.reports.study import _facts, _series_rows  # the two pages word them alike


def render_failure(failure: Failure, *, version: str, generated: str, series: pl.DataFrame | None = None) -> str:
    """The self-contained HTML page of a study that failed or was not reached.

    `version` of cinema and `generated` (UTC, text) are printed as they are; `series` are the study's rows of the
    series table.
    """
    return render_page(
        "failure.html",
        title=f"{failure.participant_id} {failure.session_id}",
        participant=failure.participant_id,
        session=failure.session_id,
        facts=_facts(failure.facts),
        heading="This study was not reached." if failure.status is Status.NOT_RUN else "This study has no result.",
        stage=words(failure.stage),
        code=failure.code,
        reason=failure.reason,
        hint=failure.hint,
        series=_series_rows(series),
        version=version,
        generated=generated,
        home="../../report.html",
    )
