"""What is compared between groups: a number for each person, and which way is better."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.group_gaps import Better
from cinema_cli.analysis.statistics.outcome import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A metric whose figure in a group is the mean over its people."""

    model: str  # name of the metric: dice, mae, failed, ...
    term: str  # of what: lv, lvef_pct, a check, ...
    better: Better
    values: Floats  # (people,) nan where it is not known
    is_share: bool = False  # whether values are 0 or 1
    unit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class RankMetric:
    """The area under the ROC curve of a score."""

    term: str
    score: Floats  # (people,) nan where it is not known
    positive: NDArray[np.bool_]  # (people,)
    model: str = "auc"
    better: Better = Better.HIGHER
    unit: str = ""
