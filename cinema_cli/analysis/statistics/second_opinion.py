"""Whether lifelines, written by others, finds the same Cox coefficients."""

import warnings

import numpy as np

from cinema_cli.analysis.statistics.cox import CoxFit, fit_cox
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Outcome
from cinema_cli.domain.errors import NotEstimableError

MAX_ROWS = 20_000  # lifelines takes about a second for so many, and more than in proportion for more


def second_opinion(fit: CoxFit, outcome: Outcome, x: Floats) -> float:
    """Largest difference of the coefficients from those of lifelines, in standard errors; columns x (n, p).

    For fits without weights and strata to data in which everybody is there from the beginning, with Efron's ties. Of
    more than 20,000 rows, evenly spaced ones are fitted anew by both.

    Raises:
        NotEstimableError: lifelines does not converge.
    """
    if outcome.entry is not None:
        raise ValueError("lifelines is asked about right-censored data alone: it ignores entry in places")
    if outcome.n > MAX_ROWS:
        rows = np.linspace(0, outcome.n - 1, MAX_ROWS).astype(np.int64)
        outcome, x = outcome.take(rows), x[rows]
        fit = fit_cox(outcome, x, names=fit.names)
    difference: float = np.max(np.abs(_of_lifelines(outcome, x) - fit.coef) / fit.se)
    return float(difference)


def _of_lifelines(outcome: Outcome, x: Floats) -> Floats:
    """Coefficients (p,) that lifelines finds."""
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    table = pd.DataFrame(x).assign(time=outcome.time, event=outcome.event == EVENT)
    with np.errstate(), warnings.catch_warnings():  # it switches numpy's warnings off for the whole process
        warnings.simplefilter("ignore")
        try:
            fitted = CoxPHFitter().fit(table, "time", "event", fit_options={"precision": 1e-9, "r_precision": 1e-12})
        except ConvergenceError as error:
            raise NotEstimableError("lifelines does not converge: it has no second opinion") from error
    return np.asarray(fitted.params_, np.float64)
