"""Disclosure control of whole survival analyses: no row, and no difference of rows, tells of few people."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.statistics.kaplan_meier import kaplan_meier, quantiles
from cinema_cli.analysis.statistics.outcome import Outcome
from cinema_cli.analysis.survival.analysis import analyse_survival
from cinema_cli.analysis.survival.flow import kept
from cinema_cli.analysis.survival.intervals import People, as_people
from cinema_cli.analysis.survival.settings import SurvivalSettings
from cinema_cli.analysis.survival.table import AnalysisTable

MIN_CELL = 10
OE = "observed_expected"
Steps = Iterator[tuple[str, int]]


def cohort(seed: int, n: int, *, competing: bool = False, ends: float = 9.0) -> AnalysisTable:
    """People with two phenotypes and a sex; few are censored before the end, so that most had an event."""
    rng = np.random.default_rng(seed)
    x, sex = rng.normal(60, 10, n).round(2), rng.choice(["F", "M"], n)
    own = rng.exponential(12 * np.exp(0.03 * (x - 60)))
    other = rng.exponential(14.0, n) if competing else np.full(n, np.inf)
    censored = np.minimum(rng.exponential(60.0, n), ends)
    time = np.minimum(np.minimum(own, other), censored)
    event = np.where(time == own, 1, np.where(time == other, 2, 0))
    rows = pl.DataFrame(
        {
            "participant_id": [f"p{k}" for k in range(n)],
            "time": np.maximum(time.round(2), 0.01),
            "event": event.astype(int),
            "x": x,
            "y": rng.normal(0, 1, n),
            "age_years": rng.uniform(45, 80, n).round(1),
            "sex": sex,
        }
    )
    return AnalysisTable(
        rows,
        "mace",
        ("x", "y"),
        ("age_years", "sex"),
        groups=("sex",),
        competing_name="death" if competing else "",
        flow=(kept("analysed", n),),
    )


def estimates(table: AnalysisTable, horizon: float = 5.0) -> pl.DataFrame:
    return analyse_survival(table, SurvivalSettings(n_resamples=0, horizon=horizon)).estimates


def learned(released: pl.DataFrame) -> list[str]:
    """Every small count that stands in the table, or is the difference of two neighbours in it that are exact."""
    return [what for what, count in told(exact(released)) if 0 < abs(count) < MIN_CELL]


def exact(table: pl.DataFrame) -> pl.DataFrame:
    """A table without its rounded counts: of everybody's curve the events are exact."""
    rounded = pl.col("rounded").is_not_null()
    everybody = pl.col("analysis").is_in(["kaplan_meier", "cumulative_incidence"]) & (pl.col("model") == "overall")
    n, events = pl.when(~rounded).then(pl.col("n")), pl.when(~rounded | everybody).then(pl.col("events"))
    return table.with_columns(n.alias("n"), events.alias("events"))


def told(table: pl.DataFrame) -> Steps:
    for row in table.filter(pl.col("analysis") != "schoenfeld").iter_rows(named=True):
        name = f"{row['analysis']} {row['model']} {row['term']} {row['group']} {row['level']}"
        if row["n"] is not None:
            yield f"people of {name}", row["n"]
        if row["events"] is not None:
            yield f"events of {name}", row["events"]
        is_curve = row["analysis"] in ("kaplan_meier", "cumulative_incidence")  # at risk then, events until then
        if not is_curve and row["n"] is not None and row["events"] is not None and row["n"] >= row["events"]:
            yield f"without event of {name}", row["n"] - row["events"]
    for model, term, group in curves_of(table).select("model", "term", "group").unique().rows():
        own = curves_of(table).filter(model=model, term=term, group=group)
        whole = table.filter(
            pl.col("analysis").is_in(["rate", "rmst", "survival_quantile"]),
            pl.col("model").is_in(["", model]),
            term=term if model == "quantile" else pl.col("term"),
            group=group,
        )
        yield from of_people(own, whole, horizon=table.filter(analysis=OE, group="held-out") if not group else None)
    yield from thresholds(table)


