"""`cinema survival` on every data set that R was given, from the command line: hazard ratios are R's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from statistics_golden import STATISTICS, r_data, r_values

from cinema_cli.commands.app import run


@dataclass(frozen=True)
class Case:
    """A call, and the model of R's (entry of r_golden.json) that its adjusted model is."""

    data: str
    entry: str
    words: str


LUNG = "--time time --event event --time-unit days --phenotypes age --covariates"
MGUS2_BY_AGE = "--time age_out --entry age_in --event death --phenotypes hgb --covariates"
CASES = (
    Case("lung_cc", "lung_cox_efron", f"{LUNG} sex,ph.ecog,wt.loss"),
    Case("lung_cc", "lung_cox_strata_sex", f"{LUNG} ph.ecog,wt.loss --strata sex"),
    Case("lung_cc_inst", "lung_cox_cluster_inst", f"{LUNG} sex,ph.ecog,wt.loss --cluster inst"),
    Case("lung_cc_w", "lung_cox_weighted", f"{LUNG} sex,ph.ecog,wt.loss --weights wts"),
    Case(
        "veteran",
        "veteran_cox",
        "--time time --event status --time-unit days --phenotypes karno "
        "--covariates trt2,diagtime,age,prior01,smallcell,adeno,large",
    ),
    Case(
        "ovarian",
        "ovarian_cox",
        "--time futime --event fustat --time-unit days --phenotypes age --covariates rx,ecog.ps",
    ),
    Case(
        "pbc312",
        "pbc_cox_death",
        "--time time --event event01 --time-unit days --phenotypes lbili --covariates age,sexf,albumin,edema",
    ),
    Case(
        "mgus2",
        "mgus2_csh_pcm",
        "--time etime --event ev --competing 2 --time-unit months --phenotypes hgb --covariates age,sexM,mspike",
    ),
    Case("mgus2", "mgus2_cox_agescale", f"{MGUS2_BY_AGE} sexM,mspike"),
    Case("mgus2", "mgus2_cox_agescale_strat", f"{MGUS2_BY_AGE} mspike --strata sexM"),
    Case(
        "heart",
        "heart_startstop",
        "--time stop --entry start --event event --time-unit days --phenotypes age --covariates year,surgery,tx",
    ),
    Case(
        "bladder_ag",
        "bladder_ag_cluster",
        "--time stop --entry start --event status --time-unit months --cluster id "
        "--phenotypes number --covariates rx,size",
    ),
    Case(
        "rotterdam",
        "rotterdam_cox",
        "--id-column pid --time dtime --event death --time-unit days --phenotypes nodes "
        "--covariates age,meno,size2,size3,grade3,pgr,er,hormon,chemo",
    ),
)


def with_ids(data: str, folder: Path) -> Path:
    """The data as a file, people numbered where they have no id (rows of heart are intervals of theirs)."""
    table = r_data(data)
    if not {"id", "pid"} & set(table.columns):
        table = table.with_row_index("id", offset=1)
    path = folder / f"{data}.csv"
    table.write_csv(path)
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.entry)
def test_hazard_ratios_are_those_of_r(case: Case, tmp_path: Path) -> None:
    """Provenance: golden/statistics/r_golden.json, tolerance of its README (coefficients and SE 1e-8, p 1e-6)."""
    source = with_ids(case.data, tmp_path)
    words = case.words.split()
    options = (*words, "--per", "unit", "--bootstrap", "0", "--no-suppress", "-q")
    assert run(["survival", str(source), "-o", str(tmp_path / "out"), *options]) == 0
    rows = pl.read_csv(tmp_path / "out" / "estimates.csv", infer_schema_length=None)
    phenotype = words[words.index("--phenotypes") + 1]
    own = (pl.col("term") == phenotype) & (pl.col("group").fill_null("") == "")
    model = rows.filter(own | (pl.col("group") == phenotype), analysis="cox", model="adjusted")
    found = {row["term"]: row for row in model.iter_rows(named=True)}
    r = r_values()[case.entry]
    assert set(found) == set(r["terms"])
    for k, term in enumerate(r["terms"]):
        row = found[term]
        assert np.log(row["estimate"]) == pytest.approx(r["coef"][k], rel=1e-8, abs=1e-10)
        assert row["se"] == pytest.approx(r["se"][k], rel=1e-8)
        assert row["p"] == pytest.approx(r["p"][k], rel=1e-6, abs=1e-300)
        assert (row["lower"], row["upper"]) == pytest.approx((r["lo95"][k], r["hi95"][k]), rel=1e-7)
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


def test_separated_data_say_so_instead_of_a_number(tmp_path: Path) -> None:
    """R's coxph warns of an infinite coefficient in these data (entry separation_cox)."""
    source = with_ids("separation", tmp_path)
    options = ("--time", "t", "--event", "e", "--phenotypes", "x,z", "--no-suppress", "--bootstrap", "0", "-q")
    assert run(["survival", str(source), "-o", str(tmp_path / "out"), *options]) == 0
    rows = pl.read_csv(tmp_path / "out" / "estimates.csv", infer_schema_length=None)
    assert rows.filter(analysis="cox", model="unadjusted")["term"].to_list() == ["z"]
    (said,) = rows.filter(pl.col("analysis") == "not_estimable", pl.col("term") == "x")["level"].to_list()
    assert "not estimable" in said


def test_every_data_set_of_r_has_its_case() -> None:
    """What is not analysed here holds predictions, imputations or classes, which other tests read."""
    others = {
        "binary_5y",
        "lung",
        "lung_cc_lp",
        "pbc_mi5_long",
        "rotterdam_lp",
        "rotterdam_test",
        "rotterdam_test_pred",
    }
    others |= {"rotterdam_train", "rotterdam_train_y", "separation"}
    assert {path.stem for path in (STATISTICS / "data").glob("*.csv")} == {case.data for case in CASES} | others
