"""Cox regression with elastic net, for embeddings: many columns, few events."""

import warnings
from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.concordance import concordance
from cinema_cli.analysis.statistics.grouped_folds import FoldConcordance, grouped_folds, held_out_concordance
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome
from cinema_cli.domain.errors import NotEstimableError

N_PENALTIES, LEAST_PENALTY = 30, 0.05  # of a path: how many, and the last as a share of the first


@dataclass(frozen=True, slots=True, eq=False)
class PenalisedPath:
    """Coefficients along a path of penalties, for columns as they were given, not standardised."""

    penalties: Floats  # (k,), falling; glmnet's lambda
    coef: Floats  # (p, k)

    def risk(self, x: Floats) -> Floats:
        """Linear predictors (n, k) of the rows of x (n, p), up to a constant for each penalty."""
        predictor: Floats = x @ self.coef
        return predictor


def penalised_path(
    outcome: Outcome, x: Floats, *, l1_ratio: float = 0.5, penalties: Floats | None = None
) -> PenalisedPath:
    """Fit scikit-survival's Coxnet to standardised columns of x (n, p), at given or at chosen penalties.

    Equal to R's glmnet with family "cox". Competing events are censorings. Raises NotEstimableError without events or
    where the fit fails.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    if outcome.n_events == 0:
        raise NotEstimableError("no events: a penalised model is not estimable", hint="Check the event column.")
    coxnet = CoxnetSurvivalAnalysis(
        l1_ratio=l1_ratio, alphas=penalties, n_alphas=N_PENALTIES, alpha_min_ratio=LEAST_PENALTY, max_iter=10_000
    )
    model = make_pipeline(StandardScaler(), coxnet)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that the first penalties of a path leave no columns
        try:
            model.fit(x, Surv.from_arrays(outcome.event == EVENT, outcome.time))
        except (ArithmeticError, ValueError) as error:
            raise NotEstimableError("the penalised model did not converge", hint="Use fewer columns.") from error
    return PenalisedPath(coxnet.alphas_, coxnet.coef_ / model[0].scale_[:, None])


def penalised_concordance(
    outcome: Outcome,
    x: Floats,
    person: Ints,
    *,
    seed: int,
    folds: int = 5,
    inner_folds: int = 4,
    l1_ratio: float = 0.5,
) -> FoldConcordance:
    """C in held-out people of an elastic net on x (n, p), its penalty chosen by folds within the people fitted.

    All rows of a `person` (n,) are on one side in both kinds of folds, and columns are standardised by the rows fitted
    alone. Raises NotEstimableError as `held_out_concordance`.
    """

    def predicted(fitted: Ints, held: Ints) -> Floats:
        part, columns = outcome.take(fitted), x[fitted]
        path = penalised_path(part, columns, l1_ratio=l1_ratio)
        scores = np.zeros(len(path.penalties))
        for within, without in grouped_folds(person[fitted], inner_folds, seed):
            inner = penalised_path(part.take(within), columns[within], l1_ratio=l1_ratio, penalties=path.penalties)
            risks, unseen = inner.risk(columns[without]), part.take(without)
            found = np.array([concordance(unseen, risk).c for risk in risks.T])
            scores += found[np.minimum(np.arange(len(scores)), len(found) - 1)]  # a path may end early
        return path.risk(x[held])[:, int(np.argmax(scores))]

    return held_out_concordance(outcome, person, predicted, folds=folds, seed=seed)
