"""Categories drawn from a multinomial logistic regression, for imputation."""

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats, Ints

PRIOR_SD = 2.5  # of a coefficient per standard deviation: keeps separated levels finite (Gelman et al. 2008)


def draw_levels(codes: Ints, x: Floats, new: Floats, levels: int, rng: np.random.Generator) -> Ints:
    """Codes 0..levels-1 drawn for the rows of `new` (k, p) from a fit to codes (n,) on x (n, p), first column ones.

    Coefficients are drawn from the normal approximation of their posterior. Levels that nobody has are never drawn.
    """
    there = np.unique(codes)
    if len(there) == 1:
        return np.full(len(new), there[0])
    classes = np.searchsorted(there, codes)
    coef, root = _fit(classes, x, len(there))
    noise = np.linalg.solve(root.T, rng.standard_normal(coef.size))
    shares = _shares(new, coef + noise.reshape(coef.shape))
    passed = np.cumsum(shares, axis=1) < rng.random(len(new))[:, None]
    drawn: Ints = there[np.minimum(passed.sum(axis=1), len(there) - 1)]
    return drawn


def _fit(classes: Ints, x: Floats, levels: int) -> tuple[Floats, Floats]:
    """Coefficients (levels - 1, p) against level 0 by Newton's method, and the Cholesky root of their precision."""
    width = x.shape[1]
    prior = np.full(width, 1 / PRIOR_SD**2)
    prior[0] = 1e-6  # the constant is free
    coef: Floats = np.zeros((levels - 1, width))
    is_level = (classes[:, None] == np.arange(1, levels)).astype(np.float64)
    for _ in range(25):
        shares = _shares(x, coef)[:, 1:]
        gradient = (is_level - shares).T @ x - prior * coef
        root: Floats = np.linalg.cholesky(_information(shares, x) + np.diag(np.tile(prior, levels - 1))).astype(
            np.float64
        )
        step = np.linalg.solve(root.T, np.linalg.solve(root, gradient.ravel())).reshape(coef.shape)
        coef = coef + step * min(1.0, 5.0 / np.abs(step).max(initial=1e-300))
        if np.abs(step).max() < 1e-6:
            break
    return coef, root


def _shares(x: Floats, coef: Floats) -> Floats:
    """Probabilities (n, levels)."""
    score = np.column_stack([np.zeros(len(x)), x @ coef.T])
    odds: Floats = np.exp(score - score.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    return odds


def _information(shares: Floats, x: Floats) -> Floats:
    """Negative second derivative ((levels - 1) p, (levels - 1) p)."""
    rest, width = shares.shape[1], x.shape[1]
    whole = np.empty((rest * width, rest * width))
    for j in range(rest):
        for k in range(j + 1):
            weight = shares[:, j] * ((j == k) - shares[:, k])
            block = (x * weight[:, None]).T @ x
            whole[j * width : (j + 1) * width, k * width : (k + 1) * width] = block
            whole[k * width : (k + 1) * width, j * width : (j + 1) * width] = block
    return whole
