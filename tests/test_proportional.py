"""Tests of proportional hazards equal R's cox.zph, and the effect over time shows what the test finds."""

import numpy as np
import pytest
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.cox import fit_cox
from cinema_cli.analysis.statistics.proportional import proportional_hazards, scaled_schoenfeld, smooth_effect


@pytest.mark.parametrize(
    ("entry", "data", "time"),
    [
        *((f"lung_zph_{name}", "lung_cc", ("time", "event")) for name in ("km", "identity", "rank", "log")),
        *((f"veteran_zph_{name}", "veteran", ("time", "status")) for name in ("km", "rank", "log")),
        ("ovarian_zph", "ovarian", ("futime", "fustat")),
        ("rotterdam_zph_km", "rotterdam", ("dtime", "death")),
        ("mgus2_cox_agescale_zph", "mgus2", ("age_out", "death", "age_in")),
    ],
)
def test_equals_cox_zph(entry: str, data: str, time: tuple[str, ...]) -> None:
    table, golden = r_data(data), r_values()[entry]
    outcome, names = outcome_of(table, *time), golden["rows"][:-1]
    x = columns(table, *names)
    tests = proportional_hazards(fit_cox(outcome, x, names=names), outcome, x, transform=golden["transform"])
    assert list(tests) == golden["rows"]
    np.testing.assert_allclose([test.statistic for test in tests.values()], golden["chisq"], rtol=1e-8)
    np.testing.assert_allclose([test.df for test in tests.values()], golden["df"])
    np.testing.assert_allclose([test.p for test in tests.values()], golden["p"], rtol=1e-6)
