"""The whole command on simulated rows: R reads the tables and finds the same coefficients, and they hold the truth."""

import json
import math
import subprocess
from pathlib import Path

import polars as pl
import pytest

from cinema_cli.commands.app import run

# What README shows is the first two lines. A hazard ratio per SD is back on the scale of the column by its SD, as
# printed in the unit; here it is taken from the table, to all digits.
R = r"""
library(survival)
d <- read.csv("individual/analysis_table.csv")
e <- read.csv("estimates.csv")
stopifnot(nrow(d) > 1900, is.character(d$participant_id), is.numeric(d$time), all(d$event %in% c(0, 1)))
for (phenotype in c("lvef_pct", "lvmi_g_m2")) {
  rows <- d[complete.cases(d[, c(phenotype, "age_years", "sex", "smoker")]), ]
  rows$per_sd <- rows[[phenotype]] / sd(rows[[phenotype]])
  rows$sex <- relevel(factor(rows$sex), ref = names(which.max(table(rows$sex))))
  rows$smoker <- relevel(factor(rows$smoker), ref = names(which.max(table(rows$smoker))))
  fit <- coxph(Surv(ENTRY time, event == 1) ~ per_sd + age_years + sex + smoker, rows)
  ours <- e[e$analysis == "cox" & e$model == "adjusted" & (e$term == phenotype | e$group == phenotype), ]
  term <- names(coef(fit))
  at <- match(term, ifelse(ours$term == phenotype, "per_sd", sub("=", "", ours$term)))
  stopifnot(!anyNA(at), nrow(ours) == length(term), ours$n[at][1] == nrow(rows), ours$events[at][1] == sum(rows$event))
  se <- sqrt(diag(vcov(fit)))
  cat(sprintf("%s %s %.17g %.17g %.17g %.17g\n", phenotype, term,
              coef(fit), log(ours$estimate[at]), se, ours$se[at]), sep = "")
  z <- qnorm(0.975)
  stopifnot(isTRUE(all.equal(log(ours$lower[at]), unname(coef(fit) - z * se), tolerance = 1e-6)),
            isTRUE(all.equal(ours$p[at], unname(2 * pnorm(-abs(coef(fit) / se))), tolerance = 1e-6)))
}
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    assert run(["simulate", str(folder), "--rows", "2000", "--seed", "11", "-q"]) == 0
    return folder


def _analyse(rows: Path, out: Path, *times: str) -> Path:
    asked = ["survival", str(rows / "phenotypes.parquet"), "--outcomes", str(rows / "outcomes.csv"), *times]
    asked += ["--phenotypes", "lvef_pct,lvmi_g_m2", "--covariates", "age_years,sex,smoker", "--bootstrap", "0"]
    assert run([*asked, "--no-suppress", "-o", str(out), "-q"]) == 0
    return out


@pytest.fixture(scope="module")
def durations(rows: Path) -> Path:
    return _analyse(rows, rows / "durations", "--time", "time_years")


@pytest.fixture(scope="module")
def ages(rows: Path) -> Path:
    return _analyse(rows, rows / "ages", "--time", "age_out", "--entry", "age_in")


@pytest.mark.parametrize(("folder", "entry"), [("durations", ""), ("ages", "entry,")])
def test_r_finds_the_coefficients_of_the_estimates(folder: str, entry: str, request: pytest.FixtureRequest) -> None:
    """Right-censored, and with delayed entry on the scale of age."""
    out = request.getfixturevalue(folder)
    done = subprocess.run(
        ["Rscript", "-e", R.replace("ENTRY", entry)], cwd=out, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [line.split() for line in done.stdout.splitlines()]
    assert len(found) == 2 * 5
    for phenotype, term, theirs, ours, their_se, our_se in found:
        assert math.isclose(float(ours), float(theirs), rel_tol=1e-6, abs_tol=1e-6), (phenotype, term)
        assert math.isclose(float(our_se), float(their_se), rel_tol=1e-6), (phenotype, term)


def test_hazard_ratios_hold_the_simulated_truth(rows: Path, durations: Path) -> None:
    """Of the model with both phenotypes that act, within 3.5 standard errors; smoking does not act."""
    truth = json.loads((rows / "truth.json").read_text())
    stated = truth["log_hazard_ratio_per_unit"]
    table = pl.read_parquet(durations / "estimates.parquet")
    known = pl.read_parquet(durations / "individual" / "analysis_table.parquet").drop_nulls()
    model = table.filter(pl.col("analysis") == "cox", pl.col("model") == "clinical_cmr")
    assert set(model["term"]) >= {"lvef_pct", "lvmi_g_m2", "age_years", "smoker=current"}
    for term, estimate, se in model.select("term", "estimate", "se").iter_rows():
        name, sign = ("sex=M", -1.0) if term == "sex=F" else (term, 1.0)
        per = known[term].std() if term in ("lvef_pct", "lvmi_g_m2") else 1.0
        assert abs(math.log(estimate) - sign * stated.get(name, 0.0) * per) < 3.5 * se, term
    apparent = table.filter(
        pl.col("analysis") == "concordance", pl.col("model") == "clinical_cmr", pl.col("level") == "apparent"
    )
    (c,), (error,) = apparent["estimate"], apparent["se"]
    assert abs(c - truth["concordance_of_the_true_score"]) < 3.5 * error
