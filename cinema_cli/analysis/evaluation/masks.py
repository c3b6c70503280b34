"""Rows of the evaluation table from masks: overlap, distances of surfaces and volumes by class and frame."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import isnan

import numpy as np
import polars as pl

from cinema_cli.analysis.evaluation.frames import ComparedFrame, compared_frames
from cinema_cli.analysis.evaluation.pairs import StudyMasks
from cinema_cli.analysis.evaluation.table import EVALUATION, Compared, Kind, Note, System, evaluation_table
from cinema_cli.analysis.statistics.overlap import Overlap, overlap
from cinema_cli.analysis.statistics.surface_distance import bounds, surface_distance
from cinema_cli.domain.cine import Label
from cinema_cli.io.label_maps import LABEL_MAPS, LabelMap

MEAN = "mean"  # the term of means over classes
DICE, IOU, HD95, ASD, VOLUME = "dice", "iou", "hd95_mm", "asd_mm", "volume_ml"
_AVERAGED = (DICE, IOU, HD95, ASD)
_AT_ONCE = 512  # studies whose rows are held as objects


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why masks of a visit were not compared."""

    participant_id: str
    session_id: str
    frame: str
    note: Note
    reason: str  # a sentence without a full stop


@dataclass(frozen=True, slots=True, eq=False)
class MaskEvaluation:
    """What comparing masks gave."""

    table: pl.DataFrame  # EVALUATION, studies in the order they were given
    refusals: tuple[Refusal, ...]


def evaluate_masks(
    studies: Sequence[StudyMasks],
    *,
    prediction_labels: LabelMap = LABEL_MAPS["cinema"],
    reference_labels: LabelMap = LABEL_MAPS["cinema"],
    system: System = System.THIS,
    threads: int = 1,
) -> MaskEvaluation:
    """Compare the masks of all visits, some at a time.

    Each class and frame has rows of dice, iou, hd95_mm, asd_mm and volume_ml (predicted less true); `mean` is over the
    classes, and missing where one of them is, as in the paper. Compared is only what the reference knows: a class that
    is not in its labels has no rows, of contours only the slices that have one count, for volumes too. Every row of a
    class carries its note: where it is empty_prediction, Dice and IoU are 0 and distances are missing. What was not
    compared has one row a class: dice, without a value.
    Raises InputError for labels that nobody explained.
    """
    work = partial(_study, prediction_labels=prediction_labels, reference_labels=reference_labels, system=system)
    tables, refusals = [pl.DataFrame(schema=EVALUATION)], []
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for first in range(0, len(studies), _AT_ONCE):
            done = list(pool.map(work, studies[first : first + _AT_ONCE]))
            tables.append(evaluation_table(row for rows, _ in done for row in rows))
            refusals += [refusal for _, refused in done for refusal in refused]
    return MaskEvaluation(pl.concat(tables), tuple(refusals))


def _study(
    study: StudyMasks, *, prediction_labels: LabelMap, reference_labels: LabelMap, system: System
) -> tuple[list[Compared], list[Refusal]]:
    frames = compared_frames(study, prediction_labels=prediction_labels, reference_labels=reference_labels)
    both = [label for label in reference_labels.classes if label in prediction_labels.classes]
    row = partial(Compared, study.participant_id, Kind.MASK, session_id=study.session_id, system=system)
    rows = [
        row(term, metric, frame=frame.frame, value=value, prediction=predicted, reference=true, note=note)
        for frame in frames
        for term, metric, value, predicted, true, note in (_uncompared(frame, both) if frame.note else _metrics(frame))
    ]
    refusals = [
        Refusal(study.participant_id, study.session_id, frame.frame, frame.note, frame.reason)
        for frame in frames
        if frame.reason
    ]
    return rows, refusals


Row = tuple[str, str, float | None, float | None, float | None, Note]  # term, metric, value, both sides, note


def _uncompared(frame: ComparedFrame, classes: Sequence[Label]) -> Iterator[Row]:
    for label in frame.known or classes:
        yield label.name.lower(), DICE, None, None, None, frame.note


def _metrics(frame: ComparedFrame) -> Iterator[Row]:
    """Rows of a frame, classes in our order, then their means."""
    box = (slice(None), *bounds(frame.prediction | frame.reference)[1:])
    found: dict[str, list[float]] = {metric: [] for metric in _AVERAGED}
    notes = []
    for label, slices in sorted(frame.known.items()):
        term, looked = label.name.lower(), slices[:, None, None]
        prediction, reference = ((mask[box] == label) & looked for mask in (frame.prediction, frame.reference))
        over = overlap(prediction, reference, spacing_mm=frame.spacing_mm)
        apart = surface_distance(prediction, reference, spacing_mm=frame.spacing_mm)
        note = _emptiness(over)
        notes.append(note)
        for metric, value in zip(_AVERAGED, (over.dice, over.iou, apart.hd95_mm, apart.asd_mm), strict=True):
            found[metric].append(value)
            yield term, metric, value, None, None, note
        yield term, VOLUME, over.volume_error_ml, over.prediction_ml, over.reference_ml, note
    if len(notes) > 1:
        yield from _means(found, notes)


def _means(found: Mapping[str, Sequence[float]], notes: Sequence[Note]) -> Iterator[Row]:
    for metric, values in found.items():
        blocked = [note for value, note in zip(values, notes, strict=True) if isnan(value)]
        yield MEAN, metric, float(np.mean(values)), None, None, blocked[0] if blocked else Note.NONE


def _emptiness(over: Overlap) -> Note:
    if over.n_reference and over.n_prediction:
        return Note.NONE
    if over.n_reference:
        return Note.EMPTY_PREDICTION
    return Note.EMPTY_TRUTH if over.n_prediction else Note.BOTH_EMPTY
