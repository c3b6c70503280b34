"""From probabilities in the table of an evaluation to rows of estimates: areas, Brier scores, calibration, curves."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.evaluation.coarse_classes import MISTAKES, coarse_confusion, coarse_hits, roc_grid
from cinema_cli.analysis.evaluation.parts import first_of_each
from cinema_cli.analysis.evaluation.place import Place
from cinema_cli.analysis.evaluation.table import PROBABILITY, Kind, System
from cinema_cli.analysis.statistics.comparison import Figure, Score
from cinema_cli.analysis.statistics.delong import Booleans, auc, auc_interval, auc_one_vs_one, roc_at
from cinema_cli.analysis.statistics.diagnostic import Counts, confusion, rates
from cinema_cli.analysis.statistics.interval import Interval, influenced
from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.analysis.statistics.probability import (
    brier,
    brier_classes,
    calibration_in_the_large,
    calibration_slope,
    merged_bins,
    probability_bins,
)
from cinema_cli.domain.errors import NotEstimableError

HALF = 0.5
_TENTHS = 10


def probabilities(table: pl.DataFrame, system: System) -> Iterator[tuple[str, tuple[str, ...], pl.DataFrame]]:
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


def score_rows(place: Place, classes: Sequence[str], probability: Floats, label: Ints) -> Iterator[Estimate]:
    """Rows of probabilities (n, k) of classes whose places are label (n,)."""
    if not place.n:
        return
    if len(classes) > 1:
        inside = label >= 0  # true classes that the head does not know are no mistake between those that it does
        of_known = replace(place, n=int(np.count_nonzero(inside)))
        smallest = int(np.unique(label[inside], return_counts=True)[1].min(initial=place.n))
        yield from _areas(of_known, "", lambda: auc_one_vs_one(probability[inside], label[inside]), smallest)
        if of_known.n:
            yield from of_known.row("brier", _limits(brier_classes(probability[inside], label[inside]), most=2.0))
    for k, name in enumerate(classes):
        positive = label == k
        events = int(np.count_nonzero(positive))
        yield from _areas(
            place,
            name,
            lambda k=k, positive=positive: auc(probability[:, k], positive),  # type: ignore[misc]
            min(events, place.n - events),
            events,
        )
        if np.all((probability[:, k] >= 0) & (probability[:, k] <= 1)):
            if len(classes) == 1:
                yield from _at_half(place, positive, probability[:, k] >= HALF)
            score = _limits(brier(probability[:, k], positive), most=1.0)
            yield from place.row("brier", score, level=name, events=events)
            for model, of in (
                ("calibration_slope", calibration_slope),
                ("calibration_intercept", calibration_in_the_large),
            ):
                yield from _calibrated(place, name, model, of, probability[:, k], positive, events)


def _at_half(place: Place, positive: Booleans, said: Booleans) -> Iterator[Estimate]:
    """Rows of a probability of one class that no label goes with, said of those of whom it is at least one half."""
    level, events = f">= {HALF:g}", int(np.count_nonzero(positive))
    matrix = coarse_confusion(confusion(positive.astype(np.int64), said.astype(np.int64), 2), base=place.fewest)
    if matrix is None:
        yield place.too_few(f"accuracy {level}", MISTAKES)
        return
    (tn, fp), (fn, tp) = matrix.tolist()
    found = rates(Counts(tp=tp, fn=fn, tn=tn, fp=fp))
    for model in ("accuracy", "mcc", "sensitivity", "specificity", "ppv", "npv", "f1"):
        yield from place.counted_row(model, getattr(found, model), level=level, events=events)


def _areas(
    place: Place, level: str, area: Callable[[], Score], smallest: int, events: int | None = None
) -> Iterator[Estimate]:
    try:
        found = auc_interval(area(), smallest=smallest)
    except NotEstimableError as error:
        yield place.too_few(" ".join(filter(None, ("auc", level))), error.message)
        return
    yield from place.row("auc", found, level=level, events=events)


def _calibrated(
    place: Place,
    level: str,
    model: str,
    of: Callable[[Floats, Booleans], Figure],
    probability: Floats,
    positive: Booleans,
    events: int,
) -> Iterator[Estimate]:
    try:
        found = of(probability, positive)
    except NotEstimableError as error:
        yield place.too_few(f"{model} {level}", error.message)
        return
    interval = Interval(found.estimate, found.lower, found.upper)
    yield from place.row(model, interval, level=level, events=events)


def _limits(score: Score, *, most: float) -> Interval:
    return influenced(score.estimate, score.influence, low=0.0, high=most)


def drawn_rows(place: Place, classes: Sequence[str], known: pl.DataFrame, fewest: int) -> Iterator[Estimate]:
    """Points of the ROC curve and of the calibration of each class."""
    label = known["_label"].to_numpy()
    for k, name in enumerate(classes):
        probability, positive = known[name].to_numpy(), label == k
        events = int(np.count_nonzero(positive))
        if 0 < events < place.n:
            rounded = fewest if fewest > 1 else None
            point = Estimate("roc", model=name, term=place.term, n=place.n, events=events, rounded=rounded)
            grid = roc_grid(place.n - events, base=fewest)
            hits = coarse_hits(roc_at(probability, positive, grid), events, base=fewest)
            for at, hit in zip(grid, hits, strict=True) if hits is not None else ():
                yield replace(point, level=f"{at:g}", estimate=float(hit))
        bins = min(_TENTHS, place.n // max(fewest, 1))
        if not bins or not np.all((probability >= 0) & (probability <= 1)):
            continue
        shown = merged_bins(probability_bins(probability, positive, bins=bins), fewest=fewest)
        for number, part in enumerate(shown, start=1):
            yield Estimate(
                "calibration", model=name, term=place.term, group=str(number), level=f"{part.predicted:.6g}", n=part.n,
                events=part.events, estimate=part.observed.estimate, lower=part.observed.lower,
                upper=part.observed.upper,
            )  # fmt: skip
