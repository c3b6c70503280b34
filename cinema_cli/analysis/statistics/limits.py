"""Confidence limits of a probability as R's survfit has them, and how large a ratio may be to be read."""

from typing import Literal

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats

Conf = Literal["log-log", "log", "plain", "logit"]
Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution
LARGEST_RATIO = 1e9  # beyond it, or below one over it, a ratio or a limit of one is no number to read
UNREADABLE = f"its hazard ratio or a limit is beyond {LARGEST_RATIO:g} or below {1 / LARGEST_RATIO:g}: not given"


def readable(*ratios: float | Floats) -> bool:
    """Whether ratios, and their limits, are numbers that say something."""
    known = np.concatenate([np.ravel(ratio) for ratio in ratios])
    return bool(np.all((known >= 1 / LARGEST_RATIO) & (known <= LARGEST_RATIO)))


def probability_limits(probability: Floats, se_log: Floats, conf: Conf) -> tuple[Floats, Floats]:
    """95 % limits, kept within 0..1; where the probability is 0 they are unknown, where its error is 0 they are itself.

    Formulas: Borgan and Liestøl 1990, as R's survfit `conf.type`.
    """
    known = (probability > 0) & (probability < 1) & np.isfinite(se_log)
    p = np.where(known, probability, 0.5)
    width = Z95 * np.where(known, se_log, 0.0)
    if conf == "plain":
        lower, upper = p - p * width, p + p * width
    elif conf == "log":
        lower, upper = p * np.exp(-width), p * np.exp(width)
    elif conf == "log-log":
        lower, upper = p ** np.exp(-width / np.log(p)), p ** np.exp(width / np.log(p))
    else:
        odds, spread = p / (1 - p), np.exp(width / (1 - p))
        lower, upper = odds / spread / (1 + odds / spread), odds * spread / (1 + odds * spread)
    elsewhere = np.where((probability == 1) | (se_log == 0), probability, np.nan)
    return np.where(known, np.maximum(lower, 0.0), elsewhere), np.where(known, np.minimum(upper, 1.0), elsewhere)
