"""What follows a cohort's report where a clinical file tells of its people: survival, and for whom it works."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from cinema_cli import __version__
from cinema_cli.analysis.fairness.settings import FairnessSettings
from cinema_cli.analysis.survival.columns import outcome_columns
from cinema_cli.analysis.survival.reading import read_outcomes
from cinema_cli.analysis.survival.settings import SurvivalSettings
from cinema_cli.commands import fairness_inputs, fairness_run, survival_run
from cinema_cli.commands.analysis_job import AnalysisJob, told_of_hashes
from cinema_cli.commands.analysis_run import Done
from cinema_cli.commands.cohort_page import analysed, write_report
from cinema_cli.commands.fairness_asked import FairnessJob
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.survival_asked import SurvivalJob
from cinema_cli.domain.errors import CinemaError, fault_words
from cinema_cli.io.cohort_list import cohort_records
from cinema_cli.io.hashed import digest
from cinema_cli.io.lock import run_lock


class _Ready(Protocol):
    """Tables that were read."""

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Their files."""


_Job = TypeVar("_Job", bound=AnalysisJob)
_Tables = TypeVar("_Tables", bound=_Ready)


def analyse_people(out: Path, clinical: Path, *, command: str, jobs: int, hash_key: bytes | None) -> None:
    """Do both, unless they are there, and have the cohort's report lead to them.

    Where one cannot be done, a warning says why: the cohort itself is done.
    """
    linked = analysed(out)
    for analyse, called in ((cohort_survival, "survival analysis"), (cohort_fairness, "audit of fairness")):
        try:
            analyse(out, clinical, command=command, jobs=jobs, hash_key=hash_key)
        except CinemaError as error:  # its words may name people
            CONSOLE.warn(f"no {called}", aside=f": {error.message}{f' ({error.hint})' if error.hint else ''}")
        except Exception as error:
            CONSOLE.warn(f"no {called}: {fault_words(error)}")
    if analysed(out) != linked:
        write_report(out, cohort_records(out, jobs=jobs))


def cohort_survival(out: Path, clinical: Path, *, command: str, jobs: int, hash_key: bytes | None) -> None:
    """Analyse a cohort's phenotypes against the outcomes of the clinical file, if it has some, into OUT/survival.

    Raises CinemaError.
    """
    columns = outcome_columns(read_outcomes(clinical))
    if columns is None:
        return
    job = SurvivalJob(
        source=out,
        out=out / SurvivalJob.kind.name,
        outcomes=clinical,
        columns=columns,
        settings=SurvivalSettings(jobs=jobs),
        hash_key=hash_key,
        command=command,
    )
    _made_once(job, survival_run.prepare, survival_run.carry_out)


def cohort_fairness(out: Path, clinical: Path, *, command: str, jobs: int, hash_key: bytes | None) -> None:
    """Compare who is lost and flagged between the usual groups of a cohort, into OUT/fairness. Raises CinemaError."""
    job = FairnessJob(
        source=out,
        out=out / FairnessJob.kind.name,
        people=clinical,
        settings=FairnessSettings(jobs=jobs),
        hash_key=hash_key,
        command=command,
    )
    _made_once(job, fairness_inputs.prepare, fairness_run.carry_out)


def _made_once(job: _Job, prepare: Callable[[_Job], _Tables], carry_out: Callable[[_Job, _Tables], Done]) -> None:
    """Carry out an analysis unless it was made of these files by this version, under the lock of its folder.

    Raises CinemaError.
    """
    with told_of_hashes(job):
        ready = prepare(job)
    with run_lock(job.out):
        if not _is_current(job, ready):
            carry_out(job, ready).say(report=job.kind.name)


def _is_current(job: AnalysisJob, ready: _Ready) -> bool:
    """Whether the folder was made of these files by this version."""
    try:
        run = json.loads((job.out / job.kind.run_name).read_text(encoding="utf-8"))
        made = [one["sha256"] for one in run["inputs"]]
        return bool(run["version"] == __version__) and made == [digest(path)[0] for path in ready.inputs]
    except (OSError, ValueError, LookupError, TypeError):
        return False
