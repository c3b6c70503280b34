"""Two systems judged by the same reference: paired differences, their tests, and margins that one may be worse by."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import sqrt

import numpy as np
import polars as pl

from cinema_cli.analysis.disclosure.rounding import in_units, level_of, unit_below
from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.evaluation.means import VALUE, clustered_means
from cinema_cli.analysis.evaluation.summary import UNITS, judged
from cinema_cli.analysis.evaluation.table import PROBABILITY, Kind, System
from cinema_cli.analysis.statistics.comparison import difference
from cinema_cli.analysis.statistics.delong import FEWEST, auc, unpaired_difference
from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.domain.errors import NotEstimableError

HIGHER_IS_BETTER = frozenset({"dice", "iou", "accuracy", "auc"})  # of the others, lower is
NON_INFERIOR, NOT_SHOWN = "non-inferior at the margin", "not shown"
RESAMPLES = 2000
_SIGNED = ("volume_error_ml", "bias")  # an error above 0 is no better than one below
_ALPHA = 0.025  # of the one-sided test: it is passed where the 95 % interval stays within the margin
_STUDY = ["participant_id", "session_id"]
_CELL = ["model", "term", "level"]
_OF_PROBABILITY = ["term", "metric", "frame"]
OTHER_PEOPLE = "(of other people)"  # what the level of an unpaired difference ends with
_DRAWN = 2_000_000  # numbers of people drawn at a time


def compared(table: pl.DataFrame) -> pl.DataFrame:
    """Studies that both systems could be judged on: participant_id, session_id, model, term, level, value, this, other.

    `value` is `this` system less the `other`, of masks and landmarks as `judged`, of values of the absolute error
    (model `mae`), of classes of agreement with the reference (model `accuracy`).
    """
    cells = _cells(table).filter(~pl.col("model").is_in(_SIGNED))
    return _paired(cells).with_columns((pl.col("this") - pl.col("other")).alias(VALUE))


def _cells(table: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([judged(table), *_errors(table)])


def _paired(cells: pl.DataFrame) -> pl.DataFrame:
    sides = [
        cells.filter(pl.col("system") == system).select(*_STUDY, *_CELL, pl.col(VALUE).alias(name))
        for system, name in ((System.THIS, "this"), (System.AGAINST, "other"))
    ]
    return sides[0].join(sides[1], on=[*_STUDY, *_CELL], maintain_order="left")


def side_rows(table: pl.DataFrame, *, min_cell: int = 0) -> list[Estimate]:
    """`difference` rows of models `<metric>_this` and `<metric>_other`: the mean of each system in the same studies.

    Signed errors are among them, shares of right answers are not. Not given where one system was judged on the studies
    of 1 to `min_cell` - 1 people more: with its mean over all of them, the values of these few would follow.
    """
    cells = _cells(table).filter(pl.col("model") != "accuracy")
    both = _paired(cells)
    left = cells.join(both, on=[*_STUDY, *_CELL], how="anti").group_by(*_CELL, "system")
    few = left.agg(people=pl.col("participant_id").n_unique()).filter(pl.col("people") < min_cell)
    shown = both.join(few, on=_CELL, how="anti", maintain_order="left")
    rows = []
    for name in ("this", "other"):
        means = clustered_means(shown.with_columns(pl.col(name).alias(VALUE)), _CELL)
        for row in means.iter_rows(named=True):
            told = {key: row[key] for key in ("term", "level", "n", "estimate", "lower", "upper", "se")}
            unit = UNITS.get(row["model"], "")
            rows.append(Estimate("difference", model=f"{row['model']}_{name}", unit=unit, **told))
    return rows


def _errors(table: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Absolute errors of values and right answers of classes, then errors of values, in the columns of `judged`."""
    is_value = pl.col("kind") == Kind.VALUE
    is_class = (pl.col("kind") == Kind.CLASS) & (pl.col("metric") == "class")
    known = pl.col("prediction").is_not_null() & pl.col("reference").is_not_null()
    wanted = table.filter((is_value & known) | (is_class & pl.col(VALUE).is_not_null()))
    error = pl.col("prediction") - pl.col("reference")
    errors = wanted.select(
        *_STUDY,
        "system",
        pl.when(is_value).then(pl.lit("mae")).otherwise(pl.lit("accuracy")).alias("model"),
        "term",
        pl.col("frame").alias("level"),
        pl.when(is_value).then(error).otherwise(VALUE).alias(VALUE),
    )
    yield errors.with_columns(pl.col(VALUE).abs())
    yield errors.filter(pl.col("model") == "mae").with_columns(model=pl.lit("bias"))


