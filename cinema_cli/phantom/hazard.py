"""When made-up people have their event, die, or are lost: one stated hazard for cohorts of images and of rows."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
_N = TypeVar("_N", float, Floats)  # of one person or of all

# The hazard of the event, per year, at age a, for men (m = 1), at LVEF e (%) and LV mass index i (g/m2):
#   h(t) = (k / s) (t / s)^(k - 1) exp(B_AGE (a - 60) + B_MALE m + B_LVEF (e - 60) + B_LVMI (i - 65))
HAZARD_PER_YEAR_OF_AGE = 0.03
HAZARD_MALE = 0.4
HAZARD_PER_LVEF_POINT = -0.04
HAZARD_PER_LVMI_G_M2 = 0.008
WEIBULL_SHAPE = 1.3
WEIBULL_SCALE_YEARS = 26.0
FOLLOW_UP_YEARS = (6.0, 10.0)  # administrative end, uniform
LOSS_PER_YEAR = 0.02  # random loss to follow-up, exponential

# The hazard of death of another cause, where it competes: Weibull too, with these log hazard ratios
DEATH_PER_YEAR_OF_AGE = 0.08
DEATH_MALE = 0.3
DEATH_CURRENT_SMOKER = 0.5
DEATH_SHAPE = 1.6
DEATH_SCALE_YEARS = 45.0

_SHORTEST_YEARS = 0.001
_POINTS, _PAIRS = 80, 100_000  # of the integral over time, of people compared


def log_hazard(*, age_years: _N, male: _N, lvef_pct: _N, lvmi_g_m2: _N) -> _N:
    """Log of the hazard ratio against a woman (`male` 0) of 60 with an LVEF of 60 % and an LV mass index of 65 g/m2."""
    return (
        HAZARD_PER_YEAR_OF_AGE * (age_years - 60.0)
        + HAZARD_MALE * male
        + HAZARD_PER_LVEF_POINT * (lvef_pct - 60.0)
        + HAZARD_PER_LVMI_G_M2 * (lvmi_g_m2 - 65.0)
    )


def log_hazard_of_death(*, age_years: _N, male: _N, smoker: _N) -> _N:
    """The same for death of another cause; `smoker` is 1 for who smokes now."""
    return DEATH_PER_YEAR_OF_AGE * (age_years - 60.0) + DEATH_MALE * male + DEATH_CURRENT_SMOKER * smoker


def years_until_event(rng: np.random.Generator, risk: Floats) -> Floats:
    """Draw the time of the event of people with these log hazard ratios."""
    return _weibull(rng, risk, shape=WEIBULL_SHAPE, scale=WEIBULL_SCALE_YEARS)


def years_until_death(rng: np.random.Generator, risk: Floats) -> Floats:
    """Draw the time of death of another cause."""
    return _weibull(rng, risk, shape=DEATH_SHAPE, scale=DEATH_SCALE_YEARS)


def _weibull(rng: np.random.Generator, risk: Floats, *, shape: float, scale: float) -> Floats:
    return scale * (rng.exponential(size=risk.shape) * np.exp(-risk)) ** (1.0 / shape)


def years_until_censored(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw when follow-up ends: administratively, or earlier by loss."""
    until_end = rng.uniform(*FOLLOW_UP_YEARS, size=shape)
    return np.minimum(until_end, rng.exponential(1.0 / LOSS_PER_YEAR, size=shape))


def observed_years(years: Floats) -> Floats:
    """Times as a table holds them: to the thousandth of a year, never zero."""
    return np.maximum(np.round(years, 3), _SHORTEST_YEARS)


def true_concordance(rng: np.random.Generator, risk: Floats, risk_of_death: Floats) -> tuple[float, float]:
    """Harrell's C of the true score in this population and follow-up, and the error of its calculation.

    For two people with hazards a, b in proportion, the one with the larger has the first event with probability
    max(a, b) / (a + b) whenever that is. A pair counts where it comes while both are followed: each pair weighs the
    integral over t of h(t) S_a(t) S_b(t) G_a(t) G_b(t), with G the probability not to be censored or dead.
    """
    one, other = rng.integers(0, len(risk), (2, _PAIRS))
    hazards = np.exp(risk[one]) + np.exp(risk[other])
    deaths = np.exp(risk_of_death[one]) + np.exp(risk_of_death[other])
    nodes, node_weights = np.polynomial.legendre.leggauss(_POINTS)
    weight = np.zeros(_PAIRS)
    for start, end in ((0.0, FOLLOW_UP_YEARS[0]), FOLLOW_UP_YEARS):
        for t, step in zip(
            start + 0.5 * (end - start) * (nodes + 1.0), 0.5 * (end - start) * node_weights, strict=True
        ):
            followed = np.exp(-LOSS_PER_YEAR * t) * min((FOLLOW_UP_YEARS[1] - t) / np.ptp(FOLLOW_UP_YEARS), 1.0)
            gone = (
                hazards * (t / WEIBULL_SCALE_YEARS) ** WEIBULL_SHAPE + deaths * (t / DEATH_SCALE_YEARS) ** DEATH_SHAPE
            )
            weight += step * t ** (WEIBULL_SHAPE - 1.0) * followed**2 * np.exp(-gone)
    weight *= hazards
    first = 1.0 / (1.0 + np.exp(-np.abs(risk[one] - risk[other])))
    c = float(np.average(first, weights=weight))
    error = float(np.sqrt(np.mean((weight * (first - c)) ** 2) / _PAIRS) / np.mean(weight))
    return c, error
