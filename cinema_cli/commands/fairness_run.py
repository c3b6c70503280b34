"""An audit of fairness from its tables to its folder: read, compare, take small numbers out, write."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from cinema_cli.analysis.estimates import ANALYSES
from cinema_cli.analysis.fairness.audit import audit
from cinema_cli.analysis.fairness.metric import Metric
from cinema_cli.analysis.fairness.release import released
from cinema_cli.analysis.survival.table import PARTICIPANT
from cinema_cli.commands.analysis_files import (
    Contents,
    RunFacts,
    check_folder_of,
    digests_of,
    run_facts,
    shown_count,
    write_folder,
)
from cinema_cli.commands.analysis_job import told_of_hashes
from cinema_cli.commands.analysis_run import Done, logged, say_step
from cinema_cli.commands.evaluate_asked import EvaluationJob
from cinema_cli.commands.fairness_asked import FairnessJob
from cinema_cli.commands.fairness_inputs import EVALUATION, Prepared, prepare
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.runlog import utc_now
from cinema_cli.io.dictionary import entry
from cinema_cli.reports.fairness import FairnessFacts, render_fairness

_SETTINGS = (
    *("groups", "covariates", "reference", "outcome", "horizon", "time_unit", "n_permutations", "n_resamples"),
    *("multiplicity", "min_cell", "suppressed", "seed"),
)


def run_fairness(job: FairnessJob) -> Done:
    """Compare and write into `job.out`, with a log; nothing is written where tables are refused. Raises CinemaError."""
    if job.reference is not None:
        check_folder_of(job, inputs=())
        job = replace(job, evaluation=_evaluated(job, job.reference))
    with told_of_hashes(job):
        ready = prepare(job)
    return logged(job, lambda: carry_out(job, ready), inputs=ready.inputs)


def _evaluated(job: FairnessJob, reference: Path) -> Path:
    """Compare with a reference as `cinema evaluate` does; the folder that this wrote, below that of the audit.

    Raises CinemaError.
    """
    from cinema_cli.commands.evaluate_run import run_evaluation

    out = job.out / EVALUATION
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
