"""Random survival forest, as a second opinion on whether risk is linear; it does not scale."""

import numpy as np

from cinema_cli.analysis.statistics.grouped_folds import FoldConcordance, held_out_concordance
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome

MOST_ROWS = 20_000
TREES = 100
TIME_STEPS, COLUMN_STEPS = 50, 32  # a split is sought between steps, not between all values: 100 times faster


def forest_concordance(
    outcome: Outcome, x: Floats, person: Ints, *, seed: int, folds: int = 5, most_rows: int = MOST_ROWS, jobs: int = 1
) -> FoldConcordance:
    """C in held-out people of a random survival forest on x (n, p), no person (n,) on both sides.

    Beyond `most_rows` rows, people are drawn at random until so many rows are together, and the note says so. Trees
    are grown on coarse times and columns; C is of the times as they are.

    Raises NotEstimableError as `held_out_concordance`.
    """
    rows = _some_people(person, most_rows, np.random.default_rng(seed))
    note = ""
    if len(rows) < outcome.n:
        note = f"The forest was grown on {len(rows):,} rows, drawn at random by person."
    outcome, x, person = outcome.take(rows), x[rows], person[rows]

    def predicted(fitted: Ints, held: Ints) -> Floats:
        from sksurv.ensemble import RandomSurvivalForest
        from sksurv.util import Surv

        part = outcome.take(fitted)
        leaf = max(15, len(fitted) // 200)
        model = RandomSurvivalForest(
            TREES, min_samples_leaf=leaf, max_features="sqrt", low_memory=True, n_jobs=jobs, random_state=seed
        )
        model.fit(_stepped(x[fitted], x[fitted]), Surv.from_arrays(part.event == EVENT, _coarse(part)))
        risk: Floats = model.predict(_stepped(x[held], x[fitted]))
        return risk

    return held_out_concordance(outcome, person, predicted, folds=folds, seed=seed, note=note)


def _coarse(outcome: Outcome) -> Floats:
    """Steps 1, 2, ... in which people had the event, or half a step after the last that they lived through."""
    died = outcome.event == EVENT
    ends = np.unique(np.quantile(outcome.time[died], np.linspace(0, 1, TIME_STEPS)))
    lived = np.searchsorted(ends, outcome.time, side="right") + 0.5
    return np.where(died, np.searchsorted(ends, outcome.time, side="left") + 1.0, lived)


def _stepped(x: Floats, fitted: Floats) -> Floats:
    """In which of COLUMN_STEPS quantile steps of the rows fitted each value of x (n, p) lies."""
    inner = np.linspace(0, 1, COLUMN_STEPS + 1)[1:-1]
    edges = [np.unique(np.quantile(column, inner)) for column in fitted.T]
    steps = [np.searchsorted(e, column) for e, column in zip(edges, x.T, strict=True)]
    return np.column_stack(steps).astype(np.float64)


def _some_people(person: Ints, most_rows: int, rng: np.random.Generator) -> Ints:
    """All rows, or those of as many people drawn at random as have at most that many rows together."""
    if len(person) <= most_rows:
        return np.arange(len(person))
    codes, counts = np.unique(person, return_inverse=True, return_counts=True)[1:]
    drawn = rng.permutation(len(counts))
    chosen = drawn[np.cumsum(counts[drawn]) <= most_rows]
    return np.flatnonzero(np.isin(codes, chosen))
