"""What a page of survival knows of its run beside the estimates: choices and names, never a number of people."""

from dataclasses import dataclass

from cinema_cli.analysis.statistics.multiplicity import Multiplicity
from cinema_cli.reports.analysis.facts import InputFile


@dataclass(frozen=True, slots=True)
class SurvivalFacts:
    """The run that a page of survival reports. All text is printed as it is; "" is left out."""

    version: str  # of cinema
    outcome: str  # column of the event
    outcome_words: str = ""  # what it is, for a reader: "heart failure"; "" prints the column
    cohort_name: str = ""
    time_unit: str = "years"
    horizon: float | None = None  # in time_unit
    per: str = "sd"  # what a hazard ratio of a phenotype is per: "sd" or "unit"
    phenotypes: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    cluster: str = ""
    few_clusters: str = ""  # how many there are, where they are few for robust errors: "4"
    weights: str = ""
    competing: str = ""  # column or words of the competing event
    entry: bool = False  # whether people enter observation late, so that time 0 need not be its beginning
    min_cell: int = 10
    suppressed: bool = True  # whether disclosure control was applied
    multiplicity: Multiplicity = Multiplicity.BH  # how q values allow for several phenotypes
    seed: int = 0
    n_resamples: int = 0  # of the bootstrap; 0: none was run
    n_imputations: int = 0  # 0: complete cases
    command: str = ""  # as typed, without paths that identify
    started: str = ""  # UTC, text
    finished: str = ""  # UTC, text
    versions: tuple[tuple[str, str], ...] = ()  # ("numpy", "2.1.0"), ...
    inputs: tuple[InputFile, ...] = ()
    options: tuple[tuple[str, str], ...] = ()  # every other choice, name and value

    @property
    def event(self) -> str:
        """The outcome in words."""
        return self.outcome_words or self.outcome
