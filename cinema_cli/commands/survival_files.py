"""The folder of a survival analysis: the page, its estimates, the run, and rows of people apart from all that."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl

from cinema_cli import __version__
from cinema_cli.analysis.survival.analysis import SurvivalResult
from cinema_cli.analysis.survival.dictionary import ESTIMATE_WORDS, table_words
from cinema_cli.analysis.survival.table import ENTRY, AnalysisTable
from cinema_cli.commands.options import without_folders
from cinema_cli.commands.run_environment import program_facts
from cinema_cli.commands.runlog import utc_now
from cinema_cli.commands.survival_asked import SurvivalJob
from cinema_cli.domain.errors import UsageError
from cinema_cli.io.atomic import stream_atomic, write_atomic
from cinema_cli.io.cohort_list import STUDIES
from cinema_cli.io.tables import disk_errors_heard, to_csv, write_dictionary
from cinema_cli.reports.survival import InputFile, SurvivalFacts, render_survival

REPORT_NAME = "report.html"
RUN_NAME = "survival.json"
INDIVIDUAL = "individual"  # the folder of rows of people
_TABLES = ("estimates", f"{INDIVIDUAL}/analysis_table")
_SUFFIXES = (".csv", ".parquet", ".json")
_LIBRARIES = ("numpy", "polars", "scipy", "lifelines", "scikit-survival", "matplotlib")
_NO_CHOICES = frozenset(
    {"source", "outcomes", "out", "embeddings", "as_json", "jobs"}
)  # options that say where, not how


@dataclass(frozen=True, slots=True, eq=False)
class RunOfSurvival:
    """All that the files are made of."""

    job: SurvivalJob
    table: AnalysisTable
    result: SurvivalResult
    estimates: pl.DataFrame  # after disclosure control
    started: str
    inputs: Sequence[tuple[str, str]]  # name and SHA-256 of the files read


def check_folder_of(out: Path, *, inputs: Sequence[Path]) -> None:
    """Raise UsageError where writing would replace an input, or the report of a cohort."""
    written = {(out / name).resolve() for name in _written()}
    if replaced := [path for path in inputs if path.resolve() in written]:
        raise UsageError(
            f"{replaced[0]} would be replaced by a file of that name",
            hint="Nothing is written over an input: choose another --out.",
            code="output_is_input",
        )
    if (out / STUDIES).is_file():
        raise UsageError(
            f"{out} is the output folder of a cohort, whose {REPORT_NAME} would be replaced",
            hint=f"Use --out {out / 'survival'}.",
            code="output_is_cohort",
        )


def _written() -> tuple[str, ...]:
    tables = (f"{name}{suffix}" for name in _TABLES for suffix in _SUFFIXES)
    return (REPORT_NAME, RUN_NAME, f"{INDIVIDUAL}/README", *tables)


def write_survival(run: RunOfSurvival) -> None:
    """Write everything, each file whole or not at all, what says how it was made last. Raises OutputError."""
    out, export = run.job.out, run.table.as_export()
    _write_table(out, "estimates", run.estimates, na="")
    write_dictionary(out, "estimates", run.estimates.columns, ESTIMATE_WORDS)
    write_atomic(out / INDIVIDUAL / "README", _README)
    _write_table(out / INDIVIDUAL, "analysis_table", export, na="NA")
    write_dictionary(out / INDIVIDUAL, "analysis_table", export.columns, table_words(run.table))
    facts = survival_facts(run)
    write_atomic(out / REPORT_NAME, render_survival(run.estimates, facts))
    write_atomic(out / RUN_NAME, json.dumps(_run(run, facts), indent=2, default=str) + "\n")


def _write_table(out: Path, name: str, table: pl.DataFrame, *, na: str) -> None:
    forms: Mapping[str, Callable[[BinaryIO], object]] = {
        ".csv": lambda file: file.write(to_csv(table, na=na).encode()),
        ".parquet": lambda file: disk_errors_heard(file, table.write_parquet),
    }
    for suffix, write in forms.items():
        stream_atomic(out / f"{name}{suffix}", write)


def survival_facts(run: RunOfSurvival) -> SurvivalFacts:
    """What the page says of the run beside the estimates."""
    job, table, program = run.job, run.table, program_facts(_LIBRARIES)
    choices = {name: value for name, value in (job.options or {}).items() if name not in _NO_CHOICES and value}
    return SurvivalFacts(
        version=__version__,
        outcome=table.outcome_name,
        outcome_words=job.event_words,
        time_unit=table.time_unit,
        horizon=run.result.horizon,
        per=str(job.settings.per),
        phenotypes=table.phenotypes,
        covariates=table.covariates,
        strata=table.strata,
        groups=table.groups,
        cluster=", ".join(table.cluster),
        competing=table.competing_name,
        entry=ENTRY in table.rows.columns,
        min_cell=job.min_cell,
        suppressed=job.suppresses,
        seed=job.settings.seed,
        n_resamples=run.result.n_resamples,
        n_imputations=job.settings.n_imputations,
        command=job.command,
        started=run.started,
        finished=utc_now(),
        versions=(("cinema", __version__), ("python", program["python"]), *program["libraries"].items()),
        inputs=tuple(InputFile(name, sha256) for name, sha256 in run.inputs),
        options=tuple((name.replace("_", "-"), _shown(value)) for name, value in choices.items()),
    )


def _shown(value: object) -> str:
    return ", ".join(map(without_folders, value)) if isinstance(value, list | tuple) else without_folders(value)


def _run(run: RunOfSurvival, facts: SurvivalFacts) -> dict[str, object]:
    """survival.json: how it was made, and no number of people."""
    return {
        "version": facts.version,
        "command": facts.command,
        "started": facts.started,
        "finished": facts.finished,
        "versions": dict(facts.versions),
        "inputs": [{"name": one.name, "sha256": one.sha256} for one in facts.inputs],
        "columns": {
            "outcome": facts.outcome,
            "competing": facts.competing,
            **{name: getattr(facts, name) for name in ("phenotypes", "covariates", "strata", "groups", "cluster")},
            "weights": run.table.weights,
            "origin": run.table.origin_name,
            "entry": facts.entry,
        },
        "settings": {
            name: getattr(facts, name)
            for name in (
                "time_unit",
                "horizon",
                "per",
                "seed",
                "n_resamples",
                "n_imputations",
                "min_cell",
                "suppressed",
            )
        },
        "options": dict(facts.options),
    }


_README = """\
Rows of people: what the analysis was made of. Not for release, whatever --min-cell says;
nor are the logs beside this folder, which count people as they are.

analysis_table.csv, .parquet   one row a participant (or an interval of one); analysis_table.json says what columns mean

In R:
  people <- read.csv("analysis_table.csv", check.names = FALSE, colClasses = c(participant_id = "character"))
  survival::coxph(survival::Surv(time, event == 1) ~ ..., people)        # Surv(entry, time, event == 1) with entry
"""
