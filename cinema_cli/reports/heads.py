"""Heads as the pages speak of them: what their cards say, and what they reached, in words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cinema_cli.domain.cine import View
from cinema_cli.domain.prediction import Task
from cinema_cli.reports.render import count, number

_DATA_WORDS = {"acdc": "ACDC patients", "scd": "SCD (Sunnybrook) patients"}
_MEASURE_WORDS = {
    "mae": "mean absolute error",
    "bias": "bias",
    "sd": "standard deviation",
    "correlation": "correlation",
}
_UNIT_WORDS = {"ml": "ml", "g": "g", "mm": "mm", "pct": "%", "points": "points"}
_SHORT = 12  # characters of a digest that tell weights apart


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """What a head's card says, for the page; every text is printed as it is."""

    name: str
    sha256: str  # of the weights; of all files' digests where there are several
    title: str = ""
    training_data: str = ""
    intended_use: str = ""
    limits: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)  # what it reached, by name: acdc_n, acdc_dice_lv
    task: Task | None = None  # of a published head
    views: tuple[View, ...] = ()  # that a published head looks at
    answers: tuple[str, ...] = ()  # of a published head: its labels, classes, points or the name of its value
    unit: str = ""  # of its value
    weights: Mapping[str, str] = field(default_factory=dict)  # file -> its sha256, where there are several
    measures: bool = False  # the phenotypes are measured on its masks

    @property
    def call(self) -> str:
        """Title, name and digest in one line."""
        return f"{self.title or self.name} ({self.name}, {weight_words(self)})"

    @property
    def way(self) -> str:
        """How a landmark head finds its points; its name where that is not known."""
        ways = {Task.HEAT_MAPS: "heat maps", Task.COORDINATES: "coordinates"}
        return ways.get(self.task, self.name) if self.task else self.name

    @property
    def caveat(self) -> str:
        """The first three sentences of its limits."""
        return self._limits(3)

    @property
    def short_caveat(self) -> str:
        """The first sentence of its limits."""
        return self._limits(1)

    def _limits(self, n_sentences: int) -> str:
        return " ".join(re.split(r"(?<=[.!?]) +", self.limits)[:n_sentences])


def weight_words(head: HeadFacts) -> str:
    """Which weights, short: `weights sha256 ab12…`, `3 files of weights, together sha256 ab12…`."""
    n = len(head.weights)
    what = "weights" if n < 2 else f"{count(n, one='file')} of weights, together"
    return f"{what} sha256 {head.sha256[:_SHORT]}…"


def figure_sentences(figures: Mapping[str, float]) -> list[str]:
    """The figures of a head's card in words, a sentence a data set, which the first part of a name says.

    `acdc_n = 20, acdc_dice_lv = 0.93, acdc_lvef_mae = 4.1` becomes "On 20 labelled ACDC patients it was not trained
    on: Dice LV 0.93; LVEF mean absolute error 4.1 points."
    """
    groups: dict[str, dict[str, float]] = {}
    for name, value in figures.items():
        data, _, rest = name.partition("_")
        groups.setdefault(data, {})[rest] = value
    return [_figure_sentence(_DATA_WORDS.get(data, f"{data} data"), values) for data, values in groups.items()]


def _figure_sentence(data: str, values: Mapping[str, float]) -> str:
    n = values.get("n")
    who = f"{number(n, decimals=0)} labelled {data}" if n is not None else f"labelled {data}"
    dice = [f"{key.removeprefix('dice_').upper()} {v:.2f}" for key, v in values.items() if key.startswith("dice_")]
    others = [_figure_words(key, v) for key, v in values.items() if key != "n" and not key.startswith("dice_")]
    said = ([f"Dice {', '.join(dice)}"] if dice else []) + others
    return f"On {who} it was not trained on: {'; '.join(said) or 'no figure'}."


def _figure_words(key: str, value: float) -> str:
    """`lvedv_mae_ml` as LVEDV mean absolute error 5.2 ml; an error of an ejection fraction is in points."""
    parts = key.split("_")
    unit = _UNIT_WORDS[parts.pop()] if parts[-1] in _UNIT_WORDS else ""
    if not unit and parts[0].endswith("ef") and parts[-1] in {"mae", "bias", "sd"}:
        unit = "points"
    what = " ".join(_MEASURE_WORDS.get(part, part.upper()) for part in parts)
    return f"{what} {value:.3g}{' ' if unit != '%' else ''}{unit}".rstrip()
