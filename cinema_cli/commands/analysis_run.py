"""The frame of every analysis of people: under the folder's lock, with a log, and what is said of it at the end."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cinema_cli.commands.analysis_job import REPORT_NAME, AnalysisJob
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.runlog import logged_run
from cinema_cli.domain.errors import ExitCode
from cinema_cli.io.lock import run_lock
from cinema_cli.reports.brief import brief_of


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """What an analysis wrote, and what programs want to know of it at once."""

    job: AnalysisJob
    estimates: pl.DataFrame  # as written: after disclosure control
    summary: Mapping[str, object]  # no number of people that disclosure control would take away

    @property
    def report(self) -> Path:
        """The page to read first."""
        return self.job.out / REPORT_NAME

    def as_json(self) -> str:
        """The summary, with what that of every analysis has."""
        written = {"estimates": self.estimates.height, "suppressed": self.job.suppresses}
        main = {"main": brief_of(self.estimates).main}
        return json.dumps({"report": str(self.report), **self.summary, **main, **written}, indent=2)

    def say(self, *, report: str = "report") -> None:
        """The main results, and where to read the rest, which is called `report`."""
        for line in brief_of(self.estimates).lines:
            CONSOLE.info(line)
        CONSOLE.info(f"{report}: {self.report}")


def logged(job: AnalysisJob, carry_out: Callable[[], Done], *, inputs: Iterable[Path]) -> Done:
    """Do what writes into `job.out`, with a log that names no folder of the inputs. Raises CinemaError."""
    folders = (path if path.is_dir() else path.parent for path in inputs)
    hidden = {str(folder.resolve()): "INPUT" for folder in folders} | {str(job.out.resolve()): "OUT"}
    with run_lock(job.out), logged_run(job.out, settings=job.options, console=CONSOLE, hidden=hidden) as log:
        done = carry_out()
        log.finish(exit_code=ExitCode.DONE, facts={"command": job.command})
    done.say()
    return done


def say_step(analysis: str, step: str) -> None:
    """A step of the analysis begins."""
    if CONSOLE.progress:
        CONSOLE.info(f"{analysis}: {step}")
