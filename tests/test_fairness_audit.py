"""An audit of fairness: people, groups, metrics, outcomes by group, and what of it may be released."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_people import N, a_folder
from scipy.optimize import linprog
from statistics_golden import r_data, r_values

from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.fairness import outcomes as followed_module
from cinema_cli.analysis.fairness.audit import audit, with_q
from cinema_cli.analysis.fairness.effects import hazard_ratio_rows
from cinema_cli.analysis.fairness.failures import covariate, disagreement_metrics, failure_metrics
from cinema_cli.analysis.fairness.groups import GroupColumn, group_columns, intersections
from cinema_cli.analysis.fairness.metric import Metric, RankMetric
from cinema_cli.analysis.fairness.outcomes import followed_people
from cinema_cli.analysis.fairness.people import People, read_people
from cinema_cli.analysis.fairness.release import released
from cinema_cli.analysis.fairness.segmentation import evaluation_metrics, read_evaluation
from cinema_cli.analysis.fairness.settings import FairnessSettings
from cinema_cli.analysis.statistics.group_gaps import Better
from cinema_cli.analysis.statistics.multiplicity import Multiplicity, benjamini_hochberg
from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.door import read_analysis_table
from cinema_cli.analysis.survival.flow import FlowStep
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.domain.errors import CinemaError, ConfigError, InputError

QUICK = FairnessSettings(n_permutations=99, n_resamples=99)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a cohort with planted gaps."""
    return a_folder(tmp_path_factory.mktemp("cohort") / "out")


@pytest.fixture(scope="module")
def people(folder: Path) -> People:
    """Its people, with what people.csv says."""
    return read_people(folder, folder / "people.csv")


@pytest.fixture(scope="module")
def estimates(folder: Path, people: People) -> pl.DataFrame:
    """An audit of everything but outcomes."""
    evaluation = read_evaluation(folder / "evaluation")
    assert evaluation is not None
    metrics = [
        *failure_metrics(people),
        *disagreement_metrics(people, folder),
        *evaluation_metrics(people, evaluation),
    ]
    columns = group_columns(people, ["sex", "site", "ethnicity"])
    return audit(people, columns, metrics, replace(QUICK, n_permutations=999, adjust=("age_years", "site"))).estimates


def one(table: pl.DataFrame, analysis: str, **words: str) -> dict[str, Any]:
    """The only row with these words."""
    (row,) = table.filter(
        pl.col("analysis") == analysis, *(pl.col(name) == word for name, word in words.items())
    ).to_dicts()
    return row


def test_hazard_ratios_of_subgroups_are_those_of_r() -> None:
    """r_golden2.json rott_subgroup: nodes per SD, adjusted for age, and the test of the interaction."""
    data = r_data("rotterdam")
    rows = data.select(
        pl.int_range(pl.len()).cast(pl.String).alias("participant_id"),
        pl.col("dtime").cast(pl.Float64).alias("time"),
        pl.col("death").cast(pl.Int64).alias("event"),
        *(pl.col(name).cast(pl.Float64) for name in ("nodes", "age")),
    )
    table = AnalysisTable(rows, "death", ("nodes",), covariates=("age",), time_unit="days")
    for golden in r_values("r_golden2")["rott_subgroup"]:
        levels = [level["level"] for level in golden["levels"]]
        code = data[golden["group"]].replace_strict(dict(zip(levels, range(len(levels)), strict=True))).to_numpy()
        column = GroupColumn("group", tuple(f"group={level}" for level in levels), code.astype(np.int64))
        *found, test = hazard_ratio_rows(table, np.arange(table.n), "nodes", column, fewest=10)
        for row, level in zip(found, golden["levels"], strict=True):
            assert (row.n, row.events) == (level["n"], level["events"])
            np.testing.assert_allclose(
                (row.estimate, row.lower, row.upper), (level["hr"], level["lo"], level["hi"]), rtol=1e-8
            )
        assert test.analysis == "interaction"
        np.testing.assert_allclose(float(test.p or 0), golden["p_int_lrt"], rtol=1e-6)


