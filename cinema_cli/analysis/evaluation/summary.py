"""From the table of an evaluation to rows of estimates: means with intervals, medians, and who could not be judged."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf

import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.evaluation.means import VALUE, clustered_means
from cinema_cli.analysis.evaluation.parts import parts_of
from cinema_cli.analysis.evaluation.table import Kind, Note, System

ALL_FRAMES = "all frames"  # where frames have numbers: a study's mean over them
MEAN = "mean"  # over landmarks; masks have such rows already
_STUDY = ["participant_id", "session_id"]
_SIGNED, _ABSOLUTE = "volume_error_ml", "volume_absolute_error_ml"
_MODELS = {"volume_ml": _SIGNED, "distance_mm": "landmark_mm"}  # metric of the table -> model of the rows
UNITS = {"hd95_mm": "mm", "asd_mm": "mm", "landmark_mm": "mm", _SIGNED: "ml", _ABSOLUTE: "ml"}
_RANGES = {  # that limits of a mean are kept within
    **dict.fromkeys(("dice", "iou"), (0.0, 1.0)),
    **dict.fromkeys(("hd95_mm", "asd_mm", "landmark_mm", _ABSOLUTE), (0.0, inf)),
}
_MOMENTS = ("", "ed", "es")


def judged(table: pl.DataFrame) -> pl.DataFrame:
    """Masks and landmarks of a table (EVALUATION) as participant_id, session_id, system, model, term, level, value.

    One row a study, structure and frame (numbered frames: one for all of them), then one for the mean over landmarks.
    Volumes are errors: prediction less reference, and the size of that.
    """
    metric, is_volume = pl.col("metric"), pl.col("metric") == "volume_ml"
    frame = pl.col("frame")
    cells = table.filter(pl.col("kind").is_in([Kind.MASK, Kind.LANDMARK])).select(
        *_STUDY,
        "system",
        "kind",
        metric.replace(_MODELS).alias("model"),
        "term",
        pl.when(frame.is_in(_MOMENTS)).then(frame).otherwise(pl.lit(ALL_FRAMES)).alias("level"),
        pl.when(is_volume).then(pl.col("prediction") - pl.col("reference")).otherwise(pl.col(VALUE)).alias(VALUE),
    )
    keys = [*_STUDY, "system", "kind", "model", "term", "level"]
    volumes = cells.filter(pl.col("model") == _SIGNED).with_columns(pl.col(VALUE).abs(), model=pl.lit(_ABSOLUTE))
    cells = pl.concat([cells, volumes])
    of_terms = cells.filter(pl.col(VALUE).is_not_null()).group_by(keys, maintain_order=True).agg(pl.col(VALUE).mean())
    over = [key for key in keys if key != "term"]
    several = of_terms.filter(pl.col("kind") == Kind.LANDMARK)
    means = several.group_by(over, maintain_order=True).agg(pl.col(VALUE).mean()).with_columns(term=pl.lit(MEAN))
    return pl.concat([of_terms, means.select(of_terms.columns)]).drop("kind")


def summary_rows(
    table: pl.DataFrame, *, people: pl.DataFrame | None = None, groups: Sequence[str] = ()
) -> list[Estimate]:
    """`evaluation` and `counts` rows of this system, of everybody and by each column of `people` named in `groups`.

    `people` has participant_id as in the table and the columns as text; who lacks a value is in no group.
    """
    own = table.filter(pl.col("system") == System.THIS)
    cells = judged(own)
    rows: list[Estimate] = []
    for group, inside in parts_of(cells, people, groups):
        rows += _evaluation_rows(inside, group)
    return [*rows, *count_rows(own)]


def _evaluation_rows(cells: pl.DataFrame, group: str) -> list[Estimate]:
    rows = []
    for row in clustered_means(cells, ["model", "term", "level"]).iter_rows(named=True):
        numbers = {name: row[name] for name in ("model", "term", "level", "n", "estimate", "lower", "upper", "se")}
        low, high = _RANGES.get(row["model"], (-inf, inf))
        if row["lower"] is not None:
            numbers |= {"lower": max(low, row["lower"]), "upper": min(high, row["upper"])}
        mean = Estimate("evaluation", group=group, unit=UNITS.get(row["model"], ""), **numbers)
        middle = {"estimate": row["median"], "lower": row["q1"], "upper": row["q3"], "se": None}
        rows += [mean, replace(mean, model=f"{mean.model}_median", **middle)]
    return rows


def count_rows(table: pl.DataFrame) -> list[Estimate]:
    """`counts` rows: in how many studies a structure at a frame had each note; frames with numbers are counted each."""
    frame = pl.col("frame")
    noted = table.filter(pl.col("note") != Note.NONE).with_columns(
        pl.when(frame.is_in(_MOMENTS)).then(frame).otherwise(pl.lit(ALL_FRAMES)).alias("level")
    )
    counts = (
        noted.select(*_STUDY, "frame", "term", "level", "note")
        .unique()
        .group_by("note", "term", "level")
        .len("n")
        .sort("note", "term", "level")
    )
    return [
        Estimate("counts", model=row["note"], term=row["term"], level=row["level"], n=row["n"])
        for row in counts.iter_rows(named=True)
    ]
