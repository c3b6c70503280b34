"""Random survival forest, as a second opinion on whether risk is linear; it does not scale."""

import numpy as np

from cinema_cli.analysis.statistics.held_out import HeldOut, held_out_concordance
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome

MOST_ROWS = 20_000
TREES, TIMES = 100, 100


def forest_concordance(
    outcome: Outcome, x: Floats, person: Ints, *, seed: int, folds: int = 5, most_rows: int = MOST_ROWS, jobs: int = 1
) -> HeldOut:
    """C in held-out people of a random survival forest on x (n, p), no person (n,) on both sides.

    Beyond `most_rows` rows, people are drawn at random until so many rows are together, and the note says so. Trees
    see event times rounded up to TIMES quantiles; C is of the times as they are. Raises NotEstimableError as
    `held_out_concordance`.
    """
    rows = _some_people(person, most_rows, np.random.default_rng(seed))
    note = ""
    if len(rows) < outcome.n:
        note = f"The forest was grown on {len(rows):,} of {outcome.n:,} rows, drawn at random by person."
    outcome, x, person = outcome.take(rows), x[rows], person[rows]

    def predicted(fitted: Ints, held: Ints) -> Floats:
        from sksurv.ensemble import RandomSurvivalForest
        from sksurv.util import Surv

        part = outcome.take(fitted)
        died = part.event == EVENT
        edges = np.unique(np.quantile(part.time[died], np.linspace(0, 1, TIMES)))
        rounded = np.append(edges, part.time.max() + 1)[np.searchsorted(edges, part.time)]
        leaf = max(15, len(fitted) // 200)
        model = RandomSurvivalForest(
            TREES, min_samples_leaf=leaf, max_features="sqrt", low_memory=True, n_jobs=jobs, random_state=seed
        )
        model.fit(x[fitted], Surv.from_arrays(died, np.where(died, rounded, part.time)))
        risk: Floats = model.predict(x[held])
        return risk

    return held_out_concordance(outcome, person, predicted, folds=folds, seed=seed, note=note)


def _some_people(person: Ints, most_rows: int, rng: np.random.Generator) -> Ints:
    """All rows, or those of as many people drawn at random as have at most that many rows together."""
    if len(person) <= most_rows:
        return np.arange(len(person))
    codes, counts = np.unique(person, return_inverse=True, return_counts=True)[1:]
    drawn = rng.permutation(len(counts))
    chosen = drawn[np.cumsum(counts[drawn]) <= most_rows]
    return np.flatnonzero(np.isin(codes, chosen))