def difference_rows(
    table: pl.DataFrame, *, margins: Mapping[str, float] | None = None, seed: int = 0, min_cell: int = 1
) -> list[Estimate]:
    """`difference` rows of a table (EVALUATION) with both systems, and `non_inferiority` rows where `margins` say.

    The main test is the paired t test, studies of one person being a cluster. Beside it stand the Wilcoxon signed-rank
    test and a bootstrap interval of the mean, both over people. `margins`: by metric or by term, in its unit. Above 1
    `min_cell` makes differences of shares coarse: else it would follow how many only one system is right of.
    """
    apart = compared(table)
    people = {
        tuple(key): cell.group_by("participant_id", maintain_order=True).agg(pl.col(VALUE).mean())[VALUE].to_numpy()
        for key, cell in apart.group_by(_CELL, maintain_order=True)
    }
    draw = np.random.default_rng(seed)
    rows: list[Estimate] = []
    for row in clustered_means(apart, _CELL).iter_rows(named=True):
        shown = ("model", "term", "level", "n", "estimate", "lower", "upper", "se", "p")
        main = Estimate("difference", unit=UNITS.get(row["model"], ""), **{name: row[name] for name in shown})
        beside = _beside(main, people[row["model"], row["term"], row["level"]], draw)
        rows += [main, *beside, *_verdicts(main, margins or {}, df=row["people"] - 1)]
    for area in (*auc_differences(table), *unpaired_areas(table)):
        rows += [area, *_verdicts(area, margins or {}, df=None)]
    return [_coarse(row, min_cell) if row.model.partition("_")[0] == "accuracy" else row for row in rows]


def _coarse(row: Estimate, min_cell: int) -> Estimate:
    """A difference of shares in a round unit of about two smallest cells, p as a level."""
    if min_cell <= 1 or not row.n:
        return row
    numbers = {name: getattr(row, name) for name in ("estimate", "lower", "upper", "se", "p", "q")}
    coarse = in_units(numbers, unit_below(min(2 * min_cell / row.n, 0.5)))
    return replace(row, **{**coarse, "p": level_of(row.p)}, rounded=min_cell)  # type: ignore[arg-type]


def _beside(main: Estimate, apart: Floats, draw: np.random.Generator) -> list[Estimate]:
    """The signed-rank test of differences (n,) of people, and a bootstrap interval of their mean."""
    from scipy.stats import wilcoxon

    if len(apart) < 2:
        return []
    p = float(wilcoxon(apart).pvalue) if np.any(apart != 0) else 1.0
    means = np.concatenate([apart[rows].mean(axis=1) for rows in _resamples(len(apart), draw)])
    lower, upper = (float(end) for end in np.quantile(means, [0.025, 0.975]))
    bare = replace(main, estimate=None, lower=None, upper=None, se=None, p=None)
    resampled = replace(main, lower=lower, upper=upper, se=float(np.std(means, ddof=1)), p=None)
    return [
        replace(bare, model=f"{main.model}_wilcoxon", unit="", p=p),
        replace(resampled, model=f"{main.model}_bootstrap"),
    ]