def test_planted_gaps_are_found(estimates: pl.DataFrame) -> None:
    planted = [
        ("failed", "analysis", "site", "site=south"),
        ("flagged", "lvef_plausible", "sex", "sex=F"),
        ("dice", "lv", "sex", "sex=F"),
        ("mae", "lvef_pct", "sex", "sex=F"),
        ("disagreement", "head", "sex", "sex=M"),
        ("no_reference", "reference", "sex", "sex=F"),
    ]
    for model, term, group, worst in planted:
        gap = one(estimates, "gap", model=model, term=term, group=group)
        assert gap["p"] == 0.001 and gap["q"] < 0.05
        assert 0 < gap["lower"] < gap["estimate"] < gap["upper"]
        null = one(estimates, "gap_null", model=model, term=term, group=group)
        assert null["lower"] <= null["estimate"] <= null["upper"] < gap["estimate"]
        assert one(estimates, "worst_group", model=model, term=term, group=group)["level"] == worst


def test_figures_of_a_group_are_counted_from_its_people(folder: Path, estimates: pl.DataFrame) -> None:
    table = pl.read_parquet(folder / "phenotypes.parquet").filter(pl.col("sex") == "F")
    failed = one(estimates, "group_metric", model="failed", group="sex=F")
    assert (failed["n"], failed["events"]) == (table.height, table.filter(pl.col("status") == "failed").height)
    flagged = one(estimates, "group_metric", model="flagged", term="lvef_plausible", group="sex=F")
    assert (flagged["n"], flagged["events"]) == (
        table["qc_lvef_plausible"].count(),
        table.filter(pl.col("qc_lvef_plausible") == "flag").height,
    )
    assert flagged["lower"] < flagged["estimate"] == flagged["events"] / flagged["n"] < flagged["upper"]


def test_every_metric_of_an_evaluation_is_compared(estimates: pl.DataFrame) -> None:
    found = set(estimates.filter(pl.col("analysis") == "gap").select("model", "term").iter_rows())
    assert {
        ("dice", "lv"), ("mae", "lvef_pct"), ("bias", "lvef_pct"), ("landmark_mm", "apex"), ("accuracy", "head"),
        ("sensitivity", "head: ill"), ("specificity", "head: ill"), ("auc", "head: ill"), ("no_reference", "reference"),
        ("no_prediction", "prediction"),
    } <= found  # fmt: skip
    assert ("volume_error_ml", "lv") not in found  # 4 ml in everybody: nothing to test
    assert one(estimates, "group_metric", model="volume_error_ml", group="sex=F")["estimate"] == 4.0


def test_small_groups_are_named_and_have_no_number(estimates: pl.DataFrame) -> None:
    row = one(estimates, "too_few", model="failed", group="ethnicity=rare")
    assert (row["n"], row["estimate"], row["level"]) == (6, None, "fewer than 10 people")
    assert one(estimates, "gap", model="failed", group="ethnicity")["n"] == N - 6


def test_q_are_over_all_gaps(estimates: pl.DataFrame) -> None:
    gaps = estimates.filter(pl.col("analysis") == "gap", pl.col("p").is_not_null())
    np.testing.assert_allclose(gaps["q"].to_numpy(), benjamini_hochberg(gaps["p"].to_numpy()))
    assert estimates.filter(pl.col("analysis") != "gap")["q"].null_count() == estimates.height - gaps.height
    assert with_q([], Multiplicity.BH) == []


def test_adjusted_gaps_leave_out_what_groups_are_made_of(estimates: pl.DataFrame) -> None:
    assert one(estimates, "gap_adjusted", model="dice", group="sex")["level"] == "age_years, site=south"
    assert one(estimates, "gap_adjusted", model="dice", group="site")["level"] == "age_years"
    gap, adjusted = (one(estimates, kind, model="dice", group="sex")["estimate"] for kind in ("gap", "gap_adjusted"))
    assert adjusted == pytest.approx(gap, abs=0.01)


@pytest.mark.parametrize("most_drawn", [0, 2_000])  # from standard errors; by permutation
def test_outcomes_by_group(folder: Path, people: People, most_drawn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_module, "MOST_DRAWN", most_drawn)
    columns = Columns(phenotypes=("lvef_pct",), covariates=("age_years",))
    table = read_analysis_table(folder, folder / "outcomes.csv", columns=columns)
    found = audit(
        people, group_columns(people, ["sex"]), (), replace(QUICK, horizon=4.0), followed=followed_people(people, table)
    )
    rows = found.estimates
    assert found.horizon == 4.0
    for model, best in (("c_index", 1.0), ("observed_expected", 1.0), ("calibration_slope", 1.0)):
        values = rows.filter(pl.col("analysis") == "group_metric", pl.col("model") == model, pl.col("group") != "")
        assert values["group"].to_list() == ["sex=F", "sex=M"]
        assert (values["lower"] < values["estimate"]).all() and (values["estimate"] < values["upper"]).all()
        gap = one(rows, "gap", model=model, group="sex")
        assert gap["estimate"] == pytest.approx(abs(values["estimate"][1] - values["estimate"][0]))
        assert gap["p"] > 0.01
        assert (gap["unit"] == "from standard errors") == (most_drawn == 0 or model == "calibration_slope")
        assert values["estimate"].max() < best + 0.8
    assert one(rows, "interaction", model="hazard_ratio", term="lvef_pct", group="sex")["p"] > 0.001
    lost = one(rows, "group_metric", model="no_outcome", group="")
    assert lost["events"] == N - table.n  # whose study failed


