"""Whether predicted risks at a horizon are as large as the risks observed: overall, by tenths, as a smooth curve."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.baseline import baseline_hazard, survival_at
from cinema_cli.analysis.statistics.comparison import Figure
from cinema_cli.analysis.statistics.cox import fit_cox
from cinema_cli.analysis.statistics.kaplan_meier import kaplan_meier, value_at
from cinema_cli.analysis.statistics.known_status import known_status
from cinema_cli.analysis.statistics.limits import Z95, probability_limits
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.statistics.splines import harrell_knots, restricted_cubic
from cinema_cli.domain.errors import NotEstimableError

CERTAIN = 1e-9  # predicted risks are kept this far from 0 and 1, where the complementary log-log has no value


@dataclass(frozen=True, slots=True)
class RiskGroup:
    """People with similar predicted risk; what is observed is unknown (nan) where none is followed to the horizon."""

    n: int
    events: int  # by the horizon
    predicted: float  # mean
    observed: float  # Kaplan-Meier, limits 95 % log-log
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Observed and predicted risk at a horizon, of all and of groups by predicted risk, lowest first."""

    everybody: RiskGroup
    groups: tuple[RiskGroup, ...]
    ratio: float  # observed over expected events; limits 95 %, normal for the logarithm
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationCurve:
    """Observed risk as a smooth function of predicted risk, all (m,); limits 95 %."""

    predicted: Floats
    observed: Floats
    lower: Floats
    upper: Floats


def calibration(outcome: Outcome, risk: Floats, *, horizon: float, groups: int = 10) -> Calibration:
    """Observed over expected events by a horizon, and both in `groups` of people between quantiles of risk (n,).

    Competing events count as censorings. Fewer groups where many have the same risk.

    Raises NotEstimableError as `known_status`, and where nobody has a predicted risk above 0.
    """
    known_status(outcome, horizon)
    everybody = _group(outcome, risk, horizon)
    if everybody.predicted == 0.0:
        raise NotEstimableError(f"every predicted risk by {horizon:g} is 0: observed over expected is not estimable")
    curve = value_at(kaplan_meier(outcome), np.array([horizon]))
    ratio = everybody.observed / everybody.predicted
    spread = float(np.exp(Z95 * curve.se[0] / everybody.observed))
    edges = np.unique(np.quantile(risk, np.arange(1, groups) / groups))
    place = np.searchsorted(edges, risk, side="left")
    parts = tuple(_group(outcome.take(place == k), risk[place == k], horizon) for k in np.unique(place))
    return Calibration(everybody, parts, ratio, ratio / spread, ratio * spread)


def calibration_slope(
    outcome: Outcome, predictor: Floats, *, strata: Ints | None = None, cluster: Ints | None = None
) -> Figure:
    """Slope of a linear predictor (n,), by Cox regression on it alone: below 1 where predictions are too extreme.

    Within `strata` (n,) where its model has them; with a robust error where rows belong together in `cluster` (n,).
    Raises NotEstimableError as `fit_cox`.
    """
    fit = fit_cox(outcome, predictor[:, None], names=["linear predictor"], strata=strata, cluster=cluster)
    return Figure(float(fit.coef[0]), float(fit.se[0]))


def smooth_calibration(
    outcome: Outcome, risk: Floats, *, horizon: float, n_knots: int = 4, n_points: int = 99
) -> CalibrationCurve:
    """Observed risk as a smooth function of predicted risk (n,), at its inner percentiles.

    Cox regression on a restricted cubic spline of the complementary log-log of the risk (Austin, Harrell and van
    Klaveren, Stat Med 2020;39:2714).

    Raises NotEstimableError as `known_status` and `fit_cox`.
    """
    known_status(outcome, horizon)
    scale = _complementary_log_log(risk)
    knots = harrell_knots(scale, n_knots, name="predicted risk")
    names = ["predicted risk", *(f"curve {k} of predicted risk" for k in range(1, n_knots - 1))]
    x = restricted_cubic(scale, knots)
    fit = fit_cox(outcome, x, names=names)
    points = np.quantile(risk, np.linspace(0.01, 0.99, n_points))
    at = restricted_cubic(_complementary_log_log(points), knots)
    survival, se = survival_at(fit, baseline_hazard(fit, outcome, x), at, np.array([horizon]))
    lower, upper = probability_limits(survival[:, 0], se[:, 0] / survival[:, 0], "log-log")
    return CalibrationCurve(points, 1.0 - survival[:, 0], 1.0 - upper, 1.0 - lower)


def _complementary_log_log(risk: Floats) -> Floats:
    within = np.clip(risk, CERTAIN, 1.0 - CERTAIN)
    return np.asarray(np.log(-np.log1p(-within)), dtype=np.float64)


def _group(outcome: Outcome, risk: Floats, horizon: float) -> RiskGroup:
    curve = value_at(kaplan_meier(outcome), np.array([horizon]))
    observed, lower, upper = (1.0 - float(values[0]) for values in (curve.survival, curve.upper, curve.lower))
    return RiskGroup(outcome.n, int(curve.events[0]), float(risk.mean()), observed, lower, upper)
