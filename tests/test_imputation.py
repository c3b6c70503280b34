"""Multiple imputation: Rubin's rules against R's mice (golden/statistics/r_golden3.json), and what filling in keeps."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.cox import fit_cox
from cinema_cli.analysis.statistics.imputation import Covariate, impute
from cinema_cli.analysis.statistics.outcome import Floats, Outcome
from cinema_cli.analysis.statistics.pooling import pool
from cinema_cli.domain.errors import NotEstimableError

R = r_values("r_golden3")
LAWS = settings(max_examples=30, deadline=None, derandomize=True)


def test_five_imputations_of_pbc_pooled_as_mice() -> None:  # r_golden3 rubin, data/pbc_mi5_long.csv
    entry, long = R["rubin"], r_data("pbc_mi5_long")
    fits = [
        fit_cox(outcome_of(table, "time", "event01"), columns(table, *entry["term"]), names=entry["term"])
        for _, table in sorted(long.group_by(".imp"), key=lambda part: part[0])
    ]
    found = pool(
        np.array([fit.coef for fit in fits]),
        np.array([fit.se**2 for fit in fits]),
        df_complete=fits[0].n_events - len(entry["term"]),
    )
    assert len(fits) == 5
    assert fits[0].n_events - len(entry["term"]) == entry["dfcom"]
    for ours, theirs in (
        (found.estimate, "est"), (found.se, "se"), (found.df, "df"), (found.lower, "lo"), (found.upper, "hi"),
        (found.within, "ubar"), (found.variance, "t"), (found.fmi, "fmi"),
    ):  # fmt: skip
        assert_allclose(ours, entry[theirs], rtol=1e-8, err_msg=theirs)
    assert_allclose(found.between, entry["b"], rtol=1e-6)  # differences of coefficients that agree to 1e-10
    assert_allclose(found.p, entry["p"], rtol=1e-6)
