"""An audit of fairness from its tables to its folder: read, compare, take small numbers out, write."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl

from cinema_cli.analysis.estimates import ANALYSES
from cinema_cli.analysis.fairness.audit import audit
from cinema_cli.analysis.fairness.failures import disagreement_metrics, failure_metrics
from cinema_cli.analysis.fairness.groups import GroupColumn, group_columns
from cinema_cli.analysis.fairness.metric import Metric, RankMetric
from cinema_cli.analysis.fairness.outcomes import Followed, followed_people
from cinema_cli.analysis.fairness.people import People, no_participants, read_people, read_people_table
from cinema_cli.analysis.fairness.release import released
from cinema_cli.analysis.fairness.segmentation import EVALUATION_TABLE, evaluation_metrics, read_evaluation
from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.door import read_analysis_table
from cinema_cli.analysis.survival.reading import read_outcomes, read_phenotypes
from cinema_cli.analysis.survival.table import PARTICIPANT
from cinema_cli.commands.analysis_files import (
    Contents,
    RunFacts,
    check_folder_of,
    digests_of,
    each_once,
    phenotype_table,
    run_facts,
    shown_count,
    write_folder,
)
from cinema_cli.commands.analysis_run import Done, logged, say_step
from cinema_cli.commands.evaluate_asked import EvaluationJob
from cinema_cli.commands.fairness_asked import FairnessJob
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.runlog import utc_now
from cinema_cli.domain.errors import InputError
from cinema_cli.io.dictionary import entry
from cinema_cli.io.predictions import PREDICTIONS
from cinema_cli.reports.fairness import FairnessFacts, render_fairness

EVALUATION = EvaluationJob.kind.name  # the folder beside, where none is named
_SETTINGS = (
    *("groups", "covariates", "reference", "outcome", "horizon", "time_unit", "n_permutations", "n_resamples"),
    *("multiplicity", "min_cell", "suppressed", "seed"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What was read: people, their groups, what is compared."""

    inputs: tuple[Path, ...]
    people: People
    columns: tuple[GroupColumn, ...]
    metrics: tuple[Metric | RankMetric, ...]
    followed: Followed | None
    reference: str


def run_fairness(job: FairnessJob) -> Done:
    """Compare and write into `job.out`, with a log; nothing is written where tables are refused. Raises CinemaError."""
    if job.reference is not None:
        job = replace(job, evaluation=_evaluated(job, job.reference))
    ready = prepare(job)
    return logged(job, lambda: carry_out(job, ready), inputs=ready.inputs)


def _evaluated(job: FairnessJob, reference: Path) -> Path:
    """Compare with a reference as `cinema evaluate` does; the folder that this wrote. Raises CinemaError."""
    from cinema_cli.commands.evaluate_run import run_evaluation

    out = (job.source if job.source.is_dir() else job.out) / EVALUATION
    masks, values = (reference, None) if reference.is_dir() else (None, reference)
    run_evaluation(
        EvaluationJob(
            source=job.source,
            out=out,
            reference=masks,
            values=values,
            id_column=job.columns.participant,
            min_cell=job.min_cell,
            suppresses=job.suppresses,
            seed=job.settings.seed,
            jobs=job.settings.jobs,
            hash_key=job.hash_key,
            command=job.command,
            options={name: value for name, value in job.options.items() if name == "hash_ids"},
        )
    )
    return out


def prepare(job: FairnessJob) -> Prepared:
    """Read the tables; nothing is written. Raises InputError, ConfigError, UsageError."""
    folder = job.evaluation or job.source / EVALUATION
    evaluation = read_evaluation(folder)
    if evaluation is None and job.evaluation is not None:
        raise InputError(
            f"no {EVALUATION_TABLE.name} in {job.evaluation}",
            hint="Give the folder that `cinema evaluate` wrote.",
            code="no_evaluation",
        )
    inputs = _inputs(job, folder if evaluation is not None else None)
    check_folder_of(job, inputs=inputs)
    columns = _columns(job)
    people = read_people(
        job.source,
        job.people,
        age_bands=job.age_bands,
        id_column=job.columns.participant,
        cluster=job.cluster,
        hash_key=job.hash_key,
    )
    for name in job.settings.adjust:
        people.column(name)  # that it is there is checked before anything is written
    followed = None
    if job.outcomes is not None:
        table = read_analysis_table(
            job.source, job.outcomes, columns=columns, time_unit=job.time_unit, hash_key=job.hash_key
        )
        for said, ids in table.warnings:
            CONSOLE.warn(said, aside=ids)
        followed = followed_people(people, table)
        followed.horizon(job.settings.horizon)  # that something can be said of it is checked here too
    metrics: list[Metric | RankMetric] = [*failure_metrics(people), *disagreement_metrics(people, job.source)]
    if evaluation is not None:
        metrics += evaluation_metrics(people, evaluation)
    if not metrics and followed is None:
        raise InputError(
            f"{job.source.name} says nothing that could be compared: no status, phenotypes or checks of ours",
            hint="Give the output folder of `cinema analyse`, --evaluation or --outcomes.",
            code="nothing_to_compare",
        )
    reference = f"the reference of {folder.name}" if evaluation is not None else ""
    return Prepared(inputs, people, group_columns(people, job.groups), tuple(metrics), followed, reference)