def test_too_few_events_are_said(folder: Path, people: People) -> None:
    columns = Columns(phenotypes=("lvef_pct",))
    table = read_analysis_table(folder, folder / "outcomes.csv", columns=columns)
    few = table.rows.with_columns(event=pl.when(pl.int_range(pl.len()) < 40).then("event").otherwise(0))
    followed = followed_people(people, replace(table, rows=few))
    rows = audit(people, group_columns(people, ["ethnicity"]), (), QUICK, followed=followed).estimates
    reasons = rows.filter(pl.col("analysis") == "too_few", pl.col("group") == "ethnicity=rare")["level"].to_list()
    assert "fewer than 10 events" in reasons


def test_intersections_are_of_two_columns(people: People) -> None:
    columns = group_columns(people, ["sex", "site"])
    (both,) = intersections(columns)
    assert both.name == "sex & site"
    assert both.labels == ("sex=F & site=north", "sex=F & site=south", "sex=M & site=north", "sex=M & site=south")
    for k, label in enumerate(both.labels):
        sex, site = (part.partition("=")[2] for part in label.split(" & "))
        wanted = (people.rows["sex"] == sex) & (people.rows["site"] == site)
        np.testing.assert_array_equal(both.code == k, wanted.to_numpy())


def test_usual_groups_where_none_are_named(people: People) -> None:
    assert [column.name for column in group_columns(people, ())] == ["sex", "age_band", "ethnicity", "site", "vendor"]
    (ages,) = group_columns(people, ["age_band"])
    assert ages.labels == tuple(f"age_band={low} to {low + 9}" for low in (40, 50, 60, 70))


def test_age_bands_as_asked(folder: Path) -> None:
    (ages,) = group_columns(read_people(folder, age_bands=(50, 65)), ["age_band"])
    assert ages.labels == ("age_band=under 50", "age_band=50 to 64", "age_band=65 and over")


@pytest.mark.parametrize(
    ("counts", "labels"),
    [
        ({45: 20, 55: 20, 65: 20}, ["40 to 49", "50 to 59", "60 to 69"]),
        ({35: 3, 45: 20, 55: 20, 65: 20, 75: 9}, ["under 50", "50 to 59", "60 and over"]),
        ({45: 20, 55: 20, 65: 20, 75: 4, 85: 4}, ["40 to 49", "50 to 59", "60 and over"]),
        ({45: 20, 55: 2, 65: 20, 75: 20}, ["40 to 49", "50 to 59", "60 to 69", "70 to 79"]),
        ({5: 20}, ["0 to 9"]),
    ],
)
def test_few_people_of_great_or_small_age_are_no_band_of_their_own(
    tmp_path: Path, counts: dict[int, int], labels: list[str]
) -> None:
    ages = [age for age, count in counts.items() for _ in range(count)]
    pl.DataFrame({"participant_id": range(len(ages)), "age": ages}).write_csv(tmp_path / "p.csv")
    (bands,) = group_columns(read_people(tmp_path / "p.csv"), ["age_band"])
    assert [label.removeprefix("age_band=") for label in bands.labels] == labels


def some_people(**columns: list[Any]) -> People:
    """People with these columns."""
    n = len(next(iter(columns.values())))
    rows = pl.DataFrame({"_key": [str(k) for k in range(n)], **columns})
    return People(rows, (FlowStep("people", n, kept=True),))


def test_columns_that_are_no_groups_are_refused() -> None:
    people = some_people(sex=["F"] * 60, serial=[f"x{k}" for k in range(60)])
    with pytest.raises(ConfigError, match="no column sez"):
        group_columns(people, ["sez"])
    with pytest.raises(ConfigError, match="serial has 60 different values"):
        group_columns(people, ["serial"])
    with pytest.raises(ConfigError, match="cannot be told apart"):
        group_columns(people, ())


