"""What columns of predictions mean: the quantities that pages show of a head, with their words, units and decimals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.prediction import Task
from cinema_cli.reports.heads import HeadFacts
from cinema_cli.reports.render import number, unit_words, words

CM2, MM, PCT = "cm²", "mm", "%"
VALUE_DECIMALS = 1
SPREAD = "disagreement"  # of the seeds, in the last part of a column's name
LANDMARKS = (Task.HEAT_MAPS, Task.COORDINATES)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number that a head says of a study."""

    column: str
    title: str
    unit: str
    decimals: int
    in_cohort: bool  # whether the cohort's page draws its distribution


# by the column's name without the head's: words, unit, whether it is drawn for a cohort
_LONG_AXIS: Mapping[str, tuple[str, str, bool]] = {
    "lv_ed_cm2": ("LV area at ED", CM2, False),
    "lv_es_cm2": ("LV area at ES", CM2, False),
    "lv_fac_pct": ("LV fractional area change", PCT, True),
    "rv_ed_cm2": ("RV area at ED", CM2, False),
    "rv_es_cm2": ("RV area at ES", CM2, False),
    "rv_fac_pct": ("RV fractional area change", PCT, True),
    "mapse_mm": ("Way of the mitral annulus (MAPSE)", MM, True),
    "shortening_pct": ("Shortening of the long axis", PCT, True),
    "length_ed_mm": ("Long axis at ED", MM, False),
    "length_es_mm": ("Long axis at ES", MM, False),
}
_DRAWN_VOLUMES = ("lvedv_ml", "lvef_pct", "rvef_pct")
_KNOWN: Mapping[str, Quantity] = {
    p.name: Quantity(p.name, p.title, unit_words(p.unit), p.decimals, p.name in _DRAWN_VOLUMES) for p in PHENOTYPES
} | {name: Quantity(name, said, unit, VALUE_DECIMALS, drawn) for name, (said, unit, drawn) in _LONG_AXIS.items()}


def quantities(head: HeadFacts, columns: Iterable[str]) -> list[Quantity]:
    """The numbers of a head among the columns of predictions, in the order in which they are read."""
    own = {column.removeprefix(f"{head.name}_"): column for column in columns if column.startswith(f"{head.name}_")}
    if head.task is Task.CLASSIFICATION:
        return []
    if head.task is Task.REGRESSION:
        return [_value(head, column) for suffix, column in own.items() if suffix != SPREAD]
    found = [(_KNOWN[suffix], own[suffix]) for suffix in _KNOWN if suffix in own]
    return [Quantity(column, q.title, q.unit, q.decimals, q.in_cohort) for q, column in found]


def class_column(head: HeadFacts) -> str:
    """Column of the likeliest class."""
    return f"{head.name}_class"


def probabilities(head: HeadFacts, columns: Iterable[str]) -> dict[str, str]:
    """Class -> column of its probability: the columns stand in the order of the card's answers."""
    own = [column for column in columns if column.startswith(f"{head.name}_p_")]
    if len(own) == len(head.answers):
        return dict(zip(head.answers, own, strict=True))
    return {words(column.removeprefix(f"{head.name}_p_")): column for column in own}


def spreads(head: HeadFacts, columns: Iterable[str]) -> list[str]:
    """Columns that say how far the seeds of a head are apart: one, or one a landmark."""
    return [c for c in columns if c.startswith(f"{head.name}_") and c.removesuffix("_mm").endswith(f"_{SPREAD}")]


def spread_said(value: float, head: HeadFacts) -> str:
    """The spread of a head's seeds in words, its unit as the head's task has it."""
    if head.task is Task.SEGMENTATION:
        return f"{number(100 * value, decimals=1)}% of voxels"
    if head.task is Task.CLASSIFICATION:
        return number(value, decimals=2)
    unit = MM if head.task in LANDMARKS else unit_words(head.unit)
    return f"{number(value, decimals=VALUE_DECIMALS)} {unit}".rstrip()


def _value(head: HeadFacts, column: str) -> Quantity:
    return Quantity(column, head.title.split(" from ")[0] or head.name, unit_words(head.unit), VALUE_DECIMALS, True)
