"""A whole survival analysis: what its rows agree on with each other, and what it says where it cannot estimate."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from statistics_golden import r_data, r_values

from cinema_cli.analysis.statistics.multiplicity import Multiplicity, benjamini_hochberg, holm
from cinema_cli.analysis.statistics.rounding import rounded_times
from cinema_cli.analysis.survival.analysis import analyse_survival
from cinema_cli.analysis.survival.flow import kept
from cinema_cli.analysis.survival.settings import Embeddings, SurvivalSettings
from cinema_cli.analysis.survival.table import AnalysisTable

QUICK = SurvivalSettings(n_resamples=0)


@pytest.fixture
def rotterdam() -> AnalysisTable:
    """Breast cancer patients of R's data set rotterdam, time in years."""
    rows = r_data("rotterdam").select(
        pl.col("pid").cast(pl.String).alias("participant_id"),
        (pl.col("dtime") / 365.25).alias("time"),
        pl.col("death").cast(pl.Int64).alias("event"),
        pl.col("nodes", "pgr", "er").cast(pl.Float64),
        pl.col("age").cast(pl.Float64).alias("age_years"),
        "size",
        pl.col("meno").cast(pl.String),
    )
    flow = (kept("rows", rows.height),)
    return AnalysisTable(rows, "death", ("nodes", "pgr", "er"), ("age_years", "size"), groups=("meno",), flow=flow)


def rows_of(table: AnalysisTable, settings: SurvivalSettings = QUICK) -> pl.DataFrame:
    return analyse_survival(table, settings).estimates


