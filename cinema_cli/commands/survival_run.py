"""A survival analysis from its tables to its folder: read, analyse, take small numbers out, write."""

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.survival.analysis import SurvivalResult, analyse_survival
from cinema_cli.analysis.survival.door import read_analysis_table
from cinema_cli.analysis.survival.reading import PHENOTYPE_TABLE
from cinema_cli.analysis.survival.settings import Embeddings
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.analysis.survival.vectors import EMBEDDING_TABLE, read_embeddings
from cinema_cli.commands.analysis_files import REPORT_NAME, check_folder_of, digests_of
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.runlog import logged_run, utc_now
from cinema_cli.commands.survival_asked import SurvivalJob
from cinema_cli.commands.survival_files import PLAN, RunOfSurvival, write_survival
from cinema_cli.domain.errors import ExitCode
from cinema_cli.io.lock import run_lock


@dataclass(frozen=True, slots=True, eq=False)
class DoneSurvival:
    """What was analysed and where it lies."""

    job: SurvivalJob
    table: AnalysisTable
    result: SurvivalResult
    estimates: pl.DataFrame  # as written: after disclosure control

    @property
    def report(self) -> Path:
        """The page to read first."""
        return self.job.out / REPORT_NAME


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Tables that passed the door."""

    inputs: tuple[Path, ...]
    table: AnalysisTable
    embeddings: Embeddings | None


def run_survival(job: SurvivalJob) -> DoneSurvival:
    """Analyse and write into `job.out`, with a log; nothing is written where tables are refused. Raises CinemaError."""
    ready = prepare(job)
    hidden = {str(path.parent.resolve()): "INPUT" for path in ready.inputs} | {str(job.out.resolve()): "OUT"}
    with run_lock(job.out), logged_run(job.out, settings=job.options or {}, console=CONSOLE, hidden=hidden) as log:
        done = carry_out(job, ready)
        log.finish(exit_code=ExitCode.DONE, facts={"command": job.command})
    CONSOLE.info(f"report: {done.report}")
    return done


def prepare(job: SurvivalJob) -> Prepared:
    """Read the tables; nothing is written. Raises InputError, ConfigError, UsageError."""
    inputs = _inputs(job)
    check_folder_of(job.out, inputs=inputs, plan=PLAN)
    table = read_analysis_table(
        job.phenotypes,
        job.outcomes,
        columns=job.columns,
        time_unit=job.time_unit,
        imputes=bool(job.settings.n_imputations),
        hash_key=job.hash_key,
    )
    embeddings = read_embeddings(job.embeddings, table) if job.embeddings else None
    return Prepared(inputs, table, embeddings)


def carry_out(job: SurvivalJob, ready: Prepared) -> DoneSurvival:
    """Analyse what was read and write it. Raises OutputError."""
    started, table = utc_now(), ready.table
    for said in table.notes:
        CONSOLE.info(said)
    for said, ids in table.warnings:
        CONSOLE.warn(said, aside=ids)
    _say_size(table)
    result = analyse_survival(table, job.settings, embeddings=ready.embeddings, said=_say_step)
    estimates = suppressed(result.estimates, min_cell=job.min_cell) if job.suppresses else result.estimates
    write_survival(RunOfSurvival(job, table, result, estimates, started, digests_of(ready.inputs)))
    return DoneSurvival(job, table, result, estimates)


def summary_json(done: DoneSurvival) -> str:
    """What programs want to know at once; no number of people that disclosure control would take away."""
    not_estimable = done.estimates.filter(pl.col("analysis") == "not_estimable")["level"]
    return json.dumps(
        {
            "report": str(done.report),
            "outcome": done.table.outcome_name,
            "n": _told(done, "n"),
            "events": _told(done, "events"),
            "phenotypes": list(done.table.phenotypes),
            "horizon": done.result.horizon,
            "estimates": done.estimates.height,
            "not_estimable": not_estimable.unique(maintain_order=True).to_list(),
            "suppressed": done.job.suppresses,
        },
        indent=2,
    )


def _told(done: DoneSurvival, count: str) -> int | None:
    """A count of everybody, as the written rate of the outcome has it."""
    rate = done.estimates.filter(analysis="rate", outcome=done.table.outcome_name, group="")
    return rate[count][0] if rate.height else None


def _inputs(job: SurvivalJob) -> tuple[Path, ...]:
    """Files that are read, each once."""
    asked = [job.phenotypes / PHENOTYPE_TABLE if job.phenotypes.is_dir() else job.phenotypes]
    asked += [job.outcomes] if job.outcomes else []
    if job.embeddings:
        asked.append(job.embeddings / EMBEDDING_TABLE if job.embeddings.is_dir() else job.embeddings)
    return tuple({path.resolve(): path for path in asked}.values())


def _say_size(table: AnalysisTable) -> None:
    """Who is analysed, and who left for which reason."""
    for step in table.flow:
        CONSOLE.debug(f"{step.level}: {step.name} ({step.n})")
    people = f"{table.n_people} participants" + (f" in {table.n} rows" if table.has_intervals else "")
    CONSOLE.info(f"{people}, {table.outcome().n_events} with the event, {len(table.phenotypes)} phenotypes")


def _say_step(step: str) -> None:
    """A step of the analysis begins."""
    if CONSOLE.progress:
        CONSOLE.info(f"survival: {step}")
