"""An evaluation from its folders to its folder: match, compare, summarise, take small numbers out, write."""

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.evaluation.against import difference_rows
from cinema_cli.analysis.evaluation.agreement_rows import agreement_rows
from cinema_cli.analysis.evaluation.class_rows import class_rows
from cinema_cli.analysis.evaluation.masks import DICE
from cinema_cli.analysis.evaluation.repeats import repeat_rows
from cinema_cli.analysis.evaluation.summary import summary_rows
from cinema_cli.analysis.evaluation.table import System
from cinema_cli.commands.analysis_files import REPORT_NAME, check_folder_of
from cinema_cli.commands.evaluate_asked import EvaluationJob
from cinema_cli.commands.evaluate_files import PLAN, RunOfEvaluation, write_evaluation
from cinema_cli.commands.evaluate_inputs import Compared, Inputs, compared, read_inputs
from cinema_cli.commands.evaluate_worst import worst_of
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.runlog import logged_run, utc_now
from cinema_cli.domain.errors import ExitCode
from cinema_cli.io.ledger import refuse_inside
from cinema_cli.io.lock import run_lock

_HARDLY, _WELL = 0.1, 0.5  # Dice


@dataclass(frozen=True, slots=True, eq=False)
class DoneEvaluation:
    """What was compared and where it lies."""

    job: EvaluationJob
    table: pl.DataFrame  # EVALUATION
    estimates: pl.DataFrame  # as written: after disclosure control

    @property
    def report(self) -> Path:
        """The page to read first."""
        return self.job.out / REPORT_NAME


def run_evaluation(job: EvaluationJob) -> DoneEvaluation:
    """Compare and write into `job.out`, with a log; nothing is written where inputs are refused. Raises CinemaError."""
    inputs = read_inputs(job)
    check_folder_of(job.out, inputs=inputs.files, plan=PLAN)
    if job.reference:
        refuse_inside(job.reference, out=job.out)
    folders = [path if path.is_dir() else path.parent for path in job.roots]
    hidden = {str(folder.resolve()): "INPUT" for folder in folders} | {str(job.out.resolve()): "OUT"}
    with run_lock(job.out), logged_run(job.out, settings=job.options or {}, console=CONSOLE, hidden=hidden) as log:
        done = _carried_out(job, inputs)
        log.finish(exit_code=ExitCode.DONE, facts={"command": job.command})
    CONSOLE.info(f"report: {done.report}")
    return done


def _carried_out(job: EvaluationJob, inputs: Inputs) -> DoneEvaluation:
    started = utc_now()
    found = compared(job, inputs)
    _say(found)
    rows = table_of(_estimates(job, inputs, found))
    estimates = suppressed(rows, min_cell=job.min_cell) if job.suppresses else rows
    worst = worst_of(job, inputs, found.table)
    write_evaluation(RunOfEvaluation(job, found.table, estimates, worst, started, inputs.digests()))
    return DoneEvaluation(job, found.table, estimates)


def _estimates(job: EvaluationJob, inputs: Inputs, found: Compared) -> list[Estimate]:
    fewest = job.min_cell if job.suppresses else 2
    people, groups, table = inputs.people, job.groups, found.table
    rows = summary_rows(table, people=people, groups=groups)
    rows += agreement_rows(table, people=people, groups=groups, fewest=fewest)
    rows += class_rows(table, people=people, groups=groups, fewest=fewest)
    if job.against:
        rows += difference_rows(table, margins=job.margins, seed=job.seed)
    if inputs.answers and (job.repeat or job.repeats_sessions):
        rows += repeat_rows(
            inputs.answers, inputs.repeats, people=people, groups=groups, id_column=job.id_column, fewest=fewest
        ).rows
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
    CONSOLE.info(f"{known['participant_id'].n_unique()} participants compared")


def labels_look_swapped(table: pl.DataFrame) -> bool:
    """Whether the mean Dice of both cavities is what it is where their labels are mixed up, unlike the muscle's."""
    of_this = table.filter(pl.col("system") == System.THIS, pl.col("metric") == DICE)
    dice: dict[str, float] = dict(of_this.group_by("term").agg(pl.col("value").mean()).drop_nulls().iter_rows())
    cavities = [dice.get(term, 1.0) for term in ("lv", "rv")]
    return max(cavities) < _HARDLY and dice.get("myo", 0.0) > _WELL


def summary_json(done: DoneEvaluation) -> str:
    """What programs want to know at once; no number of people that disclosure control would take away."""
    means = done.estimates.filter(pl.col("analysis") == "evaluation", pl.col("group") == "", pl.col("term") == "mean")
    means = means.filter(~pl.col("model").str.ends_with("_median"))
    bias = done.estimates.filter(pl.col("analysis") == "agreement", pl.col("group") == "", pl.col("model") == "mae")
    return json.dumps(
        {
            "report": str(done.report),
            "means": [
                {name: row[name] for name in ("model", "level", "n", "estimate", "lower", "upper")}
                for row in means.iter_rows(named=True)
            ],
            "mae": {row["term"]: row["estimate"] for row in bias.iter_rows(named=True)},
            "estimates": done.estimates.height,
            "suppressed": done.job.suppresses,
        },
        indent=2,
    )
