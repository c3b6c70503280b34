"""Spline columns of a covariate, so that a model can bend: restricted cubic (Harrell) and natural cubic (as R's ns)."""

from collections.abc import Sequence

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.domain.errors import NotEstimableError

ENDS = {3: 0.1, 4: 0.05, 5: 0.05, 6: 0.05, 7: 0.025}  # share of people below the first knot, Harrell 2015, table 2.3
FEW = 100  # under which Harrell puts the outer knots at the fifth lowest and the fifth highest value


def harrell_knots(x: Floats, n_knots: int, *, name: str) -> Floats:
    """Knots (k,) of a restricted cubic spline of x (n,), 3 to 7 of them, at the quantiles that Harrell recommends.

    Raises:
        NotEstimableError: so many people share a value of the column `name` that the knots are not distinct.
    """
    end = ENDS[n_knots]
    knots: Floats = np.quantile(x, np.linspace(end, 1 - end, n_knots))
    if 2 * 5 <= len(x) < FEW:
        knots[[0, -1]] = np.sort(x)[[4, -5]]
    if np.any(np.diff(knots) <= 0):
        raise NotEstimableError(
            f"{name} has too few distinct values for a spline with {n_knots} knots", hint="Use fewer knots."
        )
    return knots


def restricted_cubic(x: Floats, knots: Floats) -> Floats:
    """Columns (n, k - 1) of a restricted cubic spline: x and k - 2 that bend, linear beyond the outer knots.

    Scaled as Harrell's rms does, by the square of the distance of the outer knots: all are in the unit of x.
    """
    last, before = knots[-1], knots[-2]
    lifted = np.maximum(x[:, None] - knots, 0) ** 3
    own = knots[:-2]
    to_last = (last - own) / (last - before)
    bent = lifted[:, :-2] - lifted[:, -2:-1] * to_last + lifted[:, -1:] * (to_last - 1)
    return np.column_stack([x, bent / (last - knots[0]) ** 2])


def natural_spline(
    x: Floats, knots: Sequence[float], boundary: tuple[float, float], *, intercept: bool = False
) -> Floats:
    """Columns (n, k + 1) of a natural cubic spline with k knots inside, in order, as R's ns; k + 2 with an intercept.

    Linear beyond the boundary: cubic B-splines turned so that the second derivative there is 0.
    """
    from scipy.interpolate import BSpline

    low, high = boundary
    all_knots = np.concatenate([[low] * 4, knots, [high] * 4])
    splines = BSpline(all_knots, np.eye(len(all_knots) - 4), 3)
    inside = np.clip(x, low, high)
    columns = splines(inside) + (x - inside)[:, None] * splines(inside, 1)
    bends = splines(np.array([low, high], float), 2)
    if not intercept:
        columns, bends = columns[:, 1:], bends[:, 1:]
    turn = np.linalg.qr(bends.T, mode="complete")[0]
    basis: Floats = (columns @ turn)[:, 2:]
    return basis
