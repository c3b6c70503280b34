"""Missing covariates filled in several times by chained equations that know the outcome."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.multinomial import draw_levels
from cinema_cli.analysis.statistics.outcome import COMPETING, EVENT, Floats, Outcome
from cinema_cli.analysis.statistics.risk_table import risk_table
from cinema_cli.domain.errors import NotEstimableError

DONORS = 5  # of predictive mean matching, as R's mice
RIDGE = 1e-5  # share added to the diagonal of the normal equations, as R's mice
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Covariate:
    """A column to fill or to fill from: numbers, or codes 0..levels-1; NaN is missing."""

    name: str
    values: Floats  # (n,)
    levels: int = 0  # 0: numbers

    @property
    def missing(self) -> Bools:
        """Which rows lack it, (n,)."""
        return np.isnan(self.values)


def impute(
    covariates: Sequence[Covariate], outcome: Outcome, *, m: int, seed: int, iterations: int = 10
) -> Iterator[Floats]:
    """Complete the covariates `m` times: matrices (n, covariates), each from its own stream of random numbers.

    Numbers by predictive mean matching, so that only values that occur are filled in; categories by multinomial
    regression. Each column is predicted from all others, from the events and from the cumulative hazard that a
    person lived through (White and Royston 2009; Nelson-Aalen), which understates strong effects of columns that most
    people lack. Observed cells stay as they are.

    Raises NotEstimableError where nobody has a value of a column.
    """
    for column in covariates:
        if column.missing.all():
            raise NotEstimableError(f"nobody has a value of {column.name}: it cannot be imputed", hint="Leave it out.")
    known = outcome_terms(outcome)
    for stream in np.random.SeedSequence(seed).spawn(m):
        yield _complete(covariates, known, np.random.default_rng(stream), iterations)


def _complete(covariates: Sequence[Covariate], known: Floats, rng: np.random.Generator, iterations: int) -> Floats:
    filled = np.column_stack([_from_observed(column, rng) for column in covariates])
    order = sorted(range(len(covariates)), key=lambda j: int(covariates[j].missing.sum()))
    for _ in range(iterations):
        for j in order:
            column = covariates[j]
            if not column.missing.any():
                continue
            others = [_terms(c, filled[:, k]) for k, c in enumerate(covariates) if k != j]
            x = _standardised(np.column_stack([*others, known]))
            lacks = column.missing
            if column.levels:
                codes = column.values[~lacks].astype(np.int64)
                drawn = draw_levels(codes, x[~lacks], x[lacks], column.levels, rng).astype(np.float64)
            else:
                drawn = _matched(column.values[~lacks], x[~lacks], x[lacks], rng)
            filled[lacks, j] = drawn
    return filled


def outcome_terms(outcome: Outcome) -> Floats:
    """What an imputation has to know of the outcome (n, 2 for each kind of event).

    Whether it happened, and its cumulative hazard from entry to exit.
    """
    terms = []
    for kind in (EVENT, COMPETING):
        if not np.any(outcome.event == kind):
            continue
        one = Outcome(outcome.time, np.where(outcome.event == kind, EVENT, 0).astype(np.int64), outcome.entry)
        table = risk_table(one)
        hazard = np.divide(table.events, table.at_risk, out=np.zeros(len(table.times)), where=table.at_risk > 0)
        cumulative = np.concatenate([[0.0], np.cumsum(hazard)])
        lived = cumulative[np.searchsorted(table.times, one.time, side="right")]
        if one.entry is not None:
            lived = lived - cumulative[np.searchsorted(table.times, one.entry, side="right")]
        terms += [(one.event == EVENT).astype(np.float64), lived]
    return np.column_stack(terms) if terms else np.empty((outcome.n, 0))


def _from_observed(column: Covariate, rng: np.random.Generator) -> Floats:
    """The column with a random observed value in each empty cell."""
    lacks = column.missing
    values = column.values.copy()
    values[lacks] = rng.choice(values[~lacks], size=int(lacks.sum()))
    return values


def _terms(column: Covariate, values: Floats) -> Floats:
    """A complete column as columns of a model: itself, or 0/1 for each level but the first."""
    if not column.levels:
        return values[:, None]
    is_level: Floats = (values[:, None] == np.arange(1, column.levels)).astype(np.float64)
    return is_level


def _standardised(x: Floats) -> Floats:
    """Columns of mean 0 and variance 1, those that do not vary left out, with a leading column of ones."""
    spread = x.std(axis=0)
    varies = spread > 1e-12 * (1 + np.abs(x).max(axis=0, initial=0.0))
    x = (x[:, varies] - x[:, varies].mean(axis=0)) / spread[varies]
    return np.column_stack([np.ones(len(x)), x])


def _matched(y: Floats, x: Floats, new: Floats, rng: np.random.Generator) -> Floats:
    """For each new row the value of one of the DONORS rows predicted most alike (mice's type 1 matching).

    Predictions of the donors are at the estimated coefficients, those of the new rows at coefficients drawn from
    their posterior.
    """
    normal = x.T @ x
    normal += RIDGE * np.diag(np.diag(normal))
    coef = np.linalg.solve(normal, x.T @ y)
    residual = y - x @ coef
    free = max(len(y) - x.shape[1], 1)
    sigma = np.sqrt(residual @ residual / rng.chisquare(free))
    root = np.linalg.cholesky(normal)
    drawn = coef + sigma * np.linalg.solve(root.T, rng.standard_normal(len(coef)))
    predicted = x @ coef
    order = np.argsort(predicted, kind="stable")
    donors = min(DONORS, len(y))
    wanted = new @ drawn
    # the nearest donors of a number in a sorted list lie within `donors` places of where it would stand
    start = np.clip(np.searchsorted(predicted[order], wanted) - donors, 0, max(len(y) - 2 * donors, 0))
    window = start[:, None] + np.arange(min(2 * donors, len(y)))
    distance = np.abs(predicted[order][window] - wanted[:, None])
    nearest = np.argpartition(distance, donors - 1, axis=1)[:, :donors]
    chosen = nearest[np.arange(len(new)), rng.integers(donors, size=len(new))]
    matched: Floats = y[order[window[np.arange(len(new)), chosen]]]
    return matched
