"""The folder of an evaluation: the page, its estimates, the run, and rows of people apart from all that."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from cinema_cli import __version__
from cinema_cli.analysis.estimate_words import estimate_words
from cinema_cli.analysis.estimates import EVALUATION_ANALYSES
from cinema_cli.analysis.evaluation.against import RESAMPLES
from cinema_cli.analysis.evaluation.words import EVALUATION_WORDS
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
from cinema_cli.commands.evaluate_asked import FOLDER, EvaluationJob
from cinema_cli.commands.runlog import utc_now
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.tables import write_dictionary
from cinema_cli.reports.analysis.facts import InputFile
from cinema_cli.reports.evaluation import EvaluationFacts, WorstCase, render_evaluation, render_worst

PLAN = FolderPlan(run_name="evaluation.json", rows_name="evaluation", beside=FOLDER)
WORST = "worst.html"  # in INDIVIDUAL
_LIBRARIES = ("numpy", "polars", "scipy", "matplotlib")
_NO_CHOICES = frozenset(
    {"source", "reference", "reference_values", "against", "people", "repeat", "out", "as_json", "jobs"}
)


@dataclass(frozen=True, slots=True, eq=False)
class RunOfEvaluation:
    """All that the files are made of."""

    job: EvaluationJob
    table: pl.DataFrame  # EVALUATION
    estimates: pl.DataFrame  # after disclosure control
    worst: Sequence[WorstCase]
    started: str
    inputs: tuple[InputFile, ...]


def write_evaluation(run: RunOfEvaluation) -> None:
    """Write everything or nothing, what says how it was made last. Raises OutputError."""
    facts = evaluation_facts(run)
    with staged(run.job.out, last=PLAN.run_name) as out:
        write_both(out, ESTIMATES, run.estimates, na="")
        write_dictionary(out, ESTIMATES, run.estimates.columns, estimate_words(EVALUATION_ANALYSES))
        write_atomic(out / INDIVIDUAL / "README", _README)
        write_both(out / INDIVIDUAL, PLAN.rows_name, run.table, na="NA")
        write_dictionary(out / INDIVIDUAL, PLAN.rows_name, run.table.columns, EVALUATION_WORDS)
        write_atomic(out / INDIVIDUAL / WORST, render_worst(run.worst, facts))
        write_atomic(out / REPORT_NAME, render_evaluation(run.estimates, facts, run.worst))
        write_atomic(out / PLAN.run_name, json.dumps(_run(run, facts), indent=2, default=str) + "\n")


def evaluation_facts(run: RunOfEvaluation) -> EvaluationFacts:
    """What the page says of the run beside the estimates."""
    job = run.job
    sources = (job.reference, job.values)
    repeats = "two sessions a participant" if job.repeats_sessions else ""
    return EvaluationFacts(
        version=__version__,
        system=job.source.name,
        against=job.against.name if job.against else "",
        reference=" and ".join(path.name for path in sources if path),
        labels=job.labels.name if job.reference else "",
        repeats=f"pairs of {job.repeat.name}" if job.repeat else repeats,
        groups=job.groups,
        min_cell=job.min_cell,
        suppressed=job.suppresses,
        seed=job.seed,
        n_resamples=RESAMPLES if job.against else 0,
        command=job.command,
        started=run.started,
        finished=utc_now(),
        versions=versions_of(_LIBRARIES),
        inputs=run.inputs,
        options=choices_of(job.options, without=_NO_CHOICES),
    )


def _run(run: RunOfEvaluation, facts: EvaluationFacts) -> dict[str, object]:
    """evaluation.json: how it was made, and no number of people."""
    settings = ("reference", "against", "labels", "repeats", "groups", "min_cell", "suppressed", "seed", "n_resamples")
    return {
        "version": facts.version,
        "command": facts.command,
        "started": facts.started,
        "finished": facts.finished,
        "versions": dict(facts.versions),
        "inputs": [{"name": one.name, "sha256": one.sha256} for one in facts.inputs],
        "settings": {name: getattr(facts, name) for name in settings} | {"margins": dict(run.job.margins)},
        "options": dict(facts.options),
    }


_README = """\
Rows of people: what the evaluation was made of. Not for release, whatever --min-cell says;
nor are the logs beside this folder, which count people as they are.

evaluation.csv, .parquet   one row a study, system, structure or number, frame and metric; evaluation.json says what
                           columns mean
worst.html                 the studies farthest from their reference, with links to their pages
"""
