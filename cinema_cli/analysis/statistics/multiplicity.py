"""P values adjusted for how many were looked at, equal to R's p.adjust."""

from enum import StrEnum

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats


class Multiplicity(StrEnum):
    """How p values are adjusted for how many there are."""

    BH = "bh"
    BY = "by"
    HOLM = "holm"
    BONFERRONI = "bonferroni"

    @property
    def words(self) -> str:
        """Its name in a sentence."""
        return {"bh": "Benjamini-Hochberg", "by": "Benjamini-Yekutieli"}.get(self, self.capitalize())

    @property
    def controls(self) -> str:
        """What it controls."""
        return "the false discovery rate" if self in {"bh", "by"} else "the family-wise error rate"


def adjusted(p: Floats, method: Multiplicity) -> Floats:
    """P values (k,) adjusted for their number, in their order."""
    by_method = {
        Multiplicity.BH: benjamini_hochberg,
        Multiplicity.BY: benjamini_yekutieli,
        Multiplicity.HOLM: holm,
        Multiplicity.BONFERRONI: bonferroni,
    }
    return by_method[method](p)


def bonferroni(p: Floats) -> Floats:
    """Family-wise error, whatever the dependence; p (k,) in any order."""
    return np.minimum(1.0, p * len(p))


def holm(p: Floats) -> Floats:
    """Family-wise error, step down (Holm 1979); never above Bonferroni."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _in_place(np.minimum(1.0, steps), order)


def benjamini_hochberg(p: Floats) -> Floats:
    """False discovery rate of independent or positively dependent tests (Benjamini and Hochberg 1995)."""
    return _step_up(p, 1.0)


def benjamini_yekutieli(p: Floats) -> Floats:
    """False discovery rate whatever the dependence (Benjamini and Yekutieli 2001)."""
    return _step_up(p, float(np.sum(1.0 / np.arange(1, len(p) + 1))))


def _step_up(p: Floats, factor: float) -> Floats:
    order = np.argsort(p, kind="stable")[::-1]
    steps = np.minimum.accumulate(p[order] * (factor * len(p)) / np.arange(len(p), 0, -1))
    return _in_place(np.minimum(1.0, steps), order)


def _in_place(values: Floats, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
    out = np.empty(len(values))
    out[order] = values
    return out
