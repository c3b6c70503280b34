"""What is true of Cox regression whatever the data: units, order, copies of rows, late entry; and its definition."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.analysis.statistics.baseline import Baseline, baseline_hazard, predicted_survival, survival_at
from cinema_cli.analysis.statistics.cox import CoxFit, fit_cox
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome
from cinema_cli.analysis.statistics.risk_sets import Ties

NAMES = ("a", "b", "c")
SAME = {"rtol": 1e-8, "atol": 1e-9}


@dataclass(frozen=True, eq=False)
class Data:
    """A made cohort with ties, late entry, strata and weights."""

    outcome: Outcome
    x: Floats
    weights: Floats
    strata: Ints

    def take(self, rows: Ints) -> "Data":
        return Data(self.outcome.take(rows), self.x[rows], self.weights[rows], self.strata[rows])

    def fit(self, **options: Any) -> CoxFit:
        return fit_cox(self.outcome, self.x, names=NAMES, weights=self.weights, strata=self.strata, **options)

    def baseline(self, **options: Any) -> Baseline:
        return baseline_hazard(self.fit(**options), self.outcome, self.x, weights=self.weights, strata=self.strata)


@st.composite
def cohorts(draw: st.DrawFn) -> Data:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, n_times = draw(st.integers(80, 150)), draw(st.sampled_from([8, 40, 10_000]))
    x = np.column_stack([rng.normal(size=(n, 2)), rng.integers(0, 2, n)])
    entry = rng.uniform(0, 1.5, n) if draw(st.booleans()) else None
    time = rng.exponential(np.exp(-0.3 * x.sum(axis=1))) + (0 if entry is None else entry)
    step = 5 / n_times
    if entry is not None:
        entry = np.floor(entry / step) * step
    event = (rng.random(n) < 0.7).astype(np.int64)
    outcome = Outcome((np.floor(time / step) + 1) * step, event, entry)
    weights = rng.integers(1, 4, n).astype(float) if draw(st.booleans()) else np.ones(n)
    strata = rng.integers(3, 3 + draw(st.integers(1, 3)), n)
    return Data(outcome, x, weights, strata)


laws = settings(max_examples=25, deadline=None, derandomize=True)
both_ties = pytest.mark.parametrize("ties", ["efron", "breslow"])


def is_same(one: CoxFit, other: CoxFit) -> None:
    for name in ("coef", "variance", "naive_variance", "loglik", "loglik_null", "score_test"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), **SAME, err_msg=name)


def defined(data: Data, coef: Floats, ties: Ties) -> float:
    """The log partial likelihood, written down from its definition."""
    out, total = data.outcome, 0.0
    entry = np.zeros(out.n) if out.entry is None else out.entry
    risk = data.weights * np.exp(data.x @ coef)
    for stratum in np.unique(data.strata):
        for time in np.unique(out.time[(out.event == EVENT) & (data.strata == stratum)]):
            at_risk = (data.strata == stratum) & (entry < time) & (out.time >= time)
            died = at_risk & (out.time == time) & (out.event == EVENT)
            d, weight = died.sum(), data.weights[died].sum()
            total += data.weights[died] @ (data.x[died] @ coef)
            for j in range(d):
                less = j / d * risk[died].sum() if ties == "efron" else 0.0
                total -= weight / d * np.log(risk[at_risk].sum() - less)
    return total


@both_ties
@laws
@given(data=cohorts())
def test_it_is_the_maximum_of_what_is_defined(ties: Ties, data: Data) -> None:
    fit, zero = data.fit(ties=ties), np.zeros(3)
    np.testing.assert_allclose(fit.loglik_null, defined(data, zero, ties), rtol=1e-10)
    np.testing.assert_allclose(fit.loglik, defined(data, fit.coef, ties), rtol=1e-10)
    for j, se in enumerate(np.sqrt(np.diag(fit.naive_variance))):
        aside = np.eye(3)[j] * 0.05 * se
        down = [defined(data, fit.coef + way * aside, ties) - fit.loglik for way in (1, -1)]
        curvature = -sum(down) / (0.05 * se) ** 2
        information = np.linalg.inv(fit.naive_variance)[j, j]
        assert max(down) < 0
        np.testing.assert_allclose(curvature, information, rtol=1e-2)


@both_ties
@laws
@given(data=cohorts(), unit=st.sampled_from([1 / 365.25, 0.5, 12.0]), by=st.sampled_from([1e-6, 1e3]))
def test_units_do_not_matter(ties: Ties, data: Data, unit: float, by: float) -> None:
    fit, out = data.fit(ties=ties, robust=True), data.outcome
    other_time = Outcome(out.time * unit, out.event, None if out.entry is None else out.entry * unit)
    is_same(fit, replace(data, outcome=other_time).fit(ties=ties, robust=True))
    scaled = replace(data, x=data.x * by + 5).fit(ties=ties, robust=True)
    np.testing.assert_allclose(scaled.coef * by, fit.coef, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(scaled.se * by, fit.se, rtol=1e-6)
    np.testing.assert_allclose(scaled.p, fit.p, rtol=1e-5, atol=1e-12)


@both_ties
@laws
@given(data=cohorts(), seed=st.integers(0, 100))
def test_the_order_of_rows_and_the_names_of_strata_do_not_matter(ties: Ties, data: Data, seed: int) -> None:
    rows = np.random.default_rng(seed).permutation(data.outcome.n)
    other = replace(data.take(rows), strata=-7 * data.strata[rows])
    is_same(data.fit(ties=ties, robust=True), other.fit(ties=ties, robust=True))


@laws
@given(data=cohorts())
def test_a_weight_of_two_is_a_copy(data: Data) -> None:
    """Breslow's ties only: Efron's correction knows how many rows tie."""
    rows = np.repeat(np.arange(data.outcome.n), data.weights.astype(int))
    copies = replace(data.take(rows), weights=np.ones(len(rows)))
    is_same(data.fit(ties="breslow"), copies.fit(ties="breslow"))


@laws
@given(data=cohorts())
def test_entry_at_zero_is_no_entry(data: Data) -> None:
    there = replace(data, outcome=Outcome(data.outcome.time, data.outcome.event))
    entered = replace(data, outcome=Outcome(data.outcome.time, data.outcome.event, np.zeros(data.outcome.n)))
    is_same(there.fit(robust=True), entered.fit(robust=True))


@both_ties
@laws
@given(data=cohorts(), at=st.floats(0.1, 0.9))
def test_a_row_cut_in_two_is_the_same_person(ties: Ties, data: Data, at: float) -> None:
    """Late entry in coefficients, in clustered variances and in the baseline."""
    out, n = data.outcome, data.outcome.n
    entry = np.zeros(n) if out.entry is None else out.entry
    cut = entry + at * (out.time - entry)
    halves = data.take(np.tile(np.arange(n), 2))
    twice = Outcome(
        np.concatenate([cut, out.time]), np.concatenate([0 * out.event, out.event]), np.concatenate([entry, cut])
    )
    halves, people = replace(halves, outcome=twice), np.arange(n)
    is_same(data.fit(ties=ties, cluster=people), halves.fit(ties=ties, cluster=np.tile(people, 2)))
    whole, cut_in_two = data.baseline(ties=ties), halves.baseline(ties=ties)
    for name in ("times", "stratum"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut_in_two, name))
    at_zero = [  # the two are centred elsewhere
        baseline.cumulative_hazard * np.exp(-fit.means @ fit.coef)
        for baseline, fit in ((whole, data.fit(ties=ties)), (cut_in_two, halves.fit(ties=ties)))
    ]
    np.testing.assert_allclose(*at_zero, **SAME)


@both_ties
@laws
@given(data=cohorts())
def test_a_cluster_each_is_robust(ties: Ties, data: Data) -> None:
    people = np.random.default_rng(1).permutation(data.outcome.n)
    robust, clustered = data.fit(ties=ties, robust=True), data.fit(ties=ties, cluster=people)
    is_same(robust, clustered)
    np.testing.assert_allclose(robust.robust_score_test, clustered.robust_score_test, rtol=1e-8)


@laws
@given(data=cohorts())
def test_where_it_starts_does_not_matter(data: Data) -> None:
    fit = data.fit()
    warm = data.fit(start=fit.coef + 0.1)
    np.testing.assert_allclose(warm.coef, fit.coef, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(warm.loglik, fit.loglik, rtol=1e-8)
    assert warm.loglik_null == fit.loglik_null
    assert data.fit(start=fit.coef).iterations == 1


@laws
@given(data=cohorts())
def test_as_many_events_are_expected_as_were_seen(data: Data) -> None:
    """By stratum: cumulative hazards of all people over the time they were at risk (Breslow's estimator)."""
    fit, baseline, out = data.fit(ties="breslow"), data.baseline(ties="breslow"), data.outcome

    def hazard(times: Floats) -> Floats:
        pairs = zip(data.x, times, data.strata, strict=True)
        return -np.log(
            [predicted_survival(fit, baseline, x[None], np.array([t]), strata=np.array([s]))[0, 0] for x, t, s in pairs]
        )

    expected = hazard(out.time) - (0 if out.entry is None else hazard(out.entry))
    for stratum in np.unique(data.strata):
        own = data.strata == stratum
        np.testing.assert_allclose(
            data.weights[own] @ expected[own], data.weights[own & (out.event == EVENT)].sum(), rtol=1e-8
        )


@laws
@given(data=cohorts())
def test_survival_falls_from_one_and_more_for_those_at_more_risk(data: Data) -> None:
    fit, baseline = data.fit(), data.baseline()
    times = np.array([-1.0, *np.quantile(data.outcome.time, [0.1, 0.5, 0.9]), 1e9])
    survival, se = survival_at(fit, baseline, data.x, times, strata=data.strata)
    assert np.all(survival[:, 0] == 1) and np.all(se[:, 0] == 0)
    assert np.all(np.diff(survival, axis=1) <= 0) and np.all((survival > 0) & (se >= 0))
    own = data.strata == data.strata[0]
    order = np.argsort(data.x[own] @ fit.coef)
    assert np.all(np.diff(survival[own][order, 2]) <= 1e-12)


@laws
@given(data=cohorts())
def test_strata_that_share_nothing_add_up(data: Data) -> None:
    """A stratum without events says nothing; the null likelihood is the sum of those of the strata."""
    empty = data.take(np.arange(10))
    empty = replace(empty, outcome=Outcome(empty.outcome.time, np.zeros(10, np.int64), empty.outcome.entry))
    both = Data(
        Outcome(
            *(
                np.concatenate([a, b])
                for a, b in (
                    (data.outcome.time, empty.outcome.time),
                    (data.outcome.event, empty.outcome.event),
                )
            ),
            None if data.outcome.entry is None else np.concatenate([data.outcome.entry, empty.outcome.entry]),
        ),
        np.concatenate([data.x, empty.x]),
        np.concatenate([data.weights, empty.weights]),
        np.concatenate([data.strata, np.full(10, 99)]),
    )
    is_same(data.fit(), both.fit())
    parts = [data.take(np.flatnonzero(data.strata == s)).fit().loglik_null for s in np.unique(data.strata)]
    np.testing.assert_allclose(sum(parts), data.fit().loglik_null, rtol=1e-10)
