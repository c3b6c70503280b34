"""A survival analysis from its tables to its folder: read, analyse, take small numbers out, write."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.estimates import SURVIVAL_ANALYSES
from cinema_cli.analysis.survival.analysis import SurvivalResult, analyse_survival
from cinema_cli.analysis.survival.dictionary import table_words
from cinema_cli.analysis.survival.door import FEW_CLUSTERS, read_analysis_table
from cinema_cli.analysis.survival.settings import Embeddings
from cinema_cli.analysis.survival.table import ENTRY, AnalysisTable
from cinema_cli.analysis.survival.vectors import EMBEDDING_TABLE, read_embeddings
from cinema_cli.commands.analysis_files import (
    Contents,
    RunFacts,
    check_folder_of,
    digests_of,
    each_once,
    phenotype_table,
    run_facts,
    write_folder,
)
from cinema_cli.commands.analysis_job import told_of_hashes
from cinema_cli.commands.analysis_run import Done, logged, say_step
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.runlog import utc_now
from cinema_cli.commands.survival_asked import SurvivalJob
from cinema_cli.reports.survival import SurvivalFacts, render_survival

_COLUMNS = ("outcome", "competing", "phenotypes", "covariates", "strata", "groups", "cluster", "weights", "entry")
_SETTINGS = (
    *("time_unit", "horizon", "per", "multiplicity", "seed", "n_resamples", "n_imputations"),
    *("min_cell", "suppressed"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Tables that passed the door."""

    inputs: tuple[Path, ...]
    table: AnalysisTable
    embeddings: Embeddings | None


def run_survival(job: SurvivalJob) -> Done:
    """Analyse and write into `job.out`, with a log; nothing is written where tables are refused. Raises CinemaError."""
    with told_of_hashes(job):
        ready = prepare(job)
    return logged(job, lambda: carry_out(job, ready), inputs=ready.inputs)


def prepare(job: SurvivalJob) -> Prepared:
    """Read the tables; nothing is written. Raises InputError, ConfigError, UsageError."""
    embedded = job.embeddings / EMBEDDING_TABLE if job.embeddings and job.embeddings.is_dir() else job.embeddings
    inputs = each_once((phenotype_table(job.source), job.outcomes, embedded))
    check_folder_of(job, inputs=inputs)
    table = read_analysis_table(
        job.source,
        job.outcomes,
        columns=job.columns,
        time_unit=job.time_unit,
        imputes=bool(job.settings.n_imputations),
        hash_key=job.hash_key,
    )
    embeddings = read_embeddings(job.embeddings, table) if job.embeddings else None
    return Prepared(inputs, table, embeddings)


def carry_out(job: SurvivalJob, ready: Prepared) -> Done:
    """Analyse what was read and write it. Raises OutputError."""
    started, table = utc_now(), ready.table
    for said in table.notes:
        CONSOLE.info(said)
    for said, ids in table.warnings:
        CONSOLE.warn(said, aside=ids)
    n = len(table.phenotypes)
    CONSOLE.info(f"{n} {'phenotype' if n == 1 else 'phenotypes'} against {job.event_words or table.outcome_name}")
    result = analyse_survival(table, job.settings, embeddings=ready.embeddings, said=partial(say_step, "survival"))
    estimates = suppressed(result.estimates, min_cell=job.min_cell) if job.suppresses else result.estimates
    run = run_facts(job, started=started, inputs=digests_of(ready.inputs))
    facts = _facts(job, table, result, run)
    contents = Contents(
        estimates,
        SURVIVAL_ANALYSES,
        rows=table.as_export(),
        rows_words=table_words(table),
        report=render_survival(estimates, facts),
    )
    columns = {name: getattr(facts, name) for name in _COLUMNS} | {"origin": table.origin_name}
    settings = {name: getattr(facts, name) for name in _SETTINGS}
    write_folder(job, contents, run, settings={"columns": columns, "settings": settings})
    not_estimable = estimates.filter(pl.col("analysis") == "not_estimable")["level"]
    rate = estimates.filter(analysis="rate", outcome=table.outcome_name, group="")  # of everybody, as written
    summary = {
        "outcome": table.outcome_name,
        **{count: rate[count][0] if rate.height else None for count in ("n", "events")},
        "phenotypes": list(table.phenotypes),
        "horizon": result.horizon,
        "not_estimable": not_estimable.unique(maintain_order=True).to_list(),
    }
    return Done(job, estimates, summary)


def _facts(job: SurvivalJob, table: AnalysisTable, result: SurvivalResult, run: RunFacts) -> SurvivalFacts:
    """What the page says of the run beside the estimates."""
    return SurvivalFacts(
        **run,
        outcome=table.outcome_name,
        outcome_words=job.event_words,
        time_unit=table.time_unit,
        horizon=result.horizon,
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
        multiplicity=job.settings.multiplicity,
        seed=job.settings.seed,
        n_resamples=result.n_resamples,
        n_imputations=job.settings.n_imputations,
    )


def _few_clusters(table: AnalysisTable) -> str:
    """How many clusters there are, where they are few; where each is a person their number is one of people."""
    if not 0 < table.n_clusters < FEW_CLUSTERS:
        return ""
    return str(table.n_clusters) if table.n_clusters < table.n_people else f"fewer than {FEW_CLUSTERS}"
