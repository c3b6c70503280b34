"""The smallest and oddest tables: the whole of each analysis ends in numbers that mean something, or in words."""

from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.evaluation.against import difference_rows
from cinema_cli.analysis.evaluation.agreement_rows import agreement_rows
from cinema_cli.analysis.evaluation.class_rows import class_rows
from cinema_cli.analysis.evaluation.repeats import repeat_rows
from cinema_cli.analysis.evaluation.summary import summary_rows
from cinema_cli.analysis.evaluation.table import System
from cinema_cli.analysis.evaluation.values import Answers, compared_values
from cinema_cli.analysis.fairness.audit import audit
from cinema_cli.analysis.fairness.failures import failure_metrics
from cinema_cli.analysis.fairness.groups import group_columns
from cinema_cli.analysis.fairness.outcomes import followed_people
from cinema_cli.analysis.fairness.people import KEY, keys_of, read_people
from cinema_cli.analysis.fairness.segmentation import evaluation_metrics
from cinema_cli.analysis.fairness.settings import FairnessSettings
from cinema_cli.analysis.statistics.limits import LARGEST_RATIO
from cinema_cli.analysis.survival.analysis import analyse_survival
from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.door import read_analysis_table
from cinema_cli.analysis.survival.reading import Source
from cinema_cli.analysis.survival.settings import Per, SurvivalSettings
from cinema_cli.domain.errors import CinemaError

LAWS = settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])

Column = Callable[[np.random.Generator, np.ndarray], np.ndarray]

SIZES = st.sampled_from([1, 2, 3, 5, 12, 40])
NUMBERS: dict[str, Column] = {  # of people whose events (n,) are known
    "any": lambda rng, event: rng.normal(55, 9, len(event)),
    "constant": lambda rng, event: np.full(len(event), 50.0),
    "all missing": lambda rng, event: np.full(len(event), np.nan),
    "some missing": lambda rng, event: np.where(rng.random(len(event)) < 0.5, np.nan, rng.normal(size=len(event))),
    "separates": lambda rng, event: (event == 1).astype(float),
    "one differs": lambda rng, event: (np.arange(len(event)) == 0).astype(float),
    "flags": lambda rng, event: rng.integers(0, 2, len(event)).astype(float),
    "infinite": lambda rng, event: np.where(np.arange(len(event)) == 0, np.inf, rng.normal(size=len(event))),
    "far off": lambda rng, event: 1e9 + 1e-3 * rng.normal(size=len(event)),
    "outlier": lambda rng, event: np.where(np.arange(len(event)) == 0, 1e12, rng.normal(size=len(event))),
    "tiny": lambda rng, event: 1e-12 * rng.normal(size=len(event)),
}
TIMES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "any": lambda rng, n: rng.exponential(5.0, n) + 0.01,
    "all alike": lambda rng, n: np.full(n, 2.0),
    "few": lambda rng, n: rng.integers(1, 4, n).astype(float),
    "huge": lambda rng, n: 1e8 * rng.exponential(size=n) + 1.0,
    "tiny": lambda rng, n: 1e-6 * rng.exponential(size=n) + 1e-9,
}
EVENTS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "any": lambda rng, n: rng.integers(0, 2, n),
    "none": lambda rng, n: np.zeros(n, np.int64),
    "one": lambda rng, n: (np.arange(n) == n // 2).astype(np.int64),
    "all": lambda rng, n: np.ones(n, np.int64),
    "competing": lambda rng, n: rng.integers(0, 3, n),
}
SHARES = ("accuracy", "auc", "sensitivity", "specificity", "ppv", "npv", "f1", "dice", "iou")
CORRELATIONS = ("mcc", "icc21", "icc31")
SAYS_WHY = ("not_estimable", "too_few")


