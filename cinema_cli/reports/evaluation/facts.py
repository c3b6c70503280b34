"""What the pages of an evaluation know of their run beside the estimates, and the studies that went worst."""

from dataclasses import dataclass

from markupsafe import Markup

from cinema_cli.reports.analysis.facts import InputFile

WORST_PAGE = "individual/worst.html"  # beside the report


@dataclass(frozen=True, slots=True)
class EvaluationFacts:
    """The run that a page of evaluation reports. All text is printed as it is; "" is left out."""

    version: str  # of cinema
    cohort_name: str = ""
    system: str = ""  # what predicted, for a reader: "SAX segmentation, CineMA"; "" says "this system"
    against: str = ""  # the other system; "" where there is none
    reference: str = ""  # what it is compared with, for a reader: "manual contours of two readers"
    labels: str = ""  # name of the reference's label map
    repeats: str = ""  # what a repeated measurement is: "two sessions a participant"; "" where there are none
    groups: tuple[str, ...] = ()  # columns
    min_cell: int = 10
    suppressed: bool = True  # whether disclosure control was applied
    seed: int = 0
    n_resamples: int = 0  # of the bootstrap; 0: none was run
    command: str = ""  # as typed, without paths that identify
    started: str = ""  # UTC, text
    finished: str = ""  # UTC, text
    versions: tuple[tuple[str, str], ...] = ()  # ("numpy", "2.1.0"), ...
    inputs: tuple[InputFile, ...] = ()
    options: tuple[tuple[str, str], ...] = ()  # every other choice, name and value

    @property
    def this(self) -> str:
        """The system in words."""
        return self.system or "this system"


@dataclass(frozen=True, slots=True)
class WorstCase:
    """What a study is among the worst for."""

    metric: str  # dice, hd95_mm, ... as in the estimates
    term: str  # lv, lvef_pct, ...
    frame: str = ""  # ed, es, ...
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """How well both masks of a structure agree; None where that is not defined."""

    term: str
    dice: float | None
    hd95_mm: float | None


@dataclass(frozen=True, slots=True)
class WorstView:
    """One frame of a study in pictures."""

    frame: str
    place: str  # which slice is shown, in words
    pictures: tuple[Markup, ...]  # see worst.comparison
    scores: tuple[Score, ...] = ()
    note: str = ""  # a sentence on what is missing


@dataclass(frozen=True, slots=True)
class WorstStudy:
    """One study far from its reference: data of a person, for the page in `individual/` only."""

    participant: str  # as printed, with the session where there are several
    cases: tuple[WorstCase, ...]
    link: str = ""  # path of the study's page from individual/; "" where there is none
    views: tuple[WorstView, ...] = ()
