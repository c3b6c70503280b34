"""How right predictions are, by person: metrics of the table that `cinema evaluate` leaves."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from cinema_cli.analysis.evaluation.table import EVALUATION, PROBABILITY, Kind, Note, System
from cinema_cli.analysis.fairness.metric import Metric, RankMetric
from cinema_cli.analysis.fairness.people import KEY, People, keys_of
from cinema_cli.analysis.statistics.group_gaps import Better
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.domain.errors import ConfigError
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.io.tables import read_parquet

EVALUATION_TABLE = Path("individual") / "evaluation.parquet"  # in the folder of an evaluation
_UNITS = {phenotype.name: phenotype.unit for phenotype in PHENOTYPES}
_MASK_METRICS = {
    "dice": (Better.HIGHER, ""),
    "iou": (Better.HIGHER, ""),
    "hd95_mm": (Better.LOWER, "mm"),
    "asd_mm": (Better.LOWER, "mm"),
}


def read_evaluation(folder: Path) -> pl.DataFrame | None:
    """Rows of this system in the folder of an evaluation; None where there is none. Raises ConfigError."""
    path = folder / EVALUATION_TABLE
    if not path.is_file():
        return None
    table = read_parquet(path)
    if missing := set(EVALUATION) - set(table.columns):
        raise ConfigError(
            f"{path} is no table of `cinema evaluate`: it lacks {', '.join(sorted(missing))}",
            hint="Run `cinema evaluate` again.",
            code="fairness_evaluation",
        )
    return table.filter(pl.col("system") == System.THIS).with_columns(keys_of(table["participant_id"]))


def evaluation_metrics(people: People, evaluation: pl.DataFrame) -> Iterator[Metric | RankMetric]:
    """Per person, the mean over visits and frames: overlap, distances, errors, right classes, AUC of probabilities.

    The first two are who has no reference for anything and, among the others, no prediction of anything.
    """
    evaluation = evaluation.with_columns(people.persons(evaluation[KEY]))
    yield from _who_is_there(people, evaluation)
    masks = evaluation.filter(pl.col("kind") == Kind.MASK)
    for (metric, term), rows in _parts(masks, "metric", "term"):
        if metric in _MASK_METRICS:
            better, unit = _MASK_METRICS[metric]
            yield Metric(metric, term, better, _mean(people, rows, pl.col("value")), unit=unit)
        elif metric == "volume_ml":
            error = (pl.col("prediction") - pl.col("reference")).abs()
            yield Metric("volume_error_ml", term, Better.LOWER, _mean(people, rows, error), unit="ml")
    for (term,), rows in _parts(evaluation.filter(pl.col("kind") == Kind.VALUE, pl.col("metric") == "value"), "term"):
        error = pl.col("prediction") - pl.col("reference")
        unit = _UNITS.get(term, "")
        yield Metric("mae", term, Better.LOWER, _mean(people, rows, error.abs()), unit=unit)
        yield Metric("bias", term, Better.ZERO, _mean(people, rows, error), unit=unit)
    for (term,), rows in _parts(evaluation.filter(pl.col("kind") == Kind.LANDMARK), "term"):
        yield Metric("landmark_mm", term, Better.LOWER, _mean(people, rows, pl.col("value")), unit="mm")
    yield from _classes(people, evaluation.filter(pl.col("kind") == Kind.CLASS))


def _who_is_there(people: People, evaluation: pl.DataFrame) -> Iterator[Metric]:
    note = pl.col("note")
    whole = evaluation.group_by(KEY).agg(
        referred=(note != Note.NO_REFERENCE).any(),
        predicted=(~note.is_in([Note.NO_REFERENCE, Note.NO_PREDICTION])).any(),
    )
    joined = people.rows.select(KEY).join(whole, on=KEY, how="left", maintain_order="left")
    referred = joined["referred"].fill_null(value=False).to_numpy()
    yield Metric("no_reference", "reference", Better.LOWER, (~referred).astype(np.float64), is_share=True)
    predicted = joined["predicted"].fill_null(value=False).to_numpy()
    values = np.where(referred, (~predicted).astype(np.float64), np.nan)
    yield Metric("no_prediction", "prediction", Better.LOWER, values, is_share=True)


def _classes(people: People, classes: pl.DataFrame) -> Iterator[Metric | RankMetric]:
    """Of a person with several visits, the first."""
    once = classes.unique([KEY, "term", "metric"], keep="first", maintain_order=True)
    said, true = pl.col("prediction_label"), pl.col("reference_label")
    for (term,), rows in _parts(once.filter(pl.col("metric") == "class"), "term"):
        known = rows.drop_nulls(["prediction_label", "reference_label"])
        yield Metric(
            "accuracy", term, Better.HIGHER, _mean(people, known, (said == true).cast(pl.Float64)), is_share=True
        )
        for name in known["reference_label"].unique().sort():
            found = (said == name).cast(pl.Float64)
            of = f"{term}: {name}"
            sensitivity = _mean(people, known.filter(true == name), found)
            specificity = _mean(people, known.filter(true != name), 1.0 - found)
            yield Metric("sensitivity", of, Better.HIGHER, sensitivity, is_share=True)
            yield Metric("specificity", of, Better.HIGHER, specificity, is_share=True)
    of_probability = once.filter(pl.col("metric").str.starts_with(PROBABILITY))
    for (term, metric), rows in _parts(of_probability, "term", "metric"):
        known = rows.drop_nulls(["prediction", "reference"])
        score, positive = (_mean(people, known, pl.col(name)) for name in ("prediction", "reference"))
        yield RankMetric(f"{term}: {metric.removeprefix(PROBABILITY)}", score, positive == 1.0)


def _parts(table: pl.DataFrame, *by: str) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
    """Parts of a table with the same words, in the order in which they come."""
    for words, rows in table.partition_by(by, as_dict=True, maintain_order=True).items():
        yield tuple(str(word) for word in words), rows


def _mean(people: People, rows: pl.DataFrame, value: pl.Expr) -> Floats:
    """Mean of a person's rows, (people,); nan where there is none."""
    means = rows.group_by(KEY).agg(value.mean().alias("value"))
    joined = people.rows.select(KEY).join(means, on=KEY, how="left", maintain_order="left")
    return joined["value"].cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float64)
