"""What an audit of fairness reads: people, their groups, and what is compared between these."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from cinema_cli.analysis.fairness.failures import disagreement_metrics, failure_metrics
from cinema_cli.analysis.fairness.groups import GroupColumn, group_columns
from cinema_cli.analysis.fairness.metric import Metric, RankMetric
from cinema_cli.analysis.fairness.outcomes import Followed, followed_people
from cinema_cli.analysis.fairness.people import People, no_participants, read_people, read_people_table
from cinema_cli.analysis.fairness.segmentation import EVALUATION_TABLE, evaluation_metrics, read_evaluation
from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.door import read_analysis_table
from cinema_cli.analysis.survival.reading import read_outcomes, read_phenotypes
from cinema_cli.commands.analysis_files import check_folder_of, each_once, phenotype_table
from cinema_cli.commands.evaluate_asked import EvaluationJob
from cinema_cli.commands.fairness_asked import FairnessJob
from cinema_cli.commands.options import CONSOLE
from cinema_cli.domain.errors import InputError
from cinema_cli.io.predictions import PREDICTIONS

EVALUATION = EvaluationJob.kind.name  # the folder beside, where none is named


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What was read: people, their groups, what is compared."""

    inputs: tuple[Path, ...]
    people: People
    columns: tuple[GroupColumn, ...]
    metrics: tuple[Metric | RankMetric, ...]
    followed: Followed | None
    reference: str


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
    people = _people(job)
    followed = _followed(job, people, columns)
    metrics = tuple(_metrics(job, people, evaluation))
    if not metrics and followed is None:
        raise InputError(
            f"{job.source.name} says nothing that could be compared: no status, phenotypes or checks of ours",
            hint="Give the output folder of `cinema analyse`, --evaluation or --outcomes.",
            code="nothing_to_compare",
        )
    reference = f"the reference of {folder.name}" if evaluation is not None else ""
    return Prepared(inputs, people, group_columns(people, job.groups), metrics, followed, reference)


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


def _people(job: FairnessJob) -> People:
    """Everybody. Raises ConfigError also where nothing is known of what is to be held equal, InputError."""
    people = read_people(
        job.source,
        job.people,
        age_bands=job.age_bands,
        id_column=job.columns.participant,
        cluster=job.cluster,
        hash_key=job.hash_key,
    )
    for name in job.settings.adjust:
        people.column(name)
    return people


def _followed(job: FairnessJob, people: People, columns: Columns) -> Followed | None:
    """Those with an outcome; None where none was handed in. Raises ConfigError, InputError, also where nothing can be
    said of the horizon."""
    if job.outcomes is None:
        return None
    table = read_analysis_table(
        job.source, job.outcomes, columns=columns, time_unit=job.time_unit, hash_key=job.hash_key
    )
    for sentence, ids in table.warnings:
        CONSOLE.warn(sentence, aside=ids)
    followed = followed_people(people, table)
    followed.horizon(job.settings.horizon)
    return followed


def _metrics(job: FairnessJob, people: People, evaluation: pl.DataFrame | None) -> Iterator[Metric | RankMetric]:
    """Who is lost or flagged, and how right results are where they were compared with a reference."""
    yield from failure_metrics(people)
    yield from disagreement_metrics(people, job.source)
    if evaluation is not None:
        yield from evaluation_metrics(people, evaluation)
