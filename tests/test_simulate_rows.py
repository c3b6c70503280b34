"""A simulated cohort of rows: its tables agree with each other and with the hazard that truth.json states."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cinema_cli.commands.app import run
from cinema_cli.domain.errors import ExitCode, UsageError
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.phantom import hazard
from cinema_cli.phantom.rows import COLUMNS, FILES, sample_rows, simulate_rows

N = 20_000
Made = tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]


@pytest.fixture(scope="module")
def made() -> Made:
    return sample_rows(N, seed=3)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_the_command_writes_tables_that_read_back(tmp_path: Path) -> None:
    assert run(["simulate", str(tmp_path / "a"), "--rows", "300", "--seed", "4", "--quiet"]) == ExitCode.DONE
    phenotypes = pl.read_parquet(tmp_path / "a" / "phenotypes.parquet")
    assert phenotypes.equals(pl.read_csv(tmp_path / "a" / "phenotypes.csv", schema=phenotypes.schema))
    outcomes = pl.read_csv(tmp_path / "a" / "outcomes.csv", try_parse_dates=True)
    assert outcomes["participant_id"].to_list() == phenotypes["participant_id"].to_list()
    assert outcomes["participant_id"].n_unique() == 300
    truth = json.loads((tmp_path / "a" / "truth.json").read_text())
    assert (truth["rows"], truth["seed"]) == (300, 4)
    assert not (tmp_path / "a" / "simulate.json").exists()


def test_a_seed_gives_the_same_bytes_and_another_one_other_people(tmp_path: Path) -> None:
    assert simulate_rows(tmp_path / "a", n=200, seed=1)
    assert not simulate_rows(tmp_path / "a", n=200, seed=1)  # nothing to do
    before = _bytes(tmp_path / "a")
    simulate_rows(tmp_path / "b", n=200, seed=1)
    simulate_rows(tmp_path / "c", n=200, seed=2)
    assert before == _bytes(tmp_path / "b")
    assert all(before[name] != other for name, other in _bytes(tmp_path / "c").items())


def test_tables_of_others_are_replaced_only_by_force(tmp_path: Path) -> None:
    (tmp_path / "outcomes.csv").write_text("a thesis")
    with pytest.raises(UsageError, match=r"outcomes\.csv"):
        simulate_rows(tmp_path, n=50, seed=1)
    assert (tmp_path / "outcomes.csv").read_text() == "a thesis"
    assert simulate_rows(tmp_path, n=50, seed=1, force=True)
    with pytest.raises(UsageError):
        simulate_rows(tmp_path, n=51, seed=1)


def test_options_of_images_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", str(tmp_path / "a"), "--rows", "50", "--labels"]) == ExitCode.USAGE
    assert "--labels" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_phenotypes_are_ours_and_fit_each_other(made: Made) -> None:
    table = made[0]
    assert len(COLUMNS) == 20 and set(COLUMNS) <= {p.name for p in PHENOTYPES}
    assert table.columns[-20:] == list(COLUMNS)

    def whole(name: str) -> pl.Series:
        return table[name].drop_nulls()

    for side in ("lv", "rv"):
        ed, es, sv, ef = (table[f"{side}{name}"] for name in ("edv_ml", "esv_ml", "sv_ml", "ef_pct"))
        assert (ed - es - sv).abs().max() < 2e-4 and (100 * sv / ed - ef).abs().max() < 2e-3
    bsa = (table["height_cm"] * table["weight_kg"] / 3600).sqrt()
    assert (bsa - table["bsa_m2"]).abs().max() < 1e-4
    assert (table["lvm_g"] / bsa - table["lvmi_g_m2"]).abs().max() < 1e-2
    assert all(whole(name).min() > 0 for name in COLUMNS)
    missing = {name: table[name].null_count() / N for name in table.columns}
    assert missing["participant_id"] == missing["lvef_pct"] == 0.0
    assert 0.01 < missing["rvef_pct"] < 0.03 and 0.0 < missing["lvmi_g_m2"] < 0.02
    correlation = table.drop_nulls().select(pl.corr("lvedv_ml", "lvm_g"), a=pl.corr("lvef_pct", "lvesv_ml")).row(0)
    assert correlation[0] > 0.2 and correlation[1] < -0.5


def test_durations_ages_and_dates_say_the_same(made: Made) -> None:
    rows = made[1]
    assert (rows["event"] == (rows["event_any"] == 1)).all() and set(rows["event_any"]) == {0, 1, 2}
    assert (rows["age_out"] - rows["age_in"] - rows["time_years"]).abs().max() < 1e-6
    days = (rows["date_out"] - rows["date_in"]).dt.total_days()
    assert days.min() >= 1 and (days / 365.25 - rows["time_years"]).abs().max() < 0.004
    assert rows["time_years"].min() > 0.0 and rows["time_years"].max() <= 10.0


def test_events_follow_the_stated_hazard(made: Made) -> None:
    """The score of the stated Weibull hazard's likelihood is zero at the stated log hazard ratios, within noise."""
    phenotypes, rows, truth = made
    table = rows.with_columns(phenotypes.select("lvef_pct", "lvmi_g_m2")).drop_nulls("lvmi_g_m2")
    stated = truth["log_hazard_ratio_per_unit"]
    x = table.select(
        pl.col("age_years") - 60, pl.col("sex") == "M", pl.col("lvef_pct") - 60, pl.col("lvmi_g_m2") - 65
    ).to_numpy().astype(float)  # fmt: skip
    risk = x @ [stated[name] for name in ("age_years", "sex=M", "lvef_pct", "lvmi_g_m2")]
    expected = (table["time_years"].to_numpy() / hazard.WEIBULL_SCALE_YEARS) ** hazard.WEIBULL_SHAPE * np.exp(risk)
    residual = table["event"].to_numpy() - expected
    score = np.column_stack([np.ones(len(x)), x]).T @ residual
    spread = np.sqrt((np.column_stack([np.ones(len(x)), x]) ** 2).T @ expected)
    assert np.abs(score / spread).max() < 3.5
    noise = np.random.default_rng(0).normal(size=len(x))
    assert abs(noise @ residual) / np.sqrt(noise**2 @ expected) < 3.5
    assert np.abs((x[:, 2] @ (table["event"].to_numpy() - expected * np.exp(0.01 * x[:, 2]))) / spread[3]) > 5


def test_concordance_of_the_truth_is_that_of_its_score(made: Made) -> None:
    """Harrell's C counted pair by pair among 3,000 people; its own noise is about 0.008."""
    phenotypes, rows, truth = made
    table = rows.with_columns(phenotypes.select("lvef_pct", "lvmi_g_m2")).drop_nulls("lvmi_g_m2")[:3000]
    risk = hazard.log_hazard(
        age_years=table["age_years"].to_numpy(),
        male=(table["sex"] == "M").to_numpy().astype(float),
        lvef_pct=table["lvef_pct"].to_numpy(),
        lvmi_g_m2=table["lvmi_g_m2"].to_numpy(),
    )
    time, event = table["time_years"].to_numpy(), table["event"].to_numpy()
    usable = (time[:, None] < time[None, :]) & (event[:, None] == 1)
    counted = (usable & (risk[:, None] > risk[None, :])).sum() / usable.sum()
    assert truth["concordance_of_the_true_score"] == pytest.approx(counted, abs=0.025)
    assert truth["concordance_error"] < 0.001