def _resamples(n: int, draw: np.random.Generator) -> Iterator[Ints]:
    """Numbers of people drawn with replacement, (resamples, n) at a time; fewer resamples of very many people."""
    left = max(200, min(RESAMPLES, 50 * _DRAWN // n))
    while left > 0:
        now = min(left, max(1, _DRAWN // n))
        yield draw.integers(0, n, size=(now, n))
        left -= now


def _verdicts(main: Estimate, margins: Mapping[str, float], *, df: int | None) -> list[Estimate]:
    """The one-sided test of a difference against its margin."""
    margin = margins.get(main.model, margins.get(main.term))
    if margin is None or main.estimate is None or main.se is None:
        return []
    worse = -main.estimate if main.model in HIGHER_IS_BETTER else main.estimate
    p = inferiority_p(worse, se=main.se, margin=margin, df=df)
    verdict = NON_INFERIOR if p <= _ALPHA else NOT_SHOWN
    return [replace(main, analysis="non_inferiority", group=main.level, level=f"{margin:g}", p=p, unit=verdict)]


def inferiority_p(worse: float, *, se: float, margin: float, df: int | None) -> float:
    """One-sided p that a system which is `worse` than another by so much is worse by `margin` or more.

    By Student's t on `df` degrees of freedom, normal where that is None; without spread 0 or 1.
    """
    from scipy.stats import norm, t

    if not se > 0:
        return float(worse >= margin)
    z = (worse - margin) / se
    return float(norm.cdf(z) if df is None else t.cdf(z, df))


def auc_differences(table: pl.DataFrame) -> list[Estimate]:
    """Area under the ROC curve of this system less that of the other, by DeLong's paired test; level the class.

    Binary classes with one probability column are judged by it, others each against the rest.
    """
    keys = [*_STUDY, *_OF_PROBABILITY]
    sides = _probabilities(table)
    both = sides[0].join(sides[1].select(*keys, pl.col("prediction").alias("other")), on=keys, maintain_order="left")
    found: list[Estimate] = []
    for (term, metric, frame), cell in both.group_by(_OF_PROBABILITY, maintain_order=True):
        level = _level(metric, frame)
        truth = cell["reference"].to_numpy() > 0.5
        try:
            apart = difference(auc(cell["prediction"].to_numpy(), truth), auc(cell["other"].to_numpy(), truth))
        except NotEstimableError as error:
            found.append(Estimate("not_estimable", term=f"difference of AUC of {term} {level}", level=error.message))
            continue
        known = min(np.count_nonzero(truth), np.count_nonzero(~truth)) >= FEWEST
        found.append(
            Estimate(
                "difference", model="auc", term=str(term), level=level, n=cell.height,
                events=int(np.count_nonzero(truth)), estimate=apart.estimate, se=apart.se if known else None,
                lower=apart.lower if known else None, upper=apart.upper if known else None,
                p=apart.p if known else None,
            )
        )  # fmt: skip
    return found


def unpaired_areas(table: pl.DataFrame) -> list[Estimate]:
    """The same where nobody was judged by both systems: Welch's t on DeLong's errors, as pROC; level says so."""
    this, other = (dict(iter(side.group_by(_OF_PROBABILITY, maintain_order=True))) for side in _probabilities(table))
    found = []
    for key in (key for key in this if key in other):
        if this[key]["participant_id"].is_in(other[key]["participant_id"].implode()).any():
            continue
        term, level = str(key[0]), f"{_level(*key[1:])} {OTHER_PEOPLE}"
        try:
            found.append(replace(_unpaired(this[key], other[key]), term=term, level=level))
        except NotEstimableError as error:
            found.append(Estimate("not_estimable", term=f"difference of AUC of {term} {level}", level=error.message))
    return found


def _unpaired(this: pl.DataFrame, other: pl.DataFrame) -> Estimate:
    """A difference of areas with limits where both have people enough; n and events of the one with fewer people."""
    areas, counts = [], []
    for cell in (this, other):
        truth = cell["reference"].to_numpy() > 0.5
        areas.append(auc(cell["prediction"].to_numpy(), truth))
        counts.append((len(truth), int(np.count_nonzero(truth))))
    apart, (n, events) = unpaired_difference(*areas), min(counts)
    row = Estimate("difference", model="auc", n=n, events=events, estimate=apart.estimate)
    if min(min(events, n - events) for n, events in counts) < FEWEST:
        return row
    se = sqrt(sum(area.variance for area in areas))
    return replace(row, lower=apart.lower, upper=apart.upper, se=se, p=apart.p)


def _probabilities(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Probabilities and scores with what is true, of this system and of the other."""
    rows = table.filter(
        pl.col("metric").str.starts_with(PROBABILITY),
        pl.col("prediction").is_not_null(),
        pl.col("reference").is_not_null(),
    )
    return rows.filter(pl.col("system") == System.THIS), rows.filter(pl.col("system") == System.AGAINST)


def _level(metric: object, frame: object) -> str:
    return " ".join(filter(None, (str(metric).removeprefix(PROBABILITY), str(frame))))
