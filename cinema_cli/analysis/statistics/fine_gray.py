"""Subdistribution hazard ratios: what changes the cumulative incidence of an event that another can prevent."""

from collections.abc import Sequence

import numpy as np

from cinema_cli.analysis.statistics.chi_squared import quadratic
from cinema_cli.analysis.statistics.cox import CoxFit, _newton, _reported_means, _scaled, _step
from cinema_cli.analysis.statistics.cox_variance import clustered, score_residuals
from cinema_cli.analysis.statistics.estimable import refuse_collinear, refuse_separated
from cinema_cli.analysis.statistics.lingering import lingering_sets
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.statistics.partial_likelihood import partial_likelihood
from cinema_cli.analysis.statistics.risk_sets import Ties
from cinema_cli.domain.errors import NotEstimableError


def fine_gray(
    outcome: Outcome, x: Floats, *, names: Sequence[str], cluster: Ints | None = None, ties: Ties = "efron"
) -> CoxFit:
    """Fit log subdistribution hazard ratios of the columns of x (n, p) (Fine and Gray 1999).

    Equal to R's finegray followed by coxph with its weights and `cluster = id`, without the rows of finegray: see
    `LingeringSets`. The variance is robust, by person or by `cluster` (n,) codes, and takes the weights as known.

    Raises NotEstimableError as `fit_cox`, and with delayed entry, which this does not weigh.
    """
    if outcome.entry is not None:
        raise NotEstimableError(
            "Fine and Gray's model is not offered for people who enter late: their weights would be wrong",
            hint="The cause-specific hazard ratios hold; cumulative incidence is estimated with late entry too.",
        )
    sets = lingering_sets(outcome, ties=ties)
    scaled, scale = _scaled(x, sets, names)
    null = partial_likelihood(sets, scaled, np.zeros(len(scale)))
    refuse_collinear(null.information, float(sets.weights[sets.died].sum()), names)
    at, coef, iterations = _newton(null, np.zeros(len(scale)))
    refuse_separated(_step(at.information, at.score), np.ptp(scaled, axis=1), names)
    person = (np.arange(outcome.n) if cluster is None else cluster)[sets.rows]
    naive = np.linalg.inv(at.information)
    influence = naive @ clustered(score_residuals(at), person)
    null_influence = clustered(score_residuals(null), person)
    units = np.outer(scale, scale)
    return CoxFit(
        names=tuple(names),
        coef=coef / scale,
        variance=influence @ influence.T / units,
        naive_variance=naive / units,
        means=_reported_means(x, None),
        loglik_null=null.loglik,
        loglik=at.loglik,
        score_test=quadratic(null.score, null.information),
        robust_score_test=quadratic(null.score, null_influence @ null_influence.T),
        n=outcome.n,
        n_events=outcome.n_events,
        iterations=iterations,
        ties=ties,
    )
