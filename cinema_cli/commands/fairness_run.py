"""An audit of fairness from its tables to its folder: read, compare, take small numbers out, write."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from cinema_cli.analysis.fairness.audit import FairnessResult, audit
from cinema_cli.analysis.fairness.failures import disagreement_metrics, failure_metrics
from cinema_cli.analysis.fairness.groups import GroupColumn, group_columns
from cinema_cli.analysis.fairness.metric import Metric, RankMetric
from cinema_cli.analysis.fairness.outcomes import Followed, followed_people
from cinema_cli.analysis.fairness.people import People, read_people
from cinema_cli.analysis.fairness.release import released
from cinema_cli.analysis.fairness.segmentation import EVALUATION_TABLE, evaluation_metrics, read_evaluation
from cinema_cli.analysis.survival.door import read_analysis_table
from cinema_cli.analysis.survival.reading import PHENOTYPE_TABLE
from cinema_cli.analysis.survival.table import PARTICIPANT
from cinema_cli.commands.analysis_files import REPORT_NAME, check_folder_of, digests_of, shown_count
from cinema_cli.commands.fairness_asked import FairnessJob
from cinema_cli.commands.fairness_files import PLAN, RunOfFairness, write_fairness
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.runlog import logged_run, utc_now
from cinema_cli.domain.errors import ExitCode, InputError
from cinema_cli.io.lock import run_lock
from cinema_cli.io.predictions import PREDICTIONS

EVALUATION = "evaluation"  # the folder beside, where none is named


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What was read: people, their groups, what is compared."""

    inputs: tuple[Path, ...]
    people: People
    columns: tuple[GroupColumn, ...]
    metrics: tuple[Metric | RankMetric, ...]
    followed: Followed | None
    reference: str


@dataclass(frozen=True, slots=True, eq=False)
class DoneFairness:
    """What was compared and where it lies."""

    job: FairnessJob
    ready: Prepared
    result: FairnessResult
    estimates: pl.DataFrame  # as written: after disclosure control

    @property
    def report(self) -> Path:
        """The page to read first."""
        return self.job.out / REPORT_NAME


def run_fairness(job: FairnessJob) -> DoneFairness:
    """Compare and write into `job.out`, with a log; nothing is written where tables are refused. Raises CinemaError."""
    if job.reference is not None:
        job = replace(job, evaluation=_evaluated(job, job.reference))
    ready = prepare(job)
    hidden = {str(path.parent.resolve()): "INPUT" for path in ready.inputs} | {str(job.out.resolve()): "OUT"}
    with run_lock(job.out), logged_run(job.out, settings=job.options or {}, console=CONSOLE, hidden=hidden) as log:
        done = carry_out(job, ready)
        log.finish(exit_code=ExitCode.DONE, facts={"command": job.command})
    CONSOLE.info(f"report: {done.report}")
    return done


def _evaluated(job: FairnessJob, reference: Path) -> Path:
    """Compare with a reference as `cinema evaluate` does; the folder that this wrote. Raises CinemaError."""
    from cinema_cli.commands.evaluate_asked import EvaluationJob
    from cinema_cli.commands.evaluate_run import run_evaluation

    out = (job.source if job.source.is_dir() else job.out) / EVALUATION
    masks, values = (reference, None) if reference.is_dir() else (None, reference)
    run_evaluation(
        EvaluationJob(
            job.source,
            out,
            reference=masks,
            values=values,
            min_cell=job.min_cell,
            suppresses=job.suppresses,
            seed=job.settings.seed,
            jobs=job.settings.jobs,
            command=job.command,
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
    check_folder_of(job.out, inputs=inputs, plan=PLAN)
    people = read_people(job.source, job.people, age_bands=job.age_bands, hash_key=job.hash_key)
    for name in job.settings.adjust:
        people.column(name)  # that it is there is checked before anything is written
    followed = None
    if job.outcomes is not None:
        table = read_analysis_table(
            job.source, job.outcomes, columns=job.columns, time_unit=job.time_unit, hash_key=job.hash_key
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


def carry_out(job: FairnessJob, ready: Prepared) -> DoneFairness:
    """Compare what was read and write it. Raises OutputError."""
    started = utc_now()
    for said in (*ready.people.notes, *(ready.followed.table.notes if ready.followed else ())):
        CONSOLE.info(said)
    names = ", ".join(column.name for column in ready.columns)
    CONSOLE.info(f"{ready.people.n} people by {names}; {len(ready.metrics)} metrics")
    result = audit(ready.people, ready.columns, ready.metrics, job.settings, followed=ready.followed, said=_say_step)
    estimates = released(result.estimates, min_cell=job.min_cell) if job.suppresses else result.estimates
    table = ready.followed.table if ready.followed else None
    write_fairness(
        RunOfFairness(
            job=job,
            rows=_rows(ready),
            estimates=estimates,
            groups=tuple(column.name for column in ready.columns),
            reference=ready.reference,
            outcome=table.outcome_name if table else "",
            horizon=result.horizon,
            time_unit=table.time_unit if table else "years",
            started=started,
            inputs=digests_of(ready.inputs),
        )
    )
    return DoneFairness(job, ready, result, estimates)


def summary_json(done: DoneFairness) -> str:
    """What programs want to know at once; no number of people that disclosure control would take away."""
    gaps = done.estimates.filter(pl.col("analysis") == "gap")
    min_cell = done.job.min_cell if done.job.suppresses else 1
    return json.dumps(
        {
            "report": str(done.report),
            "n": shown_count(done.ready.people.n, min_cell=min_cell),
            "groups": [column.name for column in done.ready.columns],
            "metrics": len(done.ready.metrics),
            "gaps": gaps.height,
            "gaps_q_below_0.05": gaps.filter(pl.col("q") < 0.05).select("model", "term", "group", "q").to_dicts(),
            "estimates": done.estimates.height,
            "suppressed": done.job.suppresses,
        },
        indent=2,
    )


def _inputs(job: FairnessJob, evaluation: Path | None) -> tuple[Path, ...]:
    """Files that are read, each once."""
    asked = [job.source / PHENOTYPE_TABLE if job.source.is_dir() else job.source]
    asked += [path for path in (job.people, job.outcomes) if path is not None]
    asked += [evaluation / EVALUATION_TABLE] if evaluation is not None else []
    if (predictions := job.source / PREDICTIONS).is_file():
        asked.append(predictions)
    return tuple({path.resolve(): path for path in asked}.values())


def _rows(ready: Prepared) -> pl.DataFrame:
    """One row a person: groups, and a column for each metric."""
    people = ready.people.rows
    ids = people[PARTICIPANT] if PARTICIPANT in people.columns else people["_key"].alias(PARTICIPANT)
    columns = [ids, *(ready.people.column(column.name).cast(pl.String) for column in ready.columns)]
    return pl.DataFrame(columns).with_columns(
        pl.Series(f"{one.model}: {one.term}", one.values if isinstance(one, Metric) else one.score, nan_to_null=True)
        for one in ready.metrics
    )


def _say_step(step: str) -> None:
    """A step of the audit begins."""
    if CONSOLE.progress:
        CONSOLE.info(f"fairness: {step}")