def says_something(rows: pl.DataFrame) -> None:
    """Every row has a possible number or a sentence."""
    for row in rows.iter_rows(named=True):
        numbers = {name: row[name] for name in ("estimate", "lower", "upper", "se", "p", "q")}
        assert all(value is None or np.isfinite(value) for value in numbers.values()), row
        assert not {"nan", "inf", "-inf"} & set(row["level"].split()), row
        if row["analysis"] in SAYS_WHY:
            assert len(row["level"].split()) > 2 and all(value is None for value in numbers.values()), row
        estimate, lower, upper = (row[name] for name in ("estimate", "lower", "upper"))
        if estimate is not None and lower is not None and upper is not None:
            close = 1e-9 * max(abs(lower), abs(upper))
            assert lower - close <= estimate <= upper + close, row
        assert row["p"] is None or 0 <= row["p"] <= 1, row
        assert row["se"] is None or row["se"] >= 0, row
        low, high = possible(row["analysis"], row["model"])
        assert all(end is None or low <= end <= high for end in (estimate, lower, upper)), row


def possible(analysis: str, model: str) -> tuple[float, float]:
    """Between what all figures of a kind lie."""
    if analysis in ("cox", "fine_gray", "spline") or model == "hazard_ratio":
        return 1 / LARGEST_RATIO, LARGEST_RATIO
    if analysis in ("concordance", "concordance_uno", "auc", "brier", "kaplan_meier", "cumulative_incidence"):
        return 0, 1
    if analysis in ("classification", "evaluation", "agreement", "group_metric", "repeatability"):
        if model in SHARES:
            return 0, 1
        if model in CORRELATIONS:
            return -1, 1
        if model == "brier":
            return 0, 2  # of several classes; of one 1
    return -np.inf, np.inf


def finite(rows: Iterable[Estimate]) -> pl.DataFrame:
    """Rows as a table; an estimate that is no number would be lost in it without a word."""
    found = list(rows)
    assert all(row.estimate is None or np.isfinite(row.estimate) for row in found)
    return table_of(found)


def or_refused(rows: Callable[[], list[Estimate]]) -> list[Estimate]:
    """Rows; none where a refusal says why."""
    try:
        return rows()
    except CinemaError as refusal:
        assert len(refusal.message.split()) > 3
        return []


def written(table: dict[str, object], path: Path) -> Path:
    pl.DataFrame(table).with_columns(pl.col(pl.Float64).fill_nan(None)).write_csv(path)
    return path


@LAWS
@given(st.data())
def test_survival(data: st.DataObject) -> None:
    rng, n = np.random.default_rng(data.draw(st.integers(0, 99))), data.draw(SIZES)
    kind = data.draw(st.sampled_from(list(EVENTS)))
    event, time = EVENTS[kind](rng, n), TIMES[data.draw(st.sampled_from(list(TIMES)))](rng, n)
    one, other, covariate = (NUMBERS[data.draw(st.sampled_from(list(NUMBERS)))](rng, event) for _ in range(3))
    twice = data.draw(st.booleans())
    ages = rng.integers(40, 80, n).astype(float) if data.draw(st.booleans()) else covariate
    extra = {name: data.draw(st.booleans()) for name in ("entry", "weights", "cluster", "groups", "strata")}
    cells: dict[str, object] = {"participant_id": [f"p{k}" for k in range(n)], "time": time, "event": event}
    cells |= {"one": one, "other": 2 * one if twice else other, "age": ages, "sex": rng.choice(["F", "M"], n)}
    cells |= {
        "late": time * rng.random(n) * 0.9,
        "weight": rng.choice([0.001, 1.0, 500.0], n),
        "site": np.arange(n) // 2,
    }
    columns = Columns(
        phenotypes=("one", "other"),
        covariates=("age", "sex") if not extra["strata"] else ("age",),
        strata=("sex",) if extra["strata"] else (),
        groups=("sex",) if extra["groups"] else (),
        entry="late" if extra["entry"] else "",
        weights="weight" if extra["weights"] else "",
        cluster="site" if extra["cluster"] else "",
        competing="2" if kind == "competing" else "",
    )
    imputations = 2 if data.draw(st.booleans()) else 0
    asked = SurvivalSettings(per=data.draw(st.sampled_from(Per)), n_resamples=3, n_imputations=imputations)
    with TemporaryDirectory() as folder:
        source = written(cells, Path(folder) / "table.csv")
        try:
            table = read_analysis_table(source, None, columns=columns, imputes=bool(imputations))
        except CinemaError as refusal:
            assert len(refusal.message.split()) > 3
            return
    rows = analyse_survival(table, asked).estimates
    says_something(rows)
    said = set(rows.filter(pl.col("analysis") == "not_estimable")["term"])
    with_ratio = set(rows.filter(pl.col("analysis") == "cox")["term"])
    if rows.filter(pl.col("analysis") == "cox").height or table.outcome().n_events:
        assert set(table.phenotypes) <= said | with_ratio  # each has a hazard ratio, or it is said why not
    else:
        assert table.outcome_name in said