def curves_of(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("analysis").is_in(["kaplan_meier", "cumulative_incidence"])).with_columns(
        time=pl.col("level").cast(pl.Float64)
    )


def of_people(own: pl.DataFrame, whole: pl.DataFrame, *, horizon: pl.DataFrame | None) -> Steps:
    """Steps of the curves of some people: of events, of those at risk, and of those who leave without event."""
    events: dict[str, dict[float, int]] = {}
    at_risk: dict[float, int] = dict(own.filter(pl.col("n").is_not_null()).select("time", "n").iter_rows())
    people = whole["n"].drop_nulls().to_list()
    for outcome in own["outcome"].unique().sort():
        points = own.filter(pl.col("outcome") == outcome, pl.col("events").is_not_null())
        events[outcome] = dict(points.select("time", "events").iter_rows())
        if horizon is not None:
            at = horizon.filter(pl.col("outcome") == outcome, pl.col("events").is_not_null())
            events[outcome] |= {float(level): e for level, e in at.select("level", "events").iter_rows()}
        all_events = whole.filter(pl.col("outcome") == outcome)["events"].drop_nulls().to_list()
        if all_events:
            events[outcome][np.inf] = max(all_events)
        yield from steps(f"events of {outcome}", events[outcome])
    if people:
        at_risk |= {-1.0: max(people), np.inf: 0}
    events = {outcome: {-1.0: 0} | known for outcome, known in events.items()}
    yield from steps("at risk", at_risk)
    for causes in [*([one] for one in events), list(events)]:
        times = sorted(set(at_risk).intersection(*(events[cause] for cause in causes)))
        free = {t: at_risk[t] + sum(events[cause][t] for cause in causes) for t in times}
        yield from steps(f"left without {' and '.join(causes)}", free)


def steps(name: str, values: dict[float, int]) -> Steps:
    for start, end in pairwise(sorted(values)):
        yield f"{name} from {start} to {end}", values[end] - values[start]


def thresholds(table: pl.DataFrame) -> Steps:
    """Steps of who is above, with events and without."""
    of_all = table.filter(analysis="decision_curve", model="all")
    for model in ("clinical", "clinical_cmr"):
        own = table.filter(analysis="decision_curve", model=model).sort(pl.col("level").cast(pl.Float64))
        both = pl.concat([of_all.head(1), own]).filter(pl.col("estimate").is_not_null())
        for name, counts in {"people": both["n"], "events": both["events"], "no": both["n"] - both["events"]}.items():
            for k, step in enumerate(counts.diff().drop_nulls()):
                yield f"{model} {name} above between thresholds {k}", step


@pytest.mark.parametrize(
    ("seed", "n", "competing"), [(1, 300, False), (2, 300, True), (3, 400, True), (4, 90, True), (5, 150, False)]
)
def test_a_whole_report_tells_no_small_count(seed: int, n: int, competing: bool) -> None:
    table = estimates(cohort(seed, n, competing=competing))
    assert learned(table)
    released = suppressed(table, min_cell=MIN_CELL)
    assert learned(released) == []
    assert released.filter(pl.col("estimate").is_not_null(), analysis="kaplan_meier", model="overall").height > 2


def test_events_by_the_horizon_are_a_point_of_the_curve() -> None:
    """Between the neighbours that the curve keeps and the row of calibration no few events lie."""
    found = estimates(cohort(9, 500, ends=12.0))
    released = suppressed(found, min_cell=MIN_CELL)
    (row,) = released.filter(analysis=OE, group="held-out", model="clinical").iter_rows(named=True)
    assert row["events"] == found.filter(analysis=OE, group="held-out", model="clinical")["events"][0]
    shown = curves_of(released).filter(model="overall", analysis="kaplan_meier")["events"].drop_nulls()
    assert not any(0 < abs(row["events"] - events) < MIN_CELL for events in shown)


