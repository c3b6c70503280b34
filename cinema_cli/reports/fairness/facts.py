"""What a page of fairness knows of its run beside the estimates."""

from dataclasses import dataclass

from cinema_cli.analysis.statistics.multiplicity import Multiplicity
from cinema_cli.reports.analysis.facts import InputFile


@dataclass(frozen=True, slots=True)
class FairnessFacts:
    """The run that a page of fairness reports. All text is printed as it is; "" is left out."""

    version: str  # of cinema
    cohort_name: str = ""
    groups: tuple[str, ...] = ()  # columns whose groups are compared
    covariates: tuple[str, ...] = ()  # that adjusted gaps hold equal
    reference: str = ""  # what predictions are compared with, for a reader; "" where there is none
    outcome: str = ""  # the event in words; "" where there is none
    horizon: float | None = None  # of observed against expected events, in time_unit
    time_unit: str = "years"
    n_permutations: int = 0
    n_resamples: int = 0
    multiplicity: Multiplicity = Multiplicity.BH  # how q values allow for several tests
    min_cell: int = 10
    suppressed: bool = True  # whether disclosure control was applied
    seed: int = 0
    command: str = ""  # as typed, without paths that identify
    started: str = ""  # UTC, text
    finished: str = ""  # UTC, text
    versions: tuple[tuple[str, str], ...] = ()
    inputs: tuple[InputFile, ...] = ()
    options: tuple[tuple[str, str], ...] = ()  # every other choice, name and value
