"""An evaluation from its folders to its folder: match, compare, summarise, take small numbers out, write."""

import polars as pl

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.estimates import EVALUATION_ANALYSES, Estimate, table_of
from cinema_cli.analysis.evaluation.against import RESAMPLES, difference_rows, side_rows
from cinema_cli.analysis.evaluation.agreement_rows import agreement_rows
from cinema_cli.analysis.evaluation.class_rows import class_rows
from cinema_cli.analysis.evaluation.masks import DICE
from cinema_cli.analysis.evaluation.summary import summary_rows
from cinema_cli.analysis.evaluation.table import System
from cinema_cli.analysis.evaluation.words import EVALUATION_WORDS
from cinema_cli.commands.analysis_files import Contents, RunFacts, check_folder_of, run_facts, write_folder
from cinema_cli.commands.analysis_job import told_of_hashes
from cinema_cli.commands.analysis_run import Done, logged
from cinema_cli.commands.evaluate_asked import WORST, EvaluationJob
from cinema_cli.commands.evaluate_compared import Compared, compared
from cinema_cli.commands.evaluate_inputs import Inputs, read_inputs
from cinema_cli.commands.evaluate_worst import worst_of
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.runlog import utc_now
from cinema_cli.io.ledger import refuse_inside
from cinema_cli.reports.evaluation import EvaluationFacts, render_evaluation, render_worst

_HARDLY, _WELL = 0.1, 0.5  # Dice
_SETTINGS = ("reference", "against", "labels", "repeats", "groups", "min_cell", "suppressed", "seed", "n_resamples")


def run_evaluation(job: EvaluationJob) -> Done:
    """Compare and write into `job.out`, with a log; nothing is written where inputs are refused. Raises CinemaError."""
    with told_of_hashes(job):
        inputs = read_inputs(job)
    check_folder_of(job, inputs=inputs.files)
    if job.reference:
        refuse_inside(job.reference, out=job.out)
    return logged(job, lambda: _carried_out(job, inputs), inputs=job.roots)


def _carried_out(job: EvaluationJob, inputs: Inputs) -> Done:
    started = utc_now()
    found = compared(job, inputs)
    _say(found)
    rows = table_of(_estimates(job, inputs, found))
    estimates = suppressed(rows, min_cell=job.min_cell) if job.suppresses else rows
    worst = worst_of(job, inputs, found.table)
    run = run_facts(job, started=started, inputs=inputs.digests())
    facts = _facts(job, run)
    contents = Contents(
        estimates,
        EVALUATION_ANALYSES,
        rows=found.table,
        rows_words=EVALUATION_WORDS,
        report=render_evaluation(estimates, facts, worst),
        further={WORST: render_worst(worst, facts)},
    )
    settings = {name: getattr(facts, name) for name in _SETTINGS} | {"margins": dict(job.margins)}
    write_folder(job, contents, run, settings={"settings": settings})
    return Done(job, estimates, _summary(estimates))


def _estimates(job: EvaluationJob, inputs: Inputs, found: Compared) -> list[Estimate]:
    people, groups, table = inputs.people, job.groups, found.table
    rows = summary_rows(table, people=people, groups=groups)
    rows += agreement_rows(table, people=people, groups=groups, fewest=job.fewest)
    rows += class_rows(table, people=people, groups=groups, fewest=job.fewest)
    if job.against:
        rows += difference_rows(table, margins=job.margins, seed=job.seed, min_cell=job.fewest)
        rows += side_rows(table, min_cell=job.min_cell if job.suppresses else 0)
    rows += inputs.repeats
    return rows


def _say(found: Compared) -> None:
    """What was settled without being asked, what could not be compared, and how much was."""
    for note in found.notes:
        CONSOLE.info(note)
    CONSOLE.several(
        [f"{one.participant_id} {one.frame}".strip() + f": {one.reason}" for one in found.refusals],
        summary=f"{len(found.refusals)} masks could not be compared",
    )
    if labels_look_swapped(found.table):
        CONSOLE.warn("predicted and true cavities hardly meet while the muscle does: is --labels right?")
    known = found.table.filter(pl.col("value").is_not_null())
    if found.table.height:
        CONSOLE.info(f"{known['participant_id'].n_unique()} participants compared")


def labels_look_swapped(table: pl.DataFrame) -> bool:
    """Whether the mean Dice of both cavities is what it is where their labels are mixed up, unlike the muscle's."""
    of_this = table.filter(pl.col("system") == System.THIS, pl.col("metric") == DICE)
    dice: dict[str, float] = dict(of_this.group_by("term").agg(pl.col("value").mean()).drop_nulls().iter_rows())
    cavities = [dice.get(term, 1.0) for term in ("lv", "rv")]
    return max(cavities) < _HARDLY and dice.get("myo", 0.0) > _WELL


def _summary(estimates: pl.DataFrame) -> dict[str, object]:
    means = estimates.filter(pl.col("analysis") == "evaluation", pl.col("group") == "", pl.col("term") == "mean")
    means = means.filter(~pl.col("model").str.ends_with("_median"))
    bias = estimates.filter(pl.col("analysis") == "agreement", pl.col("group") == "", pl.col("model") == "mae")
    return {
        "means": means.select("model", "level", "n", "estimate", "lower", "upper").to_dicts(),
        "mae": dict(bias.select("term", "estimate").iter_rows()),
    }


def _facts(job: EvaluationJob, run: RunFacts) -> EvaluationFacts:
    """What the pages say of the run beside the estimates."""
    sources = (job.reference, job.values)
    repeats = "two sessions a participant" if job.repeats_sessions else ""
    return EvaluationFacts(
        **run,
        system=job.source.name,
        against=job.against.name if job.against else "",
        reference=" and ".join(path.name for path in sources if path),
        labels=job.labels.name if job.reference else "",
        repeats=f"pairs of {job.repeat.name}" if job.repeat else repeats,
        groups=job.groups,
        seed=job.seed,
        n_resamples=RESAMPLES if job.against else 0,
    )