def curve(analysis: str, outcome: str, points: Sequence[tuple[int, int]]) -> list[Estimate]:
    return [
        Estimate(analysis, outcome, "overall", level=str(float(k)), n=n, events=events, estimate=0.9)
        for k, (n, events) in enumerate(points)
    ]


def test_who_had_neither_of_two_events_is_a_count() -> None:
    def rates(*events: int) -> list[Estimate]:
        names = ("mace", "death")
        return [Estimate("rate", name, n=200, events=e, estimate=1.0) for name, e in zip(names, events, strict=True)]

    for events, rounded in (((94, 102), 1), ((94, 90), 0), ((94, 106), 0)):
        released = suppressed(table_of(rates(*events)), min_cell=10)
        assert released["events"].null_count() == 0
        assert released["rounded"].drop_nulls().to_list() == [10] * rounded
        assert (released["events"] == pl.Series(events)).sum() == 2 - rounded
        assert ((released["estimate"] == 1.0).sum()) == 2 - rounded  # the rate is of the rounded events
    one = curve("cumulative_incidence", "mace", [(200, 0), (164, 20), (103, 50)])
    two = curve("cumulative_incidence", "death", [(200, 0), (164, 12), (103, 40)])  # 4 of the first 36 had neither
    released = suppressed(table_of([*one, *two, *rates(90, 80)]), min_cell=10)
    assert released["n"].to_list()[:6] == [200, 160, 100] * 2
    assert released["events"].null_count() == 0


