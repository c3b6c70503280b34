"""From classes in the table of an evaluation to rows of estimates: how well they are told, ROC curves, calibration."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.evaluation.agreement_rows import value_pairs
from cinema_cli.analysis.evaluation.parts import first_of_each, parts_of
from cinema_cli.analysis.evaluation.table import PROBABILITY, Kind, System
from cinema_cli.analysis.statistics.comparison import Figure, Score
from cinema_cli.analysis.statistics.delong import auc, auc_interval, auc_one_vs_one, roc_at
from cinema_cli.analysis.statistics.diagnostic import (
    EF_CATEGORIES,
    Counts,
    accuracy,
    confusion,
    ef_categories,
    mcc,
    rates,
)
from cinema_cli.analysis.statistics.interval import Interval, influenced
from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.analysis.statistics.probability import (
    brier,
    brier_classes,
    calibration_in_the_large,
    calibration_slope,
    probability_bins,
)
from cinema_cli.domain.errors import NotEstimableError

EF_TERMS = "ef_pct"  # the end of the name of an ejection fraction
_GRID = np.linspace(0.0, 1.0, 51)  # rates of false positives of a ROC curve
_OF_CLASS = ("sensitivity", "specificity", "ppv", "npv", "f1")
_TENTHS, _FEWEST = 10, 10


@dataclass(frozen=True, slots=True)
class _Place:
    """What rows are about."""

    term: str
    group: str
    n: int

    def row(self, model: str, interval: Interval, *, level: str = "", events: int | None = None) -> Iterator[Estimate]:
        """A row of `classification`; none where there is no figure."""
        if isfinite(interval.estimate):
            yield Estimate(
                "classification", model=model, term=self.term, group=self.group, level=level, n=self.n, events=events,
                estimate=interval.estimate, lower=interval.lower, upper=interval.upper,
            )  # fmt: skip

    def too_few(self, model: str, reason: str) -> Estimate:
        """A row that says why there is no figure."""
        return Estimate("too_few", model=model, term=self.term, group=self.group, level=reason, n=self.n)


def class_rows(
    table: pl.DataFrame,
    *,
    people: pl.DataFrame | None = None,
    groups: Sequence[str] = (),
    system: System = System.THIS,
    fewest: int = _FEWEST,
) -> list[Estimate]:
    """`classification` rows of a system's classes and of categories of its ejection fractions, overall and by group.

    `roc` and `calibration` (tenths of the probability, or fewer so that each has `fewest` people) are of everybody. Of
    a participant with several studies the first counts. Categories of EF: the paper's, term `lvef_category` of
    `lvef_pct`. `people` and `groups` as in `parts.parts_of`.
    """
    rows: list[Estimate] = []
    for term, classes, labels in _labelled(table, system):
        for group, inside in parts_of(labels, people, groups):
            rows += _told(_Place(term, group, inside.height), classes, *_codes(inside, "reference", "prediction"))
    for term, classes, known in _probabilities(table, system):
        for group, inside in parts_of(known, people, groups):
            probability, label = inside.select(classes).to_numpy(), inside["_label"].to_numpy()
            rows += _scored(_Place(term, group, inside.height), classes, probability, label)
        rows += _drawn(_Place(term, "", known.height), classes, known, fewest)
    return rows


def _labelled(table: pl.DataFrame, system: System) -> Iterator[tuple[str, tuple[str, ...], pl.DataFrame]]:
    """(term, classes, participant_id with the codes of `reference` and `prediction`) of heads, then of categories."""
    is_class = (pl.col("kind") == Kind.CLASS) & (pl.col("metric") == "class") & (pl.col("system") == system)
    known = table.filter(is_class, pl.col("prediction_label").is_not_null(), pl.col("reference_label").is_not_null())
    for (term,), rows in known.group_by("term", maintain_order=True):
        sides = {"reference": rows["reference_label"], "prediction": rows["prediction_label"]}
        classes = tuple(pl.concat(sides.values()).unique().sort())
        coded = {name: side.replace_strict(classes, range(len(classes))) for name, side in sides.items()}
        yield str(term), classes, first_of_each(rows.select("participant_id", **coded))
    for term, pairs in value_pairs(table, system=system):
        if term.endswith(EF_TERMS):
            coded = {
                name: pl.Series(name, ef_categories(pairs[name].to_numpy())) for name in ("reference", "prediction")
            }
            yield f"{term.removesuffix('_pct')}_category", EF_CATEGORIES, pairs.with_columns(**coded)


def _codes(rows: pl.DataFrame, *names: str) -> tuple[Ints, ...]:
    return tuple(rows[name].cast(pl.Int64).to_numpy() for name in names)


def _told(place: _Place, classes: Sequence[str], label: Ints, said: Ints) -> Iterator[Estimate]:
    """Rows of labels (n,) and of what was said (n,)."""
    matrix = confusion(label, said, len(classes))
    yield from place.row("accuracy", accuracy(matrix))
    correlation = mcc(matrix)
    yield from place.row("mcc", correlation)
    if not isfinite(correlation.estimate):
        yield place.too_few("mcc", "all have the same class, or all are said to have: not estimable")
    if len(classes) > 2:
        yield from place.row("f1", accuracy(matrix))  # micro-averaged
    for k, name in enumerate(classes):
        tp, of_class, as_class = int(matrix[k, k]), int(matrix[k].sum()), int(matrix[:, k].sum())
        counted = Counts(tp, of_class - tp, place.n - of_class - as_class + tp, as_class - tp)
        found = rates(counted)
        for model in _OF_CLASS:
            yield from place.row(model, getattr(found, model), level=name, events=of_class)


def _probabilities(table: pl.DataFrame, system: System) -> Iterator[tuple[str, tuple[str, ...], pl.DataFrame]]:
    """(term, classes, participant_id, a column of probabilities for each class, `_label`: its place, -1 for none)."""
    rows = table.filter(
        pl.col("kind") == Kind.CLASS,
        pl.col("metric").str.starts_with(PROBABILITY),
        pl.col("system") == system,
        pl.col("prediction").is_not_null(),
        pl.col("reference").is_not_null(),
    ).with_columns(pl.col("metric").str.strip_prefix(PROBABILITY))
    for (term,), of_term in rows.group_by("term", maintain_order=True):
        classes = tuple(of_term["metric"].unique(maintain_order=True))
        study = ["participant_id", "session_id"]
        wide = of_term.pivot("metric", index=study, values="prediction", aggregate_function="first").drop_nulls()
        true = of_term.filter(pl.col("reference") > 0.5).select(*study, "metric").unique(study, maintain_order=True)
        place = pl.col("metric").replace_strict(classes, range(len(classes)), default=-1, return_dtype=pl.Int64)
        labels = true.select(*study, _label=place)
        known = wide.join(labels, on=study, how="left", maintain_order="left").with_columns(
            pl.col("_label").fill_null(-1)
        )
        yield str(term), classes, first_of_each(known)


def _scored(place: _Place, classes: Sequence[str], probability: Floats, label: Ints) -> Iterator[Estimate]:
    """Rows of probabilities (n, k) of classes whose places are label (n,)."""
    if not place.n:
        return
    if len(classes) > 1:
        inside = label >= 0  # true classes that the head does not know are no mistake between those that it does
        of_known = replace(place, n=int(np.count_nonzero(inside)))
        yield from _areas(of_known, "", lambda: auc_one_vs_one(probability[inside], label[inside]))
        if of_known.n:
            yield from of_known.row("brier", _limits(brier_classes(probability[inside], label[inside])))
    for k, name in enumerate(classes):
        positive = label == k
        events = int(np.count_nonzero(positive))
        yield from _areas(place, name, lambda k=k, positive=positive: auc(probability[:, k], positive), events)  # type: ignore[misc]
        if np.all((probability[:, k] >= 0) & (probability[:, k] <= 1)):
            score = _limits(brier(probability[:, k], positive))
            yield from place.row("brier", score, level=name, events=events)
            for model, of in (
                ("calibration_slope", calibration_slope),
                ("calibration_intercept", calibration_in_the_large),
            ):
                yield from _calibrated(place, name, model, of, probability[:, k], positive, events)


def _areas(place: _Place, level: str, area: Callable[[], Score], events: int | None = None) -> Iterator[Estimate]:
    try:
        found = auc_interval(area())
    except NotEstimableError as error:
        yield place.too_few(" ".join(filter(None, ("auc", level))), error.message)
        return
    yield from place.row("auc", found, level=level, events=events)


def _calibrated(
    place: _Place,
    level: str,
    model: str,
    of: Callable[[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]], Figure],
    probability: Floats,
    positive: np.ndarray[tuple[int], np.dtype[np.bool_]],
    events: int,
) -> Iterator[Estimate]:
    try:
        found = of(probability, positive)
    except NotEstimableError as error:
        yield place.too_few(f"{model} {level}", error.message)
        return
    interval = Interval(found.estimate, found.lower, found.upper)
    yield from place.row(model, interval, level=level, events=events)


def _limits(score: Score) -> Interval:
    return influenced(score.estimate, score.influence, low=0.0)


def _drawn(place: _Place, classes: Sequence[str], known: pl.DataFrame, fewest: int) -> Iterator[Estimate]:
    """Points of the ROC curve and of the calibration of each class."""
    label = known["_label"].to_numpy()
    for k, name in enumerate(classes):
        probability, positive = known[name].to_numpy(), label == k
        events = int(np.count_nonzero(positive))
        if 0 < events < place.n:
            point = Estimate("roc", model=name, term=place.term, n=place.n, events=events)
            for at, hit in zip(_GRID, roc_at(probability, positive, _GRID), strict=True):
                yield replace(point, level=f"{at:g}", estimate=float(hit))
        bins = min(_TENTHS, place.n // max(fewest, 1))
        if not bins or not np.all((probability >= 0) & (probability <= 1)):
            continue
        for number, part in enumerate(probability_bins(probability, positive, bins=bins), start=1):
            yield Estimate(
                "calibration", model=name, term=place.term, group=str(number), level=f"{part.predicted:.6g}", n=part.n,
                events=part.events, estimate=part.observed.estimate, lower=part.observed.lower,
                upper=part.observed.upper,
            )  # fmt: skip
