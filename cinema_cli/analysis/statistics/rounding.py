"""Times that differ by rounding errors alone are made equal, so that they tie."""

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats

TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))


def rounded_times(times: Floats) -> Floats:
    """The same times, entries beside exits where there are (n, 2), each as the least of those next to it.

    Neighbours are the same where they differ by no more than 1.5e-8, absolutely or relative to the mean, as in R's
    survival (timefix).
    """
    distinct = np.unique(times)
    gaps = np.diff(distinct)
    apart = (gaps > TOLERANCE) & (gaps > TOLERANCE * np.mean(np.abs(distinct)))
    least = distinct[np.concatenate([[True], apart])]
    rounded: Floats = least[np.searchsorted(least, times, side="right") - 1]
    return rounded
