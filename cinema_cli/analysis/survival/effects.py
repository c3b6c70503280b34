"""Whether a hazard ratio holds: over time (proportional hazards) and over the values of a phenotype (splines)."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.cox import CoxFit, fit_cox, wald_test
from cinema_cli.analysis.statistics.limits import UNREADABLE, Z95, readable
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.statistics.proportional import proportional_hazards, scaled_schoenfeld, smooth_effect
from cinema_cli.analysis.statistics.splines import harrell_knots, restricted_cubic
from cinema_cli.analysis.survival.models import ModelData, Place
from cinema_cli.domain.errors import NotEstimableError

KNOTS = (4, 3)  # as many as the values allow
ENOUGH_VALUES = 20  # different values of a phenotype that a spline may bend over
SHOWN_FROM, POINTS = 0.025, 60  # quantile of its values (and 1 less it) at which a curve ends
PEOPLE_BEYOND = 10  # beyond the ends of a curve at least: it shows nobody's smallest or largest value


def proportional_rows(place: Place, fit: CoxFit, data: ModelData) -> Iterator[Estimate]:
    """The exact test of each term and of all together, time on the scale of Kaplan-Meier."""
    row = Estimate("proportional_hazards", place.outcome, place.model, n=fit.n, events=fit.n_events)
    try:
        tests = proportional_hazards(
            fit, data.outcome, data.design.x, weights=data.weights, strata=data.strata, terms=data.design.terms
        )
    except NotEstimableError as error:
        yield place.cannot(error)
        return
    for term, test in tests.items():
        group = "" if term == place.group else place.group
        yield replace(row, term=term, group=group, level=str(test.df), estimate=test.statistic, p=test.p)


def effect_rows(place: Place, fit: CoxFit, data: ModelData) -> Iterator[Estimate]:
    """The log hazard ratio of the phenotype over time."""
    try:
        residuals = scaled_schoenfeld(fit, data.outcome, data.design.x, weights=data.weights, strata=data.strata)
        curve = smooth_effect(residuals, data.design.names.index(place.group))
    except NotEstimableError:  # the test of the same model says so
        return
    row = Estimate("schoenfeld", place.outcome, place.model, place.group, n=fit.n, events=fit.n_events)
    for k, time in enumerate(curve.times):
        yield replace(
            row,
            level=repr(float(time)),
            estimate=float(curve.effect[k]),
            lower=float(curve.lower[k]),
            upper=float(curve.upper[k]),
        )


def spline_rows(place: Place, data: ModelData, phenotype: str) -> Iterator[Estimate]:
    """The hazard ratio over the values of a phenotype, against its median, and whether it bends."""
    at = data.design.names.index(phenotype)
    scaled, scale = data.design.x[:, at], data.design.scales[at]
    if len(np.unique(scaled)) < ENOUGH_VALUES:
        return
    row = Estimate("spline", place.outcome, place.model, phenotype, n=data.outcome.n, events=data.outcome.n_events)
    try:
        knots = _knots(scaled, phenotype)
        basis = restricted_cubic(scaled, knots)
        fit = _with_basis(data, at, basis)
    except NotEstimableError as error:
        yield replace(place.cannot(error), model=f"{place.model} spline")
        return
    bends = wald_test(fit, range(1, basis.shape[1]))
    yield replace(row, analysis="nonlinearity", level=str(bends.df), estimate=bends.statistic, p=bends.p)
    low, high = inner_range(scaled, SHOWN_FROM)
    if not low < high:
        return
    shown = np.linspace(low, high, POINTS)
    shift = restricted_cubic(shown, knots) - restricted_cubic(np.array([np.median(scaled)]), knots)
    own = slice(0, basis.shape[1])
    log_ratio = shift @ fit.coef[own]
    se = np.sqrt(np.einsum("ij,jk,ik->i", shift, fit.variance[own, own], shift))
    with np.errstate(over="ignore"):
        curves = np.exp([log_ratio, log_ratio - Z95 * se, log_ratio + Z95 * se])
    if not readable(curves):
        yield replace(place.cannot(NotEstimableError(f"{phenotype}: {UNREADABLE}")), model=f"{place.model} spline")
        return
    for value, spread, ratios in zip(shown * scale, se, curves.T.tolist(), strict=True):
        estimate, lower, upper = ratios
        yield replace(row, level=repr(float(value)), estimate=estimate, lower=lower, upper=upper, se=float(spread))


def inner_range(values: Floats, share: float) -> tuple[float, float]:
    """Quantiles of values (n,) at `share` from both ends, or where PEOPLE_BEYOND are beyond; empty with few values."""
    share = max(share, PEOPLE_BEYOND / len(values))
    if share > 0.25:
        return np.inf, -np.inf
    low, high = np.quantile(values, [share, 1.0 - share])
    return float(low), float(high)


def _knots(values: Floats, name: str) -> Floats:
    more, fewer = KNOTS
    try:
        return harrell_knots(values, more, name=name)
    except NotEstimableError:
        return harrell_knots(values, fewer, name=name)


def _with_basis(data: ModelData, at: int, basis: Floats) -> CoxFit:
    """The model with the phenotype's column replaced by those of its spline, which come first."""
    others = np.delete(data.design.x, at, axis=1)
    names = [f"{data.design.names[at]} spline {k + 1}" for k in range(basis.shape[1])]
    names += [name for k, name in enumerate(data.design.names) if k != at]
    return fit_cox(
        data.outcome,
        np.column_stack([basis, others]),
        names=names,
        weights=data.weights,
        strata=data.strata,
        cluster=data.cluster,
    )
