"""The folder of an audit of fairness: the page, its estimates, the run, and rows of people apart from all that."""

import json
from dataclasses import dataclass

import polars as pl

from cinema_cli import __version__
from cinema_cli.analysis.estimate_words import estimate_words
from cinema_cli.analysis.estimates import ANALYSES
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
from cinema_cli.commands.fairness_asked import FOLDER, FairnessJob
from cinema_cli.commands.runlog import utc_now
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.dictionary import entry
from cinema_cli.io.tables import write_dictionary
from cinema_cli.reports.analysis.facts import InputFile
from cinema_cli.reports.fairness import FairnessFacts, render_fairness

PLAN = FolderPlan(run_name="fairness.json", rows_name="people", beside=FOLDER)
_LIBRARIES = ("numpy", "polars", "scipy", "matplotlib")
_NO_CHOICES = frozenset({"source", "people", "evaluation", "outcomes", "out", "as_json", "jobs"})


@dataclass(frozen=True, slots=True, eq=False)
class RunOfFairness:
    """All that the files are made of."""

    job: FairnessJob
    rows: pl.DataFrame  # one a person: groups, and a column a metric
    estimates: pl.DataFrame  # after disclosure control
    groups: tuple[str, ...]
    reference: str
    outcome: str
    horizon: float | None
    time_unit: str
    started: str
    inputs: tuple[InputFile, ...]


def write_fairness(run: RunOfFairness) -> None:
    """Write everything or nothing, what says how it was made last. Raises OutputError."""
    facts = fairness_facts(run)
    used = {kind: ANALYSES[kind] for kind in run.estimates["analysis"].unique(maintain_order=True)}
    words = {name: entry("A group, or a metric of this person as `metric: what`.") for name in run.rows.columns}
    with staged(run.job.out, last=PLAN.run_name) as out:
        write_both(out, ESTIMATES, run.estimates, na="")
        write_dictionary(out, ESTIMATES, run.estimates.columns, estimate_words(used))
        write_atomic(out / INDIVIDUAL / "README", _README)
        write_both(out / INDIVIDUAL, PLAN.rows_name, run.rows, na="NA")
        write_dictionary(out / INDIVIDUAL, PLAN.rows_name, run.rows.columns, words)
        write_atomic(out / REPORT_NAME, render_fairness(run.estimates, facts))
        write_atomic(out / PLAN.run_name, json.dumps(_run(facts), indent=2, default=str) + "\n")


def fairness_facts(run: RunOfFairness) -> FairnessFacts:
    """What the page says of the run beside the estimates."""
    job = run.job
    return FairnessFacts(
        version=__version__,
        groups=run.groups,
        covariates=job.settings.adjust,
        reference=run.reference,
        outcome=job.event_words or run.outcome,
        horizon=run.horizon,
        time_unit=run.time_unit,
        n_permutations=job.settings.n_permutations,
        n_resamples=job.settings.n_resamples,
        min_cell=job.min_cell,
        suppressed=job.suppresses,
        seed=job.settings.seed,
        command=job.command,
        started=run.started,
        finished=utc_now(),
        versions=versions_of(_LIBRARIES),
        inputs=run.inputs,
        options=choices_of(job.options, without=_NO_CHOICES),
    )


def _run(facts: FairnessFacts) -> dict[str, object]:
    """fairness.json: how it was made, and no number of people."""
    settings = (
        *("groups", "covariates", "reference", "outcome", "horizon", "time_unit", "n_permutations", "n_resamples"),
        *("multiple", "min_cell", "suppressed", "seed"),
    )
    return {
        "version": facts.version,
        "command": facts.command,
        "started": facts.started,
        "finished": facts.finished,
        "versions": dict(facts.versions),
        "inputs": [{"name": one.name, "sha256": one.sha256} for one in facts.inputs],
        "settings": {name: getattr(facts, name) for name in settings},
        "options": dict(facts.options),
    }


_README = """\
Rows of people: what the audit was made of. Not for release, whatever --min-cell says;
nor are the logs beside this folder, which count people as they are.

people.csv, .parquet   one row a participant: the groups, and a column for each metric
"""