def test_covariates_are_numbers_or_categories() -> None:
    people = some_people(age=["1", "2", None], site=["a", "b", "a"])
    ((name, values),) = covariate(people, "age")
    assert name == "age" and values[:2].tolist() == [1.0, 2.0] and np.isnan(values[2])
    ((name, values),) = covariate(people, "site")
    assert name == "site=b" and values.tolist() == [0.0, 1.0, 0.0]


def test_nobody_with_a_value_and_one_person() -> None:
    people = some_people(sex=["F"] * 15 + ["M"])
    nothing = Metric("mae", "x", Better.LOWER, np.full(16, np.nan))
    share = Metric("failed", "analysis", Better.LOWER, np.arange(16.0) % 2, is_share=True)
    rows = audit(people, group_columns(people, ["sex"]), [nothing, share], QUICK).estimates
    assert one(rows, "too_few", model="mae", group="sex=F")["n"] == 0
    assert one(rows, "too_few", model="failed", group="sex=M")["n"] == 1
    assert rows.filter(pl.col("analysis") == "gap").is_empty()


def test_first_visits_and_studies_that_were_reached(tmp_path: Path) -> None:
    rows = [("sub-1", "ses-10", "done"), ("sub-1", "ses-2", "failed"), ("sub-2", "ses-1", "not_run")]
    pl.DataFrame(rows, schema=["participant_id", "session_id", "status"], orient="row").write_csv(tmp_path / "p.csv")
    people = read_people(tmp_path / "p.csv")
    assert people.rows["session_id"].to_list() == ["ses-2"]
    assert [(step.level, step.n) for step in people.flow] == [
        ("kept", 3), ("left out", 1), ("left out", 1), ("kept", 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("participant_id,site\n1,a\n1,b\n", ConfigError, "participant '1' has several rows"),
        ("participant_id,site\n99,a\n", InputError, "no participant of p.csv is in q.csv"),
        ("site\na\n", ConfigError, "q.csv has no column participant_id"),
    ],
)
def test_tables_of_people_that_do_not_fit(tmp_path: Path, text: str, error: type[CinemaError], words: str) -> None:
    (tmp_path / "p.csv").write_text("participant_id,sex\nsub-1,F\n")
    (tmp_path / "q.csv").write_text(text)
    with pytest.raises(error, match=words):
        read_people(tmp_path / "p.csv", tmp_path / "q.csv")


def test_columns_of_two_tables_whatever_their_names(tmp_path: Path) -> None:
    """Cells of the table of people come first; those it lacks are of the other; nobody's column is lost."""
    (tmp_path / "p.csv").write_text("participant_id,site,age,own_said\nsub-1,a,40,x\nsub-2,b,50,y\nsub-3,c,60,z\n")
    (tmp_path / "q.csv").write_text("eid,site,age,site_said,_place\n2,B,,T,0\n1,,41,S,1\n")
    rows = read_people(tmp_path / "p.csv", tmp_path / "q.csv").rows
    assert rows.select("participant_id", "site", "site_said", "_place", "own_said", "eid").rows() == [
        ("sub-1", "a", "S", "1", "x", "1"), ("sub-2", "B", "T", "0", "y", "2"), ("sub-3", "c", None, None, "z", None)
    ]  # fmt: skip
    assert rows["age"].cast(pl.Float64).to_list() == [41.0, 50.0, 60.0]


def test_a_hidden_figure_does_not_come_back_through_its_gap() -> None:
    rows = [
        Estimate("group_metric", model="failed", term="analysis", n=200, events=28, estimate=0.14),
        Estimate("group_metric", model="failed", term="analysis", group="sex=F", n=100, events=4, estimate=0.04),
        Estimate("group_metric", model="failed", term="analysis", group="sex=M", n=100, events=24, estimate=0.24),
        Estimate(
            "gap", model="failed", term="analysis", group="sex", n=200, estimate=0.2, lower=0.1, upper=0.3, p=0.01
        ),
        Estimate("gap_null", model="failed", term="analysis", group="sex", n=200, estimate=0.05),
    ]
    shown = released(table_of(rows), min_cell=10)
    assert shown["estimate"][1] is None and shown["events"][1] is None
    gap = one(shown, "gap", group="sex")
    assert (gap["estimate"], gap["lower"], gap["upper"], gap["p"], gap["suppressed"]) == (None, None, None, 0.01, True)
    assert one(shown, "gap_null", group="sex")["estimate"] == 0.05
    assert released(table_of(rows), min_cell=1).equals(table_of(rows))


