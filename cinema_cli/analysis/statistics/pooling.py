"""One estimate from several imputations (Rubin's rules)."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats

LEAST_SHARE = 1e-4  # of variance from imputation in the degrees of freedom; mice's, keeps them finite


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """Pooled estimates of p coefficients, with t-based 95 % limits; arrays (p,)."""

    estimate: Floats
    se: Floats
    df: Floats
    p: Floats
    lower: Floats
    upper: Floats
    within: Floats  # mean variance within an imputation
    between: Floats  # variance between imputations
    fmi: Floats  # share of information that is missing

    @property
    def variance(self) -> Floats:
        """Total variance."""
        return self.se**2


def pool(estimates: Floats, variances: Floats, *, df_complete: float) -> Pooled:
    """Pool estimates (m, p) with their variances (m, p), as R's mice; m at least 2.

    `df_complete` are the degrees of freedom without missing data, for a Cox model events less coefficients. Degrees of
    freedom by Barnard and Rubin 1999.
    """
    from scipy.stats import t

    m = len(estimates)
    if m < 2:
        raise ValueError("at least two imputations are needed to pool")
    estimate, within, between = estimates.mean(axis=0), variances.mean(axis=0), estimates.var(axis=0, ddof=1)
    added = (1 + 1 / m) * between
    total = within + added
    share = np.maximum(added / total, LEAST_SHARE)
    df_many = (m - 1) / share**2
    df_observed = (df_complete + 1) / (df_complete + 3) * df_complete * (1 - share)
    df = df_many * df_observed / (df_many + df_observed)
    se = np.sqrt(total)
    width = t.ppf(0.975, df) * se
    ratio = added / within
    return Pooled(
        estimate=estimate, se=se, df=df, p=2 * t.sf(np.abs(estimate) / se, df), lower=estimate - width,
        upper=estimate + width, within=within, between=between, fmi=(ratio + 2 / (df + 3)) / (ratio + 1),
    )  # fmt: skip
