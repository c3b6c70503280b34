"""Section 4 of the page, second part: whether hazards are proportional and effects straight."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.effect_charts import Smooth, smooth_ratio
from cinema_cli.reports.analysis.rows import Rows, at
from cinema_cli.reports.analysis.words import (
    axis_words,
    bare_model,
    cases_of,
    model_words,
    p_said,
    p_words,
    title_of,
)
from cinema_cli.reports.render import number
from cinema_cli.reports.survival.facts import SurvivalFacts

LIMIT = 0.05  # p of a test below which its curve is shown unfolded
SHOWN = 6  # small figures that are not folded
TESTS_SHOWN = 14  # more tests than these are folded, but for those in doubt


@dataclass(frozen=True, slots=True)
class Plot:
    """A small figure with its title and what is said of it."""

    title: str
    plot: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class ProportionalRow:
    """The tests of one model: of its phenotype and of all terms."""

    model: str
    term: str
    chi_squared: str
    df: str
    p: str
    doubtful: bool


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Tests and curves of the two assumptions; the folded ones are those without a reason to look at first."""

    tests: tuple[ProportionalRow, ...]  # of phenotypes and GLOBAL, and of other terms in doubt
    other_tests: tuple[ProportionalRow, ...]
    effects: tuple[Plot, ...]
    effects_folded: tuple[Plot, ...]
    splines: tuple[Plot, ...]
    splines_folded: tuple[Plot, ...]


def assumptions_section(rows: Rows, facts: SurvivalFacts) -> Assumptions:
    """Words and figures of the section."""
    shown, others = _tests(rows.of("proportional_hazards"))
    doubtful, calm = _effects(rows)
    splines = [_spline(rows, term) for term in _by_p(rows)]
    return Assumptions(
        tests=tuple(_proportional_row(row, facts) for row in shown),
        other_tests=tuple(_proportional_row(row, facts) for row in others),
        effects=tuple(_effect(rows, facts, key) for key in doubtful),
        effects_folded=tuple(_effect(rows, facts, key) for key in calm),
        splines=tuple(splines[:SHOWN]),
        splines_folded=tuple(splines[SHOWN:]),
    )


def _model_of(row: Estimate, facts: SurvivalFacts) -> str:
    """The phenotype whose model it is, else the model."""
    if row.group or (bare_model(row.model) in {"adjusted", "unadjusted"} and row.term in facts.phenotypes):
        return f"{title_of(row.group or row.term)}{cases_of(row.model)}"
    return model_words(row.model)


def _proportional_row(row: Estimate, facts: SurvivalFacts) -> ProportionalRow:
    return ProportionalRow(
        model=_model_of(row, facts),
        term="All terms (GLOBAL)" if row.term == "GLOBAL" else title_of(row.term),
        chi_squared=number(row.estimate, decimals=2),
        df=row.level,
        p=p_words(row.p),
        doubtful=_in_doubt(row),
    )


def _tests(tests: Sequence[Estimate]) -> tuple[list[Estimate], list[Estimate]]:
    """Tests to show, and those to fold.

    Shown are phenotypes and GLOBAL, where these are many only those in doubt; and each covariate in doubt, once.
    """
    main = [row for row in tests if _is_main(row)]
    shown = main if len(main) <= TESTS_SHOWN else [row for row in main if _in_doubt(row)]
    doubtful = sorted((r for r in tests if not _is_main(r) and _in_doubt(r)), key=lambda r: r.p or 0.0, reverse=True)
    shown += {row.term: row for row in doubtful}.values()  # of each, the one with the smallest p
    return [row for row in tests if row in shown], [row for row in tests if row not in shown]


def _is_main(row: Estimate) -> bool:
    """Whether a test is of the phenotype of its model, or of all terms."""
    return row.term == "GLOBAL" or (row.model not in {"clinical", "clinical_cmr"} and row.group in {"", row.term})


def _in_doubt(row: Estimate | None) -> bool:
    return row is not None and row.p is not None and row.p < LIMIT


Key = tuple[str, str, str]  # model, phenotype whose model it is, term


def _effects(rows: Rows) -> tuple[list[Key], list[Key]]:
    """Terms whose effect over time is drawn: in doubt, the clearest first, and the other phenotypes.

    A covariate stands in the model of every phenotype: it is drawn once, from the model with the smallest p.
    """
    points = Counter((r.model, r.group, r.term) for r in rows.of("schoenfeld") if r.estimate is not None)
    tests = {(r.model, r.group, r.term): r for r in rows.of("proportional_hazards")}
    drawn = [key for key, n in points.items() if n > 1]
    doubtful = sorted((key for key in drawn if _in_doubt(tests.get(key))), key=lambda key: tests[key].p or 0.0)
    once = {key[2]: key for key in reversed(doubtful)}
    others = [key for key in drawn if key not in doubtful and key[1] in {key[2], ""}]
    return [key for key in doubtful if once[key[2]] == key], others


def _effect(rows: Rows, facts: SurvivalFacts, key: Key) -> Plot:
    model, group, term = key
    test = rows.one("proportional_hazards", model=model, group=group, term=term)
    average = rows.one("cox", model=model, term=term, group="" if term == group else group)
    curve = _smooth(rows.of("schoenfeld", model=model, group=group, term=term), exponential=True)
    plot = smooth_ratio(
        curve,
        x_title=f"time, {facts.time_unit}",
        y_title="hazard ratio",
        average=average.estimate if average is not None else None,
        title=f"Hazard ratio of {title_of(term)} over time, smoothed, with that of the model",
    )
    where = "" if term == group or not group else f" in the model of {title_of(group)}"
    said = f"Proportional hazards: {p_said(test.p)}." if test is not None else ""
    return Plot(f"{title_of(term)}{where}{cases_of(model)}", plot, said)


def _smooth(points: Sequence[Estimate], *, exponential: bool = False) -> Smooth:
    """The points of a curve in order of x; those without a value are left out."""
    known = sorted((r for r in points if r.estimate is not None and math.isfinite(at(r))), key=at)
    columns = [[math.nan if v is None else v for v in (r.estimate, r.lower, r.upper)] for r in known]
    y, lower, upper = np.array(columns, dtype=np.float64).reshape(-1, 3).T
    if exponential:
        y, lower, upper = (np.exp(np.clip(v, -50.0, 50.0)) for v in (y, lower, upper))
    return Smooth(np.array([at(r) for r in known]), y, lower, upper)


def _by_p(rows: Rows) -> list[str]:
    """Phenotypes with a spline, the most curved first."""

    def rank(term: str) -> float:
        test = rows.one("nonlinearity", term=term)
        return 2.0 if test is None or test.p is None else test.p

    known = Counter(row.term for row in rows.of("spline") if row.estimate is not None)
    return sorted((term for term, points in known.items() if points > 1), key=rank)


def _spline(rows: Rows, term: str) -> Plot:
    test, points = rows.one("nonlinearity", term=term), rows.of("spline", term=term)
    plot = smooth_ratio(
        _smooth(points),
        x_title=axis_words(term),
        y_title="hazard ratio",
        title=f"Hazard ratio over {title_of(term)} against its median, with 95% confidence limits",
    )
    said = "" if test is None else f"Departure from a straight line: {p_said(test.p)}."
    return Plot(f"{title_of(term)}{cases_of(points[0].model)}", plot, said)