APART = ("gap", "ratio", "worst_group", "skewed_error_ratio")


def with_a_few(seed: int) -> tuple[People, Metric, pl.DataFrame]:
    """An audit of errors in two large groups of ethnicity and a few others, some of no site, and two sexes."""
    rng = np.random.default_rng(seed)
    n, few = int(rng.integers(150, 900)), int(rng.integers(1, 10))
    people = some_people(
        ethnicity=[*["c"] * few, *rng.choice(["a", "b"], n - few, p=[0.7, 0.3]).tolist()],
        site=[*rng.choice(["x", "y"], n - few).tolist(), *[None] * few],
        sex=rng.choice(["F", "M"], n).tolist(),
    )
    error = Metric("mae", "x", Better.LOWER, rng.gamma(4.0, size=n))
    columns = group_columns(people, ["ethnicity", "site", "sex"])
    return people, error, audit(people, columns, [error], QUICK).estimates


def range_of_few(table: pl.DataFrame, column: str, sizes: dict[str, int], *, few: int, half: float) -> list[float]:
    """Least and largest mean of the few that are in none of the large groups of a column, by all that a table tells.

    Figures are known to within half of a unit; gap, ratio and worst value of these, where they are shown, exactly.
    """
    figures = table.filter(pl.col("analysis") == "group_metric", pl.col("model") == "mae")
    shown = dict(figures.select("group", "estimate").iter_rows())
    groups = [group for group in sizes if shown.get(group) is not None]
    known, right = [[1.0 if g == group else 0.0 for g in groups] for group in groups], [shown[g] for g in groups]
    limits = [(value - half, value + half) for value in right]
    high, low = sorted(range(len(groups)), key=lambda k: -right[k])
    exact: list[tuple[list[float], float]] = []
    for kind in APART[:3]:
        value = one(table, kind, group=column)["estimate"]
        if value is not None:
            ratio = value if kind == "ratio" else 0.0
            row = [0.0] * len(groups)
            row[high] = -ratio if kind == "ratio" else 1.0
            row[low] = -1.0 if kind == "gap" else 1.0 if kind == "ratio" else 0.0
            exact.append((row, 0.0 if kind == "ratio" else value))
    assert len(known) == 2
    weights = np.array([sizes[g] for g in groups]) / few
    total = shown[""] * (few + sum(sizes.values())) / few
    equal = {"A_eq": [row for row, _ in exact], "b_eq": [value for _, value in exact]} if exact else {}
    ends = [linprog(sign * weights, bounds=limits, **equal) for sign in (-1.0, 1.0)]
    assert all(end.status == 0 for end in ends)
    return [float(total - weights @ end.x) for end in ends]


@pytest.mark.parametrize("seed", range(6))
def test_the_mean_of_few_does_not_follow_from_figures_and_gaps_of_the_others(seed: int) -> None:
    people, error, table = with_a_few(seed)
    shown, n, sd = released(table, min_cell=10), people.n, error.values.std()
    for column, names in (("ethnicity", "ab"), ("site", "xy")):
        labels = {f"{column}={name}": (people.rows[column] == name).fill_null(False).to_numpy() for name in names}
        sizes = {label: int(own.sum()) for label, own in labels.items()}
        others = ~np.any(list(labels.values()), axis=0)
        truth, few = error.values[others].mean(), int(others.sum())
        low, high = range_of_few(table, column, sizes, few=few, half=1e-9)
        assert low - 1e-3 < truth < high + 1e-3 and high - low < 1e-3  # from exact figures he knows it
        half = 0.5 * max(u for k in range(-3, 2) for u in (10.0**k, 2 * 10.0**k, 5 * 10.0**k) if u <= 20 * sd / n * 1.1)
        figures = shown.filter(pl.col("analysis") == "group_metric", pl.col("group").is_in(list(sizes)))
        in_units = figures.filter(model="mae")["estimate"] / (2 * half)
        assert (in_units - in_units.round()).abs().max() < 1e-6  # type: ignore[operator]
        low, high = range_of_few(shown, column, sizes, few=few, half=half)
        assert low <= truth <= high and high - low > 0.5 * sd
        for kind in APART:
            row = one(shown, kind, group=column)
            assert row["estimate"] is None and row["lower"] is None and row["suppressed"] and row["p"] is not None
            assert one(shown, f"{kind}_null", group=column)["estimate"] is not None
    for kind in APART:  # nothing of the sexes changed
        assert one(shown, kind, group="sex") == one(table, kind, group="sex")