def _columns(job: FairnessJob) -> Columns:
    """Columns of the outcomes, with that of --id-column where their tables have it.

    Raises ConfigError where no table has it, InputError.
    """
    if not (named := job.columns.participant):
        return job.columns
    tables = [read_phenotypes(job.source), *([read_outcomes(job.outcomes)] if job.outcomes else [])]
    if any(table.has(named) for table in tables):
        return job.columns
    if job.people is None or not read_people_table(job.people).has(named):
        raise no_participants(tables[0], named)
    return replace(job.columns, participant="")


def carry_out(job: FairnessJob, ready: Prepared) -> Done:
    """Compare what was read and write it. Raises OutputError."""
    started, min_cell = utc_now(), job.min_cell if job.suppresses else 1
    table, groups = ready.followed.table if ready.followed else None, tuple(column.name for column in ready.columns)
    for said in (*ready.people.notes, *(table.notes if table else ())):
        CONSOLE.info(said)
    CONSOLE.info(f"{ready.people.n} people by {', '.join(groups)}; {len(ready.metrics)} metrics")
    result = audit(
        ready.people, ready.columns, ready.metrics, job.settings,
        followed=ready.followed, said=partial(say_step, "fairness"),
    )  # fmt: skip
    estimates = released(result.estimates, min_cell=min_cell)
    run = run_facts(job, started=started, inputs=digests_of(ready.inputs))
    facts, rows = _facts(job, ready, run, horizon=result.horizon), _rows(ready)
    contents = Contents(
        estimates,
        analyses={kind: ANALYSES[kind] for kind in estimates["analysis"].unique(maintain_order=True)},
        rows=rows,
        rows_words={name: entry("A group, or a metric of this person as `metric: what`.") for name in rows.columns},
        report=render_fairness(estimates, facts),
    )
    write_folder(job, contents, run, settings={"settings": {name: getattr(facts, name) for name in _SETTINGS}})
    gaps = estimates.filter(pl.col("analysis") == "gap")
    summary = {
        "n": shown_count(ready.people.n, min_cell=min_cell),
        "groups": groups,
        "metrics": len(ready.metrics),
        "gaps": gaps.height,
        "gaps_q_below_0.05": gaps.filter(pl.col("q") < 0.05).select("model", "term", "group", "q").to_dicts(),
    }
    return Done(job, estimates, summary)


def _inputs(job: FairnessJob, evaluation: Path | None) -> tuple[Path, ...]:
    """Files that are read, each once."""
    predictions = job.source / PREDICTIONS
    return each_once(
        (
            phenotype_table(job.source),
            job.people,
            job.outcomes,
            evaluation / EVALUATION_TABLE if evaluation else None,
            predictions if predictions.is_file() else None,
        )
    )


def _rows(ready: Prepared) -> pl.DataFrame:
    """One row a person: groups, and a column for each metric."""
    people = ready.people.rows
    ids = people[PARTICIPANT] if PARTICIPANT in people.columns else people["_key"].alias(PARTICIPANT)
    columns = [ids, *(ready.people.column(column.name).cast(pl.String) for column in ready.columns)]
    return pl.DataFrame(columns).with_columns(
        pl.Series(f"{one.model}: {one.term}", one.values if isinstance(one, Metric) else one.score, nan_to_null=True)
        for one in ready.metrics
    )


def _facts(job: FairnessJob, ready: Prepared, run: RunFacts, *, horizon: float | None) -> FairnessFacts:
    """What the page says of the run beside the estimates."""
    table = ready.followed.table if ready.followed else None
    return FairnessFacts(
        **run,
        groups=tuple(column.name for column in ready.columns),
        covariates=job.settings.adjust,
        reference=ready.reference,
        outcome=job.event_words or (table.outcome_name if table else ""),
        horizon=horizon,
        time_unit=table.time_unit if table else "years",
        multiplicity=job.settings.multiplicity,
        n_permutations=job.settings.n_permutations,
        n_resamples=job.settings.n_resamples,
        seed=job.settings.seed,
    )