@settings(LAWS, max_examples=8)
@given(st.data())
def test_evaluation_and_fairness(data: st.DataObject) -> None:
    rng, n = np.random.default_rng(data.draw(st.integers(0, 99))), data.draw(SIZES)
    sick = EVENTS[data.draw(st.sampled_from(["any", "none", "one", "all"]))](rng, n)
    numbers = st.sampled_from([name for name in NUMBERS if name != "infinite"])
    ids = [f"sub-{k}" for k in range(n)]
    truth = NUMBERS[data.draw(numbers)](rng, sick)
    reference = pl.DataFrame(
        {"participant_id": ids, "lvef_pct": truth, "sick": sick, "head": rng.choice(["a", "b"], n)}
    )

    def predicted() -> pl.DataFrame:
        same = data.draw(st.booleans())
        probability = NUMBERS[data.draw(st.sampled_from(["constant", "separates", "flags", "one differs"]))](rng, sick)
        values = truth if same else NUMBERS[data.draw(numbers)](rng, sick)
        sure = np.clip(probability, 0.0, 1.0)
        cells = {"participant_id": ids, "session_id": ["1"] * n, "lvef_pct": values, "sick": probability}
        cells |= {"head_class": rng.choice(["a", "b"], n), "head_p_a": sure, "head_p_b": 1.0 - sure}
        cells |= {"status": rng.choice(["done", "failed"], n), "sex": rng.choice(["F", "M"], n)}
        return pl.DataFrame(cells).with_columns(pl.col(pl.Float64).fill_nan(None))

    sources = [Answers("p", predicted(), ("lvef_pct", "sick", "head_class")) for _ in range(2)]
    true = Source("r", reference.with_columns(pl.col(pl.Float64).fill_nan(None)))
    try:
        tables = [
            compared_values(source, true, system=system).table
            for source, system in zip(sources, (System.THIS, System.AGAINST), strict=True)
        ]
    except CinemaError as refusal:
        assert len(refusal.message.split()) > 3
        return
    people, groups = sources[0].cells.select("participant_id", "sex"), ("sex",)
    whole = pl.concat(tables)
    for rows in (
        summary_rows(whole, people=people, groups=groups),
        agreement_rows(whole, people=people, groups=groups, fewest=1),
        class_rows(whole, people=people, groups=groups, fewest=1),
        difference_rows(whole, margins={"lvef_pct": 3.0, "auc": 0.05}),
    ):
        says_something(finite(rows))
    visits = pl.concat([sources[0].cells, sources[1].cells.with_columns(session_id=pl.lit("2"))])
    answers = Answers("p", visits, ("lvef_pct",))
    says_something(finite(or_refused(lambda: repeat_rows(answers, people=people, groups=groups, fewest=1).rows)))
    with TemporaryDirectory() as folder:
        source = Path(folder) / "p.parquet"
        sources[0].cells.write_parquet(source)
        compared = read_people(source)
        outcomes = written(
            {"participant_id": ids, "time": rng.exponential(size=n) + 0.1, "event": sick}, Path(folder) / "o.csv"
        )
        try:
            table = read_analysis_table(source, outcomes, columns=Columns(phenotypes=("lvef_pct",)))
            followed = followed_people(compared, table)
        except CinemaError:
            followed = None
    metrics = [
        *failure_metrics(compared),
        *evaluation_metrics(compared, tables[0].with_columns(keys_of(tables[0]["participant_id"]).alias(KEY))),
    ]
    asked = FairnessSettings(n_permutations=9, n_resamples=9, fewest=data.draw(st.sampled_from([2, 10])))
    says_something(audit(compared, group_columns(compared, ["sex"]), metrics, asked, followed=followed).estimates)
