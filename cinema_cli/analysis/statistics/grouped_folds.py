"""How well a model ranks people it has not seen: folds that never part the rows of one person."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.concordance import concordance
from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.domain.errors import NotEstimableError

FEWEST_EVENTS = 20


@dataclass(frozen=True, slots=True, eq=False)
class FoldConcordance:
    """Harrell's C in the held-out rows of each fold, with its standard error; arrays (folds,)."""

    c: Floats
    se: Floats
    n: Ints
    events: Ints
    note: str = ""  # for the reader: what was done to the data

    @property
    def mean(self) -> float:
        """Mean C over the folds."""
        return float(np.mean(self.c))

    @property
    def mean_se(self) -> float:
        """Its standard error, folds taken as independent."""
        return float(np.sqrt(np.sum(self.se**2)) / len(self.se))

    @property
    def limits(self) -> tuple[float, float]:
        """95 % limits of the mean, within 0..1."""
        width = Z95 * self.mean_se
        return max(self.mean - width, 0.0), min(self.mean + width, 1.0)


def grouped_folds(person: Ints, folds: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows to fit and rows held out, `folds` times; all rows of a person (n,) are on the same side.

    Raises NotEstimableError with fewer people than folds.
    """
    from sklearn.model_selection import GroupKFold

    if len(np.unique(person)) < folds:
        raise NotEstimableError(f"fewer than {folds} people: none can be held out", hint="Take fewer folds.")
    yield from GroupKFold(folds, shuffle=True, random_state=seed).split(person, groups=person)


def held_out_concordance(
    outcome: Outcome,
    person: Ints,
    predicted: Callable[[Ints, Ints], Floats],
    *,
    folds: int,
    seed: int,
    note: str = "",
) -> FoldConcordance:
    """C of `predicted(rows to fit, rows held out)`, the risk of the rows held out; its error is clustered by person.

    Raises NotEstimableError with fewer than FEWEST_EVENTS events, with delayed entry, or where a fold has no events.
    """
    if outcome.entry is not None:
        raise NotEstimableError(
            "models of scikit-survival know no late entry: they are not fitted with it",
            hint="Use time since the scan as the time scale.",
        )
    if outcome.n_events < FEWEST_EVENTS:
        raise NotEstimableError(
            f"there are fewer than {FEWEST_EVENTS} events: how a model ranks people it has not seen is not estimable",
            hint="Wait for more follow-up.",
        )
    c, se, n, events = [], [], [], []
    for fitted, held in grouped_folds(person, folds, seed):
        found = concordance(outcome.take(held), predicted(fitted, held), cluster=person[held])
        c.append(found.c)
        se.append(found.se)
        n.append(len(held))
        events.append(outcome.take(held).n_events)
    return FoldConcordance(np.array(c), np.array(se), np.array(n), np.array(events), note)