def test_the_mean_of_few_does_not_follow_from_groups_of_two_columns() -> None:
    """12 people of c are enough, the 5 women of them are not: with the other women's means theirs would follow."""
    rng = np.random.default_rng(8)
    sex = ["F"] * 205 + ["M"] * 207
    people = some_people(
        sex=sex, origin=[*["a & b"] * 150, *["a"] * 50, *["c"] * 5, *["a & b"] * 100, *["a"] * 100, *["c"] * 7]
    )
    error = Metric("mae", "x", Better.LOWER, rng.gamma(4.0, size=412))
    settings = replace(QUICK, intersections=True)
    table = audit(people, group_columns(people, ["sex", "origin"]), [error], settings).estimates
    shown = released(table, min_cell=10)
    old, new = (t.filter(pl.col("analysis") == "group_metric", pl.col("model") == "mae") for t in (table, shown))
    changed = dict(zip(old["group"], (old["estimate"] != new["estimate"]).to_list(), strict=True))
    assert {group for group, is_changed in changed.items() if is_changed} == {
        f"sex={sex} & origin={origin}" for sex in "FM" for origin in ("a & b", "a")
    }
    for kind in APART:
        assert one(shown, kind, group="sex & origin")["estimate"] is None
        assert one(shown, kind, group="origin")["estimate"] is not None


@pytest.mark.parametrize("name", ["b", "Asian & British"])
def test_names_of_groups_may_have_an_ampersand(name: str) -> None:
    people = some_people(origin=["a"] * 100 + [name] * 60 + ["c & d"] * 4)
    error = Metric("mae", "x", Better.LOWER, np.random.default_rng(8).gamma(4.0, size=164))
    table = audit(people, group_columns(people, ["origin"]), [error], QUICK).estimates
    shown = released(table, min_cell=10)
    assert one(table, "gap", group="origin")["estimate"] is not None
    assert one(shown, "gap", group="origin")["estimate"] is None


def test_nothing_small_is_released(estimates: pl.DataFrame) -> None:
    shown = released(estimates, min_cell=10)
    for name in ("n", "events"):
        assert not shown.filter(pl.col(name).is_between(1, 9)).height
    survivors = shown.filter(pl.col("estimate").is_not_null(), pl.col("events").is_not_null())
    assert not survivors.filter((pl.col("n") - pl.col("events")).is_between(1, 9)).height


@pytest.mark.parametrize("seed", range(4))
def test_any_cohort_has_an_audit(seed: int) -> None:
    """Small groups, missing values and labels, constant columns: numbers or reasons, never an error."""
    rng = np.random.default_rng(seed)
    n = 25 + 30 * seed
    groups = {"a": rng.choice(["x", "y", ""], n).tolist(), "b": rng.choice(list("pqr"), n).tolist(), "c": ["one"] * n}
    people = some_people(**groups, age=rng.normal(60, 10, n).tolist())
    people = replace(people, rows=people.rows.with_columns(a=pl.col("a").replace("", None)))
    metrics: list[Metric | RankMetric] = [
        Metric("mae", "x", Better.LOWER, np.where(rng.uniform(size=n) < 0.2, np.nan, rng.gamma(2.0, size=n))),
        Metric("failed", "analysis", Better.LOWER, (rng.uniform(size=n) < 0.05).astype(float), is_share=True),
        RankMetric("head: ill", rng.normal(size=n).round(1), rng.uniform(size=n) < 0.4),
    ]
    rows = pl.DataFrame(
        {
            "participant_id": [str(k) for k in range(n)],
            "time": rng.exponential(size=n).round(2) + 0.01,
            "event": rng.integers(0, 3, n),
            "p": rng.normal(size=n),
        }
    )
    followed = followed_people(people, AnalysisTable(rows, "event", ("p",)))
    settings = replace(QUICK, n_permutations=9 * seed, n_resamples=9 * seed, intersections=True, adjust=("age", "b"))
    found = audit(people, group_columns(people, ["a", "b", "c"]), metrics, settings, followed=followed).estimates
    assert found.filter(pl.col("analysis").is_in(["too_few", "not_estimable"]))["level"].str.len_chars().min() > 10
    assert released(found, min_cell=10).height == found.height
