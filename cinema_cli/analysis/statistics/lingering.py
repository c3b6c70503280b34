"""Risk sets in which those with a competing event linger, with the weight that Fine and Gray give them."""

from dataclasses import dataclass, fields

import numpy as np

from cinema_cli.analysis.statistics.censoring import follow_up
from cinema_cli.analysis.statistics.outcome import COMPETING, Floats, Ints, Outcome
from cinema_cli.analysis.statistics.risk_sets import RiskSets, Ties, risk_sets


@dataclass(frozen=True, slots=True, eq=False)
class LingeringSets(RiskSets):
    """Risk sets whose last rows are people with a competing event, from then on and for ever.

    Someone with a competing event at T counts at a later event time t with the weight G(t-) / G(T-), where G is the
    share not yet censored: 1 / G(T-) is the weight of the row and G(t-) belongs to the time. R's finegray has a row for
    each step of G instead, a number of rows that grows with the square of the people. To let rows meet the hazard of
    times either plainly or times G, event times are counted twice: 0..K-1 plain, K..2K-1 times G.
    """

    n_plain: int
    still_observed: Floats  # (K,) G just before each event time
    n_lingering: Ints  # (K,) how many linger at each event time

    def total(self, values: Floats) -> Floats:
        """Sums (..., K) of values (..., m) over those at risk at each event time, who linger times G."""
        sums = RiskSets.total(self, values[..., : self.n_plain])
        lingering = values[..., self.n_plain :]
        so_far = np.concatenate([np.zeros((*lingering.shape[:-1], 1)), np.cumsum(lingering, axis=-1)], axis=-1)
        total: Floats = sums + self.still_observed * so_far[..., self.n_lingering]
        return total

    def per_time(self, values: Floats) -> Floats:
        """Sums (..., 2 K) of values (..., shares) over the shares of each event time, then the same times G."""
        sums = RiskSets.per_time(self, values)
        return np.concatenate([sums, sums * self.still_observed], axis=-1)


def lingering_sets(outcome: Outcome, *, ties: Ties) -> LingeringSets:
    """Risk sets of the subdistribution of the event, for people there from the beginning.

    G is Kaplan-Meier's; an event at the time of a censoring comes first, as in R's finegray.

    Raises NotEstimableError where nobody had the event.
    """
    plain = risk_sets(outcome.cause_specific(), ties=ties)
    n_times = len(plain.times)
    counts = follow_up(outcome)
    rows = np.flatnonzero((outcome.event == COMPETING) & (outcome.time < plain.times[-1]))
    rows = rows[np.argsort(outcome.time[rows], kind="stable")]
    first = np.searchsorted(plain.times, outcome.time[rows], side="right")
    own = {field.name: getattr(plain, field.name) for field in fields(RiskSets)}
    own["rows"] = np.concatenate([plain.rows, rows])
    own["first"] = np.concatenate([plain.first, n_times + first])
    own["stop"] = np.concatenate([plain.stop, np.full(len(rows), 2 * n_times)])
    own["weights"] = np.concatenate([plain.weights, 1 / counts.before(counts.observed, outcome.time[rows])])
    return LingeringSets(
        **own,
        n_plain=len(plain.rows),
        still_observed=counts.before(counts.observed, plain.times),
        n_lingering=np.searchsorted(first, np.arange(n_times), side="right"),
    )
