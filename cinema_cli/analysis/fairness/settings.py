"""What an audit of fairness may be asked beyond its tables."""

from dataclasses import dataclass

from cinema_cli.analysis.statistics.group_means import FEWEST, Draws
from cinema_cli.analysis.statistics.multiplicity import Multiplicity


@dataclass(frozen=True, slots=True)
class FairnessSettings:
    """Choices of an audit."""

    adjust: tuple[str, ...] = ()  # columns that adjusted gaps hold equal
    intersections: bool = False
    n_permutations: int = 1000
    n_resamples: int = 1000
    fewest: int = FEWEST  # people, or events, of whom a number is given
    multiplicity: Multiplicity = Multiplicity.BH  # of several gaps
    horizon: float | None = None  # of observed against expected; None: from the follow-up
    seed: int = 0
    jobs: int = 1  # processors

    @property
    def draws(self) -> Draws:
        """The same for the statistics."""
        return Draws(self.n_permutations, self.n_resamples, self.seed, self.fewest)
