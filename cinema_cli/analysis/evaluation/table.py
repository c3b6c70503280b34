"""The table that an evaluation is made of: one row a study, system, structure or number, frame and metric."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter

import polars as pl

EVALUATION: dict[str, pl.DataType] = {
    "participant_id": pl.String(),
    "session_id": pl.String(),  # empty: the only one
    "system": pl.String(),  # System
    "kind": pl.String(),  # Kind
    "term": pl.String(),  # lv, myo, rv; lvedv_ml, lvef_pct, ...; the column of a head; the name of a landmark
    "frame": pl.String(),  # ed, es, a number, or empty where there is none
    "metric": pl.String(),  # see Kind
    "value": pl.Float64(),  # the metric; missing where it is not defined
    "prediction": pl.Float64(),
    "reference": pl.Float64(),
    "prediction_label": pl.String(),  # of classes; missing elsewhere
    "reference_label": pl.String(),
    "note": pl.String(),  # Note
}


class System(StrEnum):
    """Which of two systems predicted."""

    THIS = "this"
    AGAINST = "against"


class Kind(StrEnum):
    """What is compared, and by which metrics."""

    MASK = "mask"  # dice, iou, hd95_mm, asd_mm; volume_ml, whose prediction and reference are the volumes
    VALUE = "value"  # value: prediction and reference, and prediction - reference as its value
    CLASS = "class"  # class: the two labels, 1 where they agree; probability:<class>: prediction, reference 0 or 1
    LANDMARK = "landmark"  # distance_mm


class Note(StrEnum):
    """Why a metric of a row is missing, or not what it seems."""

    NONE = ""
    EMPTY_TRUTH = "empty_truth"
    EMPTY_PREDICTION = "empty_prediction"
    BOTH_EMPTY = "both_empty"
    NO_PREDICTION = "no_prediction"
    NO_REFERENCE = "no_reference"
    OTHER_GRID = "other_grid"  # the two masks do not stand on one grid: not compared
    UNREADABLE = "unreadable"  # a mask could not be read, or the images of contours were not found


PROBABILITY = "probability:"  # before the class, in `metric`


@dataclass(frozen=True, slots=True)
class Compared:
    """One row of the table; see EVALUATION for what its words mean."""

    participant_id: str
    kind: Kind
    term: str
    metric: str
    session_id: str = ""
    system: System = System.THIS
    frame: str = ""
    value: float | None = None
    prediction: float | None = None
    reference: float | None = None
    prediction_label: str | None = None
    reference_label: str | None = None
    note: Note = Note.NONE


_values = attrgetter(*EVALUATION)
if set(EVALUATION) != {field.name for field in fields(Compared)}:
    raise TypeError("Compared and EVALUATION have different columns")


def evaluation_table(rows: Iterable[Compared]) -> pl.DataFrame:
    """Rows as a table of EVALUATION, in their order; what is not finite is missing."""
    return checked_evaluation(pl.DataFrame([_values(row) for row in rows], schema=EVALUATION, orient="row"))


def checked_evaluation(table: pl.DataFrame) -> pl.DataFrame:
    """A table with columns of EVALUATION, the rest of them filled, in its order; what is not finite is missing.

    Raises ValueError for a column that EVALUATION does not have or a kind or note that nobody described: a fault of
    the program.
    """
    if unknown := set(table.columns) - set(EVALUATION):
        raise ValueError(f"no columns {sorted(unknown)} in an evaluation")
    filled = {"session_id": "", "system": str(System.THIS), "frame": "", "note": str(Note.NONE)}
    missing = [pl.lit(filled.get(name)).alias(name) for name in EVALUATION if name not in table.columns]
    whole = table.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in EVALUATION.items())
    for column, words in (("system", System), ("kind", Kind), ("note", Note)):
        if strange := set(whole[column].unique()) - set(words):
            raise ValueError(f"no {column} {sorted(strange, key=str)} in an evaluation")
    numbers = pl.col(pl.Float64)
    return whole.with_columns(pl.when(numbers.is_finite()).then(numbers).otherwise(None).name.keep())
