"""Weights, strata, clusters and late entry at once, as R's coxph, survfit and cox.zph have them."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from statistics_golden import columns, outcome_of, r_data

from cinema_cli.analysis.statistics.baseline import baseline_hazard, survival_at
from cinema_cli.analysis.statistics.cox import fit_cox
from cinema_cli.analysis.statistics.outcome import Outcome
from cinema_cli.analysis.statistics.proportional import Transform, proportional_hazards, scaled_schoenfeld
from cinema_cli.analysis.statistics.risk_sets import Ties

R = {"rtol": 1e-8}
VALUES = Path(__file__).parent / "golden" / "r_cox_weighted.json"  # R 4.2.2, survival 3.5-3: the .R file beside it


@pytest.mark.parametrize("ties", get_args(Ties))
def test_all_at_once(ties: Ties) -> None:
    golden: dict[str, Any] = json.loads(VALUES.read_text())[ties]
    table, names = r_data("bladder_ag"), ("number", "size")
    outcome, x = outcome_of(table, "stop", "status", "start"), columns(table, *names)
    people, strata = (table[name].to_numpy().astype(np.int64) for name in ("id", "rx"))
    given = {"weights": 1 + (people % 3) / 2, "strata": strata}
    fit = fit_cox(outcome, x, names=names, cluster=people, ties=ties, **given)
    np.testing.assert_allclose(fit.coef, golden["coef"], **R)
    np.testing.assert_allclose(fit.se, golden["se"], **R)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.naive_variance)), golden["naive_se"], **R)
    np.testing.assert_allclose([fit.loglik_null, fit.loglik], golden["loglik"], **R)
    np.testing.assert_allclose([fit.score_test, fit.robust_score_test], golden["score"] + golden["robscore"], **R)
    np.testing.assert_allclose(fit.means, golden["means"], **R)
    from_zero = fit_cox(Outcome(outcome.time, outcome.event), x, names=names, weights=given["weights"])
    np.testing.assert_allclose(from_zero.means, golden["means_without_entry"], **R)
    two = np.repeat([[1.0, 3.0], [4.0, 1.0]], 3, axis=0)  # each in the three strata
    baseline = baseline_hazard(fit, outcome, x, **given)
    survival, se = survival_at(fit, baseline, two, np.array([6.0, 24.0]), strata=np.tile(np.unique(strata), 2))
    np.testing.assert_allclose(survival.ravel(), golden["surv"], **R)
    np.testing.assert_allclose(se.ravel(), golden["surv_se"], **R)
    for transform in get_args(Transform):
        tests = proportional_hazards(fit, outcome, x, transform=transform, **given)
        np.testing.assert_allclose([test.statistic for test in tests.values()], golden[f"zph_{transform}"], **R)
    residuals = scaled_schoenfeld(fit, outcome, x, **given)
    np.testing.assert_allclose(np.sum(residuals.residuals**2, axis=0), golden["residual_squares"], **R)
    np.testing.assert_allclose(residuals.variance, golden["residual_variance"], **R)
