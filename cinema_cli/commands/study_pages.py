"""What writes the pages of studies in the study processes: with a result, and without one."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from cinema_cli import __version__
from cinema_cli.commands.runlog import utc_now
from cinema_cli.domain.cine import CineStudy
from cinema_cli.domain.result import StudyResult
from cinema_cli.io.ledger import Failure
from cinema_cli.reports.heads import HeadFacts


@dataclass(frozen=True, slots=True)
class StudyPages:
    """Writes a study's own page and thumbnail."""

    run: tuple[tuple[str, str], ...]  # what is said of the run: name, value
    heads: tuple[HeadFacts, ...]

    def __call__(self, study: CineStudy, result: StudyResult, series: pl.DataFrame) -> Mapping[str, bytes | str]:
        """Path below the study's folder -> content."""
        from cinema_cli.reports.study import render_study, thumbnail

        html = render_study(
            study, result, version=__version__, generated=utc_now(), series=series, run=self.run, heads=self.heads
        )
        return {"study.html": html, "figures/thumbnail.jpg": thumbnail(study, result)}


def failure_page(failure: Failure, series: pl.DataFrame) -> str:
    """The page of a study without a result: what was found of it, and why that was not enough."""
    from cinema_cli.reports.failure import render_failure

    return render_failure(failure, version=__version__, generated=utc_now(), series=series)
