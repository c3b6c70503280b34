"""What is compared between groups, in words, and which section of the page it belongs to."""

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.metrics import Metric, metric_of, target_of, unit_words_of
from cinema_cli.reports.analysis.words import listed, title_of
from cinema_cli.reports.render import words

AND = " & "
SIZES = ("people", "unknown")
LOSSES = ("failed", "missing", "flagged", "disagreement", "no_reference", "no_prediction", "no_outcome")
FOLLOWED = ("c_index", "concordance", "observed_expected", "calibration_slope", "hazard_ratio")
RATIOS = ("observed_expected", "hazard_ratio", "calibration_slope")  # 1 is right, or no effect
_ALONE = ("failed", "no_reference", "no_prediction", "no_outcome")  # whose term says nothing more
_ABSOLUTE = {"volume_error_ml": "volume_absolute_error_ml"}  # here the mean over people of the size of the error


def figure_of(model: str) -> Metric:
    """The metric of a model as this page has it."""
    return metric_of(_ABSOLUTE.get(model, model))


def unit_of_row(row: Estimate) -> str:
    """The unit of a row as printed."""
    return unit_words_of(figure_of(row.model), row.term)


def of_words(row: Estimate) -> str:
    """What the metric of a row is of; "" where the metric says it."""
    if row.model in _ALONE:
        return ""
    if row.model == "flagged":
        return words(row.term)
    return ", ".join(w for w in (target_of(row.term), words(row.unit) if row.model == "disagreement" else "") if w)


def named(row: Estimate) -> str:
    """`Dice, RV cavity`."""
    return ", ".join(w for w in (figure_of(row.model).title, of_words(row)) if w)


def column_words(column: str) -> str:
    """`sex`, `sex and site`."""
    return listed([title_of(part) for part in column.split(AND)])


def column_of(group: str) -> str:
    """The column of a group: `sex=F & site=north` is of `sex & site`."""
    return AND.join(part.partition("=")[0] for part in group.split(AND)) if group else ""


def value_words(group: str) -> str:
    """The value of a group alone: `F`, `F, north`."""
    return ", ".join(part.partition("=")[2] or part for part in group.split(AND))


def group_words(group: str) -> str:
    """`sex = F and site = north`."""
    return listed([title_of(part) for part in group.split(AND)])
