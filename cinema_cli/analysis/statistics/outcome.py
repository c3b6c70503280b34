"""Time to an event: what every statistic of survival begins with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int64] | NDArray[np.bool_]
CENSORED, EVENT, COMPETING = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Observed times, any unit, of `n` people or of intervals of people: right-censored, entered late where said.

    `event` is 0 (censored), 1 (the event) or 2 (a competing event). Someone is at risk in (entry, time].
    """

    time: Floats  # (n,)
    event: Ints  # (n,)
    entry: Floats | None = None  # (n,); None: everybody is there from the beginning

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.time)

    @property
    def n_events(self) -> int:
        """Rows that end with the event."""
        return int(np.count_nonzero(self.event == EVENT))

    def take(self, rows: Rows) -> "Outcome":
        """Some of the rows, in the order given."""
        return Outcome(self.time[rows], self.event[rows], None if self.entry is None else self.entry[rows])

    def cause_specific(self) -> "Outcome":
        """The same with competing events as censorings."""
        return Outcome(self.time, np.where(self.event == EVENT, EVENT, CENSORED).astype(np.int64), self.entry)