def intervals(n: int, pieces: int, *, with_event: int) -> AnalysisTable:
    """Each person in several intervals; some had the event in every one of them."""
    rng = np.random.default_rng(3)
    rows = pl.DataFrame(
        {
            "participant_id": [f"p{k // pieces}" for k in range(n * pieces)],
            "entry": [float(k % pieces) for k in range(n * pieces)],
            "time": [float(k % pieces) + 1.0 for k in range(n * pieces)],
            "event": [int(k // pieces < with_event) for k in range(n * pieces)],
            "x": np.repeat(rng.normal(size=n), pieces) + rng.normal(0, 0.1, n * pieces),
            "sex": np.repeat(np.where(np.arange(n) % 2, "F", "M"), pieces),
        }
    )
    return AnalysisTable(rows, "mace", ("x",), ("sex",), groups=("sex",), cluster=("participant_id",))


def test_intervals_do_not_count_as_people() -> None:
    """6 people had 8 events each: 48 events are of few people."""
    table = estimates(intervals(100, 8, with_event=6))
    of_curves = table.filter(pl.col("analysis").is_in(["kaplan_meier", "log_rank", "survival_quantile", "person_time"]))
    assert of_curves["n"].max() == 100 and of_curves["events"].max() == 6
    assert table.filter(analysis="rate", group="")["events"].to_list() == [48]
    released = suppressed(table, min_cell=MIN_CELL)
    shown = released.filter(pl.col("analysis").is_in(["kaplan_meier", "log_rank", "rate", "person_time"]))
    assert set(shown["events"].drop_nulls()) <= {0}
    rates = shown.filter(pl.col("analysis").is_in(["rate", "log_rank"]))["estimate"]
    assert rates.null_count() == len(rates) > 0


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=20, deadline=None, derandomize=True)
def test_people_of_rows_are_counted_once(seed: int, late: bool) -> None:
    """By a loop over people and times: rows may touch, overlap, leave gaps, and hold the event several times."""
    rng = np.random.default_rng(seed)
    n = 40
    entry, person = rng.integers(0, 8, n).astype(float) * late, rng.integers(0, 9, n)
    time, event = entry + rng.integers(1, 4, n).astype(float), rng.integers(0, 3, n)
    people = People(Outcome(time, event, entry if late else None), person)
    times = np.arange(0.5, 11.0)
    ends = np.unique(time)
    for k, t in enumerate(times):
        end = ends[ends >= t].min(initial=np.inf)
        at_risk = {p for p, a, b in zip(person, entry, time, strict=True) if (a < end or not late) and b >= end}
        assert people.at_risk(times)[k] == len(at_risk)
        for kind in (1, 2):
            assert people.events_until(times, kind)[k] == len(set(person[(time <= t) & (event == kind)]))
    assert (people.n, people.n_events) == (len(set(person)), len(set(person[event == 1])))
    rows = People(people.outcome, None)
    assert (rows.n, rows.n_events) == (n, int((event == 1).sum()))


def test_rows_of_models_count_people() -> None:
    table = intervals(100, 8, with_event=60)
    rows = [
        Estimate("cox", "mace", "adjusted", "x", n=800, events=480),
        Estimate("cox", "mace", "adjusted", "sex=M", "x", n=400, events=240),
        Estimate("table_one", model="count", n=100, estimate=100.0),
    ]
    assert [(row.n, row.events) for row in as_people(table, rows)] == [(100, 60), (50, 30), (100, None)]
    one_row_each = cohort(1, 50)
    assert list(as_people(one_row_each, rows)) == rows


def test_text_goes_with_the_numbers() -> None:
    rows = [
        Estimate("calibration", "mace", "clinical", group="1", level="0.0712", n=4, events=0, unit="held-out"),
        Estimate("cox", "mace", "adjusted", "x", n=4, events=2, estimate=1.2, unit="per SD (9.81 ml)"),
        Estimate("spline", "mace", "adjusted", "x", level="51.2", n=4, events=2, estimate=1.2),
        Estimate("cox", "mace", "adjusted", "y", n=400, events=90, estimate=1.2, unit="per SD (3 ml)"),
    ]
    released = suppressed(table_of(rows), min_cell=10)
    assert released.select("level", "unit").rows() == [("", "held-out"), ("", ""), ("", ""), ("", "per SD (3 ml)")]


def test_nobodys_own_value_stands_in_a_name_or_an_end() -> None:
    """Of 9 people with a value no quartile is told; a curve ends where ten are beyond."""
    whole = cohort(6, 300)
    few = pl.when(pl.int_range(pl.len()) < 9).then(pl.col("x")).alias("few")
    table = AnalysisTable(
        whole.rows.with_columns(few), "mace", ("x", "few"), ("age_years",), groups=(), flow=whole.flow
    )
    released = suppressed(estimates(table), min_cell=MIN_CELL)
    names = released.filter((pl.col("term") == "few") | (pl.col("group") == "few"))
    assert names.height and not names.select(pl.concat_str("level", "unit").str.contains(r"\d\d\.|up to").any()).item()
    x = np.sort(whole.floats("x"))
    ends = released.filter(analysis="spline", term="x")["level"].cast(pl.Float64)
    assert ends.len() and x[9] <= ends.min() and ends.max() <= x[-10]
    small = estimates(cohort(7, 60))
    ends, x = small.filter(analysis="spline", term="x")["level"].cast(pl.Float64), np.sort(cohort(7, 60).floats("x"))
    assert x[9] <= ends.min() and ends.max() <= x[-10]
    assert small.filter(analysis="calibration_smooth", model="clinical").height <= 60 // 10
    assert not estimates(cohort(7, 36)).filter(analysis="spline").height


def test_no_persons_own_time_is_a_quantile() -> None:
    """Times by which shares had the event, and their limits, are those of the curves: the next one."""
    table = cohort(8, 300)
    found = estimates(table)
    shown = found.filter(analysis="survival_quantile", model="overall").sort("level")
    grid = set(found.filter(analysis="kaplan_meier", model="overall")["level"].cast(pl.Float64))
    exact = quantiles(kaplan_meier(table.outcome()), np.array([0.1, 0.25, 0.5]))
    for k, column in enumerate(("estimate", "lower", "upper")):
        times = shown[column].drop_nulls().to_numpy()
        own = (exact.times, exact.lower, exact.upper)[k][: len(times)]
        assert len(times) > 1 and set(times) <= grid
        assert np.all((times >= own - 1e-9) & (times < own + 0.1))
    assert not found.filter(analysis="kaplan_meier")["level"].str.contains(r"\.\d{3}").any()


def test_quarters_have_no_events_beside_their_means() -> None:
    released = suppressed(estimates(cohort(1, 300)), min_cell=MIN_CELL)
    of_curves = released.filter(pl.col("analysis").is_in(["rmst", "survival_quantile"]))
    quarters = of_curves.filter(model="quantile")
    assert quarters["events"].null_count() == quarters.height > quarters["estimate"].null_count()
    assert quarters.filter(pl.col("estimate").is_not_null())["suppressed"].any() is False
    assert of_curves.filter(model="overall")["events"].null_count() == 0


def test_two_phenotypes_do_not_tell_who_lacks_only_one() -> None:
    """25 lack the mass, and 8 more the mass per body surface: of which 3 women."""
    whole = cohort(12, 400)
    place = pl.int_range(pl.len())
    mass, indexed = (pl.when(place >= k).then(pl.col("x")).alias(name) for k, name in ((25, "mass"), (33, "indexed")))
    rows = whole.rows.with_columns(mass, indexed)
    table = AnalysisTable(rows, "mace", ("mass", "indexed"), ("sex",), groups=("sex",), flow=whole.flow)
    found = estimates(table)

    def numbers(of: pl.DataFrame) -> list[int]:
        known = of.filter(model="mean", group="").filter(pl.col("term").is_in(["mass", "indexed"]))["n"]
        models = of.filter(analysis="cox", model="unadjusted", group="")["n"]
        missing = 400 - of.filter(model="missing", group="")["estimate"].drop_nulls()
        return sorted({*known.drop_nulls(), *models.drop_nulls(), *missing.cast(pl.Int64)})

    assert numbers(found) == [367, 375, 400]
    released = suppressed(found, min_cell=MIN_CELL)
    assert numbers(released) == [370, 380, 400]
    of_both = released.filter(analysis="table_one").filter(pl.col("term").is_in(["mass", "indexed"]))
    of_everybody = of_both.filter(pl.col("group") == "", pl.col("model") != "smd")
    assert of_everybody["n"].null_count() == of_everybody["estimate"].null_count() == 0
    assert of_both.filter(model="mean")["estimate"].null_count() == 0
    models = released.filter(analysis="cox", model="unadjusted")
    assert models["n"].to_list() == [380, 370] and models["events"].drop_nulls().len() == 2
    assert not any(events % MIN_CELL for events in models["events"])
    quarters = released.filter(analysis="kaplan_meier", model="quantile")
    assert not any(n % MIN_CELL for n in quarters["n"].drop_nulls()) and quarters["n"].drop_nulls().len() > 8


def test_a_threshold_with_few_people_above_is_left_out() -> None:
    def decisions(*points: tuple[float, int, int]) -> pl.DataFrame:
        rows = [Estimate("decision_curve", "mace", "all", level="0.1", n=100, events=40, estimate=0.1)]
        rows += [
            Estimate("decision_curve", "mace", "clinical", level=str(t), n=n, events=e, estimate=0.2)
            for t, n, e in points
        ]
        return table_of(rows)

    released = suppressed(decisions((0.1, 95, 40), (0.2, 80, 40), (0.3, 60, 30), (0.7, 5, 3), (0.8, 0, 0)), min_cell=10)
    assert released["level"].to_list() == ["0.1", "0.2", "0.3", "0.8"]
    with pytest.raises(ValueError, match="decision_curve"):
        suppressed(table_of([Estimate("decision_curve", "mace", "clinical", level="0.1", estimate=0.1)]), min_cell=10)
