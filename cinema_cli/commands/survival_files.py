"""The folder of a survival analysis: the page, its estimates, the run, and rows of people apart from all that."""

import json
from dataclasses import dataclass

import polars as pl

from cinema_cli import __version__
from cinema_cli.analysis.estimate_words import estimate_words
from cinema_cli.analysis.estimates import SURVIVAL_ANALYSES
from cinema_cli.analysis.survival.analysis import SurvivalResult
from cinema_cli.analysis.survival.dictionary import table_words
from cinema_cli.analysis.survival.door import FEW_CLUSTERS
from cinema_cli.analysis.survival.table import ENTRY, AnalysisTable
from cinema_cli.commands.analysis_files import (
    ESTIMATES,
    INDIVIDUAL,
    REPORT_NAME,
    FolderPlan,
    choices_of,
    staged,
    versions_of,
    write_both,
)
from cinema_cli.commands.runlog import utc_now
from cinema_cli.commands.survival_asked import SurvivalJob
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.tables import write_dictionary
from cinema_cli.reports.analysis.facts import InputFile
from cinema_cli.reports.survival import SurvivalFacts, render_survival

PLAN = FolderPlan(run_name="survival.json", rows_name="analysis_table", beside="survival")
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
    inputs: tuple[InputFile, ...]


def write_survival(run: RunOfSurvival) -> None:
    """Write everything or nothing, what says how it was made last. Raises OutputError."""
    facts, export = survival_facts(run), run.table.as_export()
    with staged(run.job.out, last=PLAN.run_name) as out:
        write_both(out, ESTIMATES, run.estimates, na="")
        write_dictionary(out, ESTIMATES, run.estimates.columns, estimate_words(SURVIVAL_ANALYSES))
        write_atomic(out / INDIVIDUAL / "README", _README)
        write_both(out / INDIVIDUAL, PLAN.rows_name, export, na="NA")
        write_dictionary(out / INDIVIDUAL, PLAN.rows_name, export.columns, table_words(run.table))
        write_atomic(out / REPORT_NAME, render_survival(run.estimates, facts))
        write_atomic(out / PLAN.run_name, json.dumps(_run(run, facts), indent=2, default=str) + "\n")


def survival_facts(run: RunOfSurvival) -> SurvivalFacts:
    """What the page says of the run beside the estimates."""
    job, table = run.job, run.table
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
        few_clusters=_few_clusters(table),
        weights=table.weights,
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
        versions=versions_of(_LIBRARIES),
        inputs=run.inputs,
        options=choices_of(job.options, without=_NO_CHOICES),
    )


def _few_clusters(table: AnalysisTable) -> str:
    """How many clusters there are, where they are few; where each is a person their number is one of people."""
    if not 0 < table.n_clusters < FEW_CLUSTERS:
        return ""
    return str(table.n_clusters) if table.n_clusters < table.n_people else f"fewer than {FEW_CLUSTERS}"


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
            "weights": facts.weights,
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
