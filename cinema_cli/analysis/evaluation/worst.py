"""Which studies lie farthest from their reference: to be looked at, never to be released."""

import polars as pl

from cinema_cli.analysis.evaluation.means import VALUE
from cinema_cli.analysis.evaluation.table import Kind, System

WORST_PER_METRIC = 5
_LOW_IS_WORSE = ("dice",)
_HIGH_IS_WORSE = ("hd95_mm", "distance_mm")
_PLACE = ["participant_id", "session_id", "metric", "term", "frame"]


def worst_cases(table: pl.DataFrame, *, most: int = WORST_PER_METRIC, most_values: int = 2) -> pl.DataFrame:
    """The worst studies of this system: participant_id, session_id, metric, term, frame, value, worst first.

    Of each of Dice, surface distance and landmark distance the `most` worst studies, a study once with its worst
    structure and frame; of every phenotype `most_values`, by the error, which is their value. What agrees entirely is
    not among them.
    """
    own = table.filter(pl.col("system") == System.THIS, pl.col(VALUE).is_not_null())
    metric, is_value = pl.col("metric"), pl.col("kind") == Kind.VALUE
    badness = (
        pl.when(metric.is_in(_LOW_IS_WORSE))
        .then(1.0 - pl.col(VALUE))
        .when(metric.is_in(_HIGH_IS_WORSE))
        .then(pl.col(VALUE))
        .when(is_value)
        .then(pl.col(VALUE).abs())
    )
    whose = pl.when(is_value).then("term").otherwise("metric")  # phenotypes are in units of their own
    ranked = own.with_columns(badness=badness, whose=whose).filter(pl.col("badness") > 0)
    ranked = ranked.sort(
        "badness", "participant_id", "session_id", descending=[True, False, False], maintain_order=True
    )
    worst = ranked.unique(["whose", *_PLACE[:2]], keep="first", maintain_order=True)
    order = worst["whose"].unique(maintain_order=True).sort()
    return (
        worst.group_by("whose", maintain_order=True)
        .head(most)
        .filter((pl.col("metric") != "value") | (pl.int_range(pl.len()).over("whose") < most_values))
        .join(pl.DataFrame({"whose": order, "at": range(len(order))}), on="whose", maintain_order="left")
        .sort("at", maintain_order=True)
        .select(*_PLACE, VALUE)
    )
