"""Restricted mean survival time with its standard error."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.kaplan_meier import Curve, kaplan_meier
from cinema_cli.analysis.statistics.outcome import Outcome
from cinema_cli.domain.errors import NotEstimableError


@dataclass(frozen=True, slots=True)
class RestrictedMean:
    """Mean time without the event up to the horizon, unit of time."""

    mean: float
    se: float
    horizon: float


def rmst(outcome: Outcome, *, horizon: float) -> RestrictedMean:
    """Area under the Kaplan-Meier curve from 0 to the horizon; standard error by Greenwood, as R's survfit.

    Formula: Klein and Moeschberger, Survival Analysis, 4.5.
    Raises NotEstimableError where follow-up ends before the horizon with people still free of the event.
    """
    curve: Curve = kaplan_meier(outcome)
    if curve.times[-1] < horizon and curve.survival[-1] > 0:
        raise NotEstimableError(
            f"follow-up ends at {curve.times[-1]:g}, before the horizon {horizon:g}: "
            "the restricted mean is not estimable",
            hint="Choose an earlier horizon.",
        )
    before = curve.times < horizon
    edges = np.concatenate([[0.0], curve.times[before], [horizon]])
    areas = np.diff(edges) * np.concatenate([[1.0], curve.survival[before]])
    beyond = np.cumsum(areas[::-1])[::-1][1:]  # area from each time to the horizon
    d, n = curve.events[before], curve.at_risk[before]
    shares = np.divide(d, n * (n - d), out=np.zeros(len(d)), where=(d > 0) & (n > d))  # beyond is 0 where n = d
    return RestrictedMean(float(np.sum(areas)), float(np.sqrt(np.sum(beyond**2 * shares))), horizon)
