"""Rows of `classification`: what they are about, and no row where there is no figure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.interval import Interval


@dataclass(frozen=True, slots=True)
class Place:
    """What rows are about."""

    term: str
    group: str
    n: int
    fewest: int = 1  # people of whom more may be said than how few they are

    def row(self, model: str, interval: Interval, *, level: str = "", events: int | None = None) -> Iterator[Estimate]:
        """A row of `classification`; none where there is no figure."""
        if isfinite(interval.estimate):
            yield Estimate(
                "classification", model=model, term=self.term, group=self.group, level=level, n=self.n, events=events,
                estimate=interval.estimate, lower=interval.lower, upper=interval.upper,
            )  # fmt: skip

    def counted_row(
        self, model: str, interval: Interval, *, level: str = "", events: int | None = None
    ) -> Iterator[Estimate]:
        """A row that follows from counts, which are multiples of `fewest`; see `coarse_confusion`."""
        for row in self.row(model, interval, level=level, events=events):
            yield replace(row, rounded=self.fewest if self.fewest > 1 else None)

    def too_few(self, model: str, reason: str) -> Estimate:
        """A row that says why there is no figure; of few people not even that all are alike."""
        said = reason if self.n >= self.fewest else f"fewer than {self.fewest} people"
        return Estimate("too_few", model=model, term=self.term, group=self.group, level=said, n=self.n)
