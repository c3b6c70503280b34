"""What an evaluation compares: masks and values of one or two systems with their reference, in one table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from cinema_cli.analysis.evaluation.mask_values import values_of_masks
from cinema_cli.analysis.evaluation.masks import Refusal, evaluate_masks
from cinema_cli.analysis.evaluation.pairs import StudyMasks
from cinema_cli.analysis.evaluation.table import EVALUATION, Kind, System
from cinema_cli.commands.evaluate_asked import EvaluationJob
from cinema_cli.commands.evaluate_inputs import Inputs
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.progress import counting
from cinema_cli.io.label_maps import LABEL_MAPS, LabelMap

_AT_ONCE = 16  # studies between two steps of the progress


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The table of the evaluation, and what is to be said of how it came about."""

    table: pl.DataFrame  # EVALUATION
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


def compared(job: EvaluationJob, inputs: Inputs) -> Compared:
    """Compare masks, values and landmarks of one or two systems. Raises InputError, ConfigError."""
    parts, refusals = [pl.DataFrame(schema=EVALUATION)], []
    notes: list[str] = []
    for system, studies, labels in (
        (System.THIS, inputs.studies, LABEL_MAPS["cinema"]),
        (System.AGAINST, inputs.other_studies, job.against_labels),
    ):
        of_masks, refused = _of_masks(studies, job, labels=labels, system=system)
        notes += _alone(studies, system)
        parts.append(of_masks)
        refusals += refused
    parts += [found.table for found in inputs.values]
    notes += [note for found in inputs.values for note in found.notes]
    return Compared(_without_doubles(parts), tuple(refusals), tuple(dict.fromkeys(notes)))


def _of_masks(
    studies: Sequence[StudyMasks], job: EvaluationJob, *, labels: LabelMap, system: System
) -> tuple[pl.DataFrame, list[Refusal]]:
    tables = [pl.DataFrame(schema=EVALUATION)]
    refusals: list[Refusal] = []
    if not studies:
        return tables[0], []
    with counting(CONSOLE, "studies", total=len(studies)) as counter:
        for first in range(0, len(studies), _AT_ONCE):
            some = studies[first : first + _AT_ONCE]
            found = evaluate_masks(
                some, prediction_labels=labels, reference_labels=job.labels, system=system, threads=job.jobs
            )
            tables.append(found.table)
            refusals += found.refusals
            counter.step(failed=None, done=first + len(some))
    return pl.concat(tables), refusals


def _alone(studies: Sequence[StudyMasks], system: System) -> Iterator[str]:
    """A sentence for the studies that only one side has."""
    of = "" if system is System.THIS else " of the other system"
    for n, said in (
        (sum(not study.predictions for study in studies), f"have reference masks and no prediction{of}"),
        (sum(not study.references for study in studies), f"have predicted masks{of} and no reference"),
    ):
        if n:
            yield f"{n} of {len(studies)} studies {said}"


def _without_doubles(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All rows, and values of masks for what no table of values says."""
    table = pl.concat(parts)
    said = table.filter(pl.col("kind") == Kind.VALUE).select("system", "term").unique()
    return pl.concat(
        [table, values_of_masks(table).join(said, on=["system", "term"], how="anti", maintain_order="left")]
    )
