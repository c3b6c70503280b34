"""Subdistribution hazard ratios: what changes the cumulative incidence of an event that another can prevent."""

from collections.abc import Sequence

import numpy as np

from cinema_cli.analysis.statistics.cox import CoxFit, fit_risk_sets
from cinema_cli.analysis.statistics.lingering import lingering_sets
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
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
    person = np.arange(outcome.n) if cluster is None else cluster
    return fit_risk_sets(lingering_sets(outcome, ties=ties), x, names=names, cluster=person)
