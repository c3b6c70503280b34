"""What a survival analysis may be asked beyond its table."""

from dataclasses import dataclass
from enum import StrEnum

from cinema_cli.analysis.statistics.multiplicity import Multiplicity
from cinema_cli.analysis.statistics.outcome import Floats


class Per(StrEnum):
    """What a hazard ratio of a phenotype is per: its standard deviation, or one unit."""

    SD = "sd"
    UNIT = "unit"


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """A vector of the backbone for each row of the analysis table."""

    vectors: Floats  # (rows, width); rows without one are missing
    name: str


@dataclass(frozen=True, slots=True)
class SurvivalSettings:
    """Choices of an analysis. `horizon` is in the table's unit of time; None: chosen from the follow-up."""

    per: Per = Per.SD
    horizon: float | None = None
    n_resamples: int | None = None  # of the bootstrap; None: by the number of rows
    n_imputations: int = 0  # 0: complete cases
    forest: bool = False
    multiplicity: Multiplicity = Multiplicity.BH  # of several phenotypes
    seed: int = 0
    jobs: int = 1  # processors
