"""A survival analysis from its tables to its folder: read, analyse, take small numbers out, write."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cinema_cli.analysis.survival.analysis import SurvivalResult, analyse_survival
from cinema_cli.analysis.survival.disclosure import suppressed
from cinema_cli.analysis.survival.door import read_analysis_table
from cinema_cli.analysis.survival.reading import PHENOTYPE_TABLE
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.analysis.survival.vectors import EMBEDDING_TABLE, read_embeddings
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.runlog import logged_run, utc_now
from cinema_cli.commands.survival_asked import SurvivalJob
from cinema_cli.commands.survival_files import REPORT_NAME, RunOfSurvival, check_folder_of, write_survival
from cinema_cli.io.hashed import digest
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

    @property
    def n_events(self) -> int:
        """Rows that end with the event."""
        return self.table.outcome().n_events


def run_survival(job: SurvivalJob) -> DoneSurvival:
    """Analyse and write into `job.out`; nothing is written where the tables are refused. Raises CinemaError."""
    inputs = _inputs(job)
    check_folder_of(job.out, inputs=inputs)
    table = read_analysis_table(
        job.phenotypes,
        job.outcomes,
        columns=job.columns,
        time_unit=job.time_unit,
        imputes=bool(job.settings.n_imputations),
        hash_key=job.hash_key,
    )
    embeddings = read_embeddings(job.embeddings, table) if job.embeddings else None
    for note in table.notes:
        CONSOLE.warn(note)
    hidden = {str(path.parent.resolve()): "INPUT" for path in inputs} | {str(job.out.resolve()): "OUT"}
    started = utc_now()
    with run_lock(job.out), logged_run(job.out, settings=job.options or {}, console=CONSOLE, hidden=hidden) as log:
        _say_size(table)
        result = analyse_survival(table, job.settings, embeddings=embeddings, said=_said())
        estimates = suppressed(result.estimates, job.min_cell) if job.suppresses else result.estimates
        run = RunOfSurvival(
            job=job,
            table=table,
            result=result,
            estimates=estimates,
            started=started,
            inputs=tuple((path.name, digest(path)[0]) for path in inputs),
        )
        write_survival(run)
        log.finish(exit_code=0, facts={"command": job.command, "n_estimates": estimates.height})
    done = DoneSurvival(job, table, result, estimates)
    CONSOLE.info(f"report: {done.report}")
    return done


def summary_json(done: DoneSurvival) -> str:
    """What programs want to know at once; no number of people that disclosure control would take away."""
    few = done.job.suppresses and done.n_events < done.job.min_cell
    missing = done.estimates.filter(pl.col("analysis") == "not_estimable")
    return json.dumps(
        {
            "report": str(done.report),
            "outcome": done.table.outcome_name,
            "n": done.table.n,
            "events": None if few else done.n_events,
            "phenotypes": list(done.table.phenotypes),
            "horizon": done.result.horizon,
            "estimates": done.estimates.height,
            "not_estimable": missing["level"].to_list(),
            "suppressed": done.job.suppresses,
        },
        indent=2,
    )


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


def _said() -> Callable[[str], None]:
    """What hears the steps of the analysis."""
    return CONSOLE.info if CONSOLE.progress else CONSOLE.debug