def ratios(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(analysis="cox").select("model", "term", "group", "estimate", "se", "n", "events")


def test_q_values_are_over_the_phenotypes_of_a_model(rotterdam: AnalysisTable) -> None:
    rows = rows_of(rotterdam).filter(analysis="cox")
    for model in ("unadjusted", "adjusted", "age_scale"):
        own = rows.filter(pl.col("term").is_in(rotterdam.phenotypes), model=model, group="")
        assert own["q"].to_list() == pytest.approx(benjamini_hochberg(own["p"].to_numpy()).tolist())
    assert rows.filter(pl.col("group") != "")["q"].is_null().all()
    own = rows.filter(pl.col("term").is_in(rotterdam.phenotypes), model="adjusted", group="")
    strict = rows_of(rotterdam, replace(QUICK, multiplicity=Multiplicity.HOLM)).filter(analysis="cox", model="adjusted")
    strict = strict.filter(pl.col("term").is_in(rotterdam.phenotypes), group="")
    assert strict["q"].to_list() == pytest.approx(holm(own["p"].to_numpy()).tolist())


def test_what_a_confounder_would_need_is_one_where_the_interval_holds_one(rotterdam: AnalysisTable) -> None:
    rows = rows_of(rotterdam)
    for row in rows.filter(analysis="e_value").iter_rows(named=True):
        cox = rows.filter(analysis="cox", model="adjusted", term=row["term"], group="").row(0, named=True)
        assert (row["lower"] == 1) == (cox["lower"] <= 1 <= cox["upper"])
        assert row["estimate"] >= row["lower"] >= 1


def test_order_of_rows_and_unit_of_time_change_no_hazard_ratio(rotterdam: AnalysisTable) -> None:
    first = ratios(rows_of(rotterdam))
    order = np.random.default_rng(0).permutation(rotterdam.n)
    days = rotterdam.rows[order].with_columns(pl.col("time") * 365.25)
    other = ratios(rows_of(replace(rotterdam, rows=days, time_unit="days")))
    first = first.filter(pl.col("model") != "age_scale")  # needs years
    assert other.drop("estimate", "se").equals(first.drop("estimate", "se"))
    for column in ("estimate", "se"):
        assert other[column].to_list() == pytest.approx(first[column].to_list(), rel=1e-8)


def test_both_models_of_a_phenotype_are_of_the_same_people(rotterdam: AnalysisTable) -> None:
    some = pl.when(pl.int_range(pl.len()) % 7 > 0).then(pl.col("pgr")).alias("pgr")
    rows = rows_of(replace(rotterdam, rows=rotterdam.rows.with_columns(some))).filter(analysis="cox", term="pgr")
    own = rows.filter(pl.col("model").is_in(["unadjusted", "adjusted"]), group="")
    assert own["n"].n_unique() == 1 and own["n"][0] < rotterdam.n


def test_what_follows_from_others_is_named_and_left_out_of_the_joint_model(rotterdam: AnalysisTable) -> None:
    rows = rotterdam.rows.with_columns(both=pl.col("pgr") + 2 * pl.col("er"), same=pl.lit(3.0))
    table = replace(rotterdam, rows=rows, phenotypes=(*rotterdam.phenotypes, "both"))
    found = rows_of(table)
    (said,) = found.filter(analysis="not_estimable", model="clinical_cmr", term="both")["level"]
    assert said == "follows from pgr, er: left out of the joint model"
    assert found.filter(analysis="cox", model="clinical_cmr")["term"].to_list()[-3:] == ["nodes", "pgr", "er"]
    constant = rows_of(replace(table, phenotypes=("same", "nodes")))
    assert "same in all rows" in constant.filter(analysis="not_estimable", term="same")["level"][0]
    assert constant.filter(analysis="cox", model="adjusted", term="nodes").height == 1


def test_nobody_had_the_event(rotterdam: AnalysisTable) -> None:
    rows = rows_of(replace(rotterdam, rows=rotterdam.rows.with_columns(event=pl.lit(0, pl.Int64))))
    assert set(rows["analysis"]) == {"flow", "follow_up", "person_time", "rate", "table_one", "not_estimable"}
    assert "nobody had the event" in rows.filter(analysis="not_estimable")["level"][0]
    (rate,) = rows.filter(analysis="rate", group="").iter_rows(named=True)
    assert rate["estimate"] == 0 and rate["upper"] > 0


def test_one_event_ends_in_words_or_numbers_never_an_error(rotterdam: AnalysisTable) -> None:
    one = (pl.int_range(pl.len()) == 5).cast(pl.Int64).alias("event")
    rows = rows_of(replace(rotterdam, rows=rotterdam.rows.with_columns(one)))
    assert rows.filter(analysis="not_estimable").height
    assert rows.filter(analysis="cox")["estimate"].is_finite().all()


def test_late_entry_has_no_horizon_and_says_so(rotterdam: AnalysisTable) -> None:
    ages = rotterdam.floats("age_years")
    entry, time = rounded_times(np.column_stack([ages, ages + rotterdam.floats("time")])).T
    rows = rotterdam.rows.drop("age_years").with_columns(entry=pl.Series(entry), time=pl.Series(time))
    table = replace(rotterdam, rows=rows, covariates=("size",), origin_name="birth")
    found = rows_of(table)
    assert not {"auc", "brier", "calibration", "rmst"} & set(found["analysis"])
    assert any("people enter late" in said for said in found.filter(analysis="not_estimable")["level"])
    aged = ratios(rows_of(rotterdam)).filter(pl.col("model") == "age_scale", pl.col("term") == "nodes")
    assert found.filter(analysis="cox", model="adjusted", term="nodes")["estimate"][0] == pytest.approx(
        aged["estimate"][0], rel=1e-9
    )


def test_held_out_calibration_and_corrected_figures(rotterdam: AnalysisTable) -> None:
    rows = rows_of(rotterdam, SurvivalSettings(n_resamples=10, horizon=5.0))
    tenths = rows.filter(analysis="calibration", model="clinical_cmr")
    assert tenths["group"].to_list() == [str(k) for k in range(1, 11)] and set(tenths["unit"]) == {"held-out"}
    inside = tenths.filter(pl.col("level").cast(pl.Float64).is_between("lower", "upper"))
    assert inside.height >= 7
    apparent, corrected = (
        rows.filter(analysis="concordance", model="clinical_cmr", level=level)["estimate"][0]
        for level in ("apparent", "optimism-corrected")
    )
    optimism = rows.filter(analysis="optimism", model="clinical_cmr", term="c")["estimate"][0]
    assert apparent - optimism == pytest.approx(corrected)
    assert 0.65 < corrected < 0.70


def test_who_cannot_be_predicted_is_said_and_left_out_of_calibration(rotterdam: AnalysisTable) -> None:
    """Eight centres, region N being one of them: predicted from the others it would have a risk of 0."""
    centre = pl.int_range(pl.len()) % 8
    region = pl.when(centre == 7).then(pl.lit("N")).when(centre < 4).then(pl.lit("S")).otherwise(pl.lit("E"))
    rows = rotterdam.rows.with_columns(centre.cast(pl.String).alias("centre"), region.alias("region"))
    table = replace(rotterdam, rows=rows, groups=(), cluster=("centre",), strata=("region",), phenotypes=("nodes",))
    found = rows_of(table)
    ratio = found.filter(analysis="observed_expected", group="held-out", model="clinical_cmr").row(0, named=True)
    assert ratio["n"] == rows.filter(pl.col("region") != "N").height and 0.95 < ratio["estimate"] < 1.05
    tenths = found.filter(analysis="calibration", model="clinical_cmr")
    assert min(map(float, tenths["level"])) > 0.05 and tenths["n"].sum() == ratio["n"]
    everybody = found.filter(analysis="decision_curve", model="all")
    assert set(everybody["n"]) == {ratio["n"]}
    assert any("not predictable" in said for said in found.filter(analysis="not_estimable")["level"])
    alone = rows_of(replace(table, strata=("centre",)))
    assert any("each stratum is in one fold alone" in said for said in alone.filter(analysis="not_estimable")["level"])


def test_lifelines_agrees(rotterdam: AnalysisTable) -> None:
    found = rows_of(rotterdam).filter(analysis="second_opinion")
    assert 0 <= found["estimate"][0] < 1e-4


def test_missing_cells_are_filled_in_and_pooled(rotterdam: AnalysisTable) -> None:
    lacks = pl.int_range(pl.len()) % 5 == 0
    rows = rotterdam.rows.with_columns(
        pl.when(~lacks).then(pl.col("nodes")).alias("nodes"),
        pl.when(~lacks.shift(1)).then(pl.col("size")).alias("size"),
    )
    settings = SurvivalSettings(n_resamples=0, n_imputations=8, seed=4)
    found = rows_of(replace(rotterdam, rows=rows, phenotypes=("nodes",), imputes=True), settings)
    pooled = found.filter(analysis="cox", model="adjusted", term="nodes").row(0, named=True)
    complete = found.filter(analysis="cox", model="adjusted_complete_case", term="nodes").row(0, named=True)
    whole = (
        ratios(rows_of(rotterdam)).filter(pl.col("model") == "adjusted", pl.col("term") == "nodes").row(0, named=True)
    )
    assert pooled["n"] == rotterdam.n > complete["n"]
    assert abs(np.log(pooled["estimate"]) - np.log(whole["estimate"])) < 2 * whole["se"]
    assert whole["se"] < pooled["se"] < 1.3 * complete["se"]  # nodes are skewed: matching is not perfect
    fmi = found.filter(analysis="imputation", model="adjusted", term="nodes")["estimate"][0]
    assert 0 < fmi < 0.6


def test_embeddings_are_ranked_in_people_not_seen(rotterdam: AnalysisTable) -> None:
    rng = np.random.default_rng(1)
    signal = rotterdam.floats("nodes")[:, None] * rng.normal(size=(1, 6)) / 4 + rng.normal(size=(rotterdam.n, 6))
    found = analyse_survival(rotterdam, QUICK, embeddings=Embeddings(signal, "backbone")).estimates
    mean = found.filter(analysis="penalised", level="mean").row(0, named=True)
    assert mean["model"] == "backbone" and 0.6 < mean["lower"] < mean["estimate"] < 0.75


def test_competing_events_have_both_kinds_of_hazard_ratios() -> None:
    """Provenance: r_golden.json, entries mgus2_csh_pcm and mgus2_finegray (survival 3.5-3)."""
    rows = r_data("mgus2").select(
        pl.col("id").cast(pl.String).alias("participant_id"),
        pl.col("etime").cast(pl.Float64).alias("time"),
        pl.col("ev").cast(pl.Int64).alias("event"),
        pl.col("hgb", "age", "mspike", "sexM").cast(pl.Float64),
    )
    table = AnalysisTable(
        rows, "pcm", ("hgb",), ("age", "sexM", "mspike"), competing_name="death", time_unit="months"
    )  # fmt: skip
    found = rows_of(table)
    for analysis, entry in (("cox", "mgus2_csh_pcm"), ("fine_gray", "mgus2_finegray")):
        r = r_values()[entry]
        row = found.filter(analysis=analysis, model="adjusted", term="mspike").row(0, named=True)
        assert np.log(row["estimate"]) == pytest.approx(r["coef"][r["terms"].index("mspike")], rel=1e-8)
    both = found.filter(analysis="cumulative_incidence", model="overall").group_by("outcome").len()
    assert dict(both.iter_rows()).keys() == {"pcm", "death"}
    assert set(found.filter(analysis="rate")["outcome"]) == {"pcm", "death"}


def test_groups_are_compared_by_grays_test_where_events_compete() -> None:
    """Provenance: r_golden.json, entry mgus2_cuminc (cmprsk 2.2-11)."""
    rows = r_data("mgus2").select(
        pl.col("id").cast(pl.String).alias("participant_id"),
        pl.col("etime").cast(pl.Float64).alias("time"),
        pl.col("ev").cast(pl.Int64).alias("event"),
        pl.col("hgb").cast(pl.Float64),
        pl.col("sexM").cast(pl.String),
    )
    table = AnalysisTable(rows, "pcm", ("hgb",), groups=("sexM",), competing_name="death", time_unit="months")
    found = {row["outcome"]: row for row in rows_of(table).filter(analysis="gray", term="sexM").iter_rows(named=True)}
    r = r_values()["mgus2_cuminc"]["gray"]
    for cause, statistic, p in zip(("pcm", "death"), r["stat"], r["p"], strict=True):
        assert found[cause]["estimate"] == pytest.approx(statistic, rel=1e-9)
        assert found[cause]["p"] == pytest.approx(p, rel=1e-6)
