"""Say in words why the coefficients of a regression cannot be estimated: constant, collinear, separated columns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.domain.errors import NotEstimableError

COLLINEAR = 1e-10  # share of a column's information that the other columns leave
SEPARATED = 0.01  # log hazard over the range of a column, still gained by a Newton step after convergence


def refuse_constant(x: Floats, names: Sequence[str]) -> None:
    """Raise where a column of (p, n) is the same in everybody."""
    low, high = x.min(axis=1), x.max(axis=1)
    same = high - low <= 1e-12 * np.maximum(np.abs(low), np.abs(high))
    if same.any():
        raise _not_estimable(_those(same, names), "{} the same in everybody who is at risk")


def refuse_without_events(x: Floats, died: Ints, names: Sequence[str]) -> None:
    """Raise where all events lie at one end of a column of (p, m); `died` are positions among the m."""
    low, high = x.min(axis=1), x.max(axis=1)
    first, last = x[:, died].min(axis=1), x[:, died].max(axis=1)
    at_end = (last == low) | (first == high)
    for j in np.flatnonzero(at_end).tolist():
        is_level = low[j] == 0 and high[j] == 1 and np.all((x[j] == 0) | (x[j] == 1))
        raise NotEstimableError(
            _where_no_events(names[j], is_level=bool(is_level), at_low=bool(last[j] == low[j])),
            hint="Leave it out, or merge levels.",
        )


def refuse_collinear(information: Floats, events: float, names: Sequence[str]) -> None:
    """Raise where the information (p, p) of columns of unit variance does not tell them apart."""
    own = np.diag(information)
    empty = own <= COLLINEAR * events
    if empty.any():
        raise _not_estimable(_those(empty, names), "{} the same in all who are at risk together when events happen")
    found = dependent(information / np.sqrt(np.outer(own, own)))
    if found is not None:
        column, others = found
        raise NotEstimableError(
            f"{names[column]} follows from {_listed([names[j] for j in others])} (collinear): "
            "separate hazard ratios are not estimable",
            hint="Leave one of them out.",
        )


def dependent(correlation: Floats) -> tuple[int, list[int]] | None:
    """The first column that is a linear combination of earlier ones, and these; from a matrix with diagonal 1."""
    if not len(correlation) or np.linalg.eigvalsh(correlation)[0] > COLLINEAR:
        return None
    for j in range(1, len(correlation)):
        shares = np.linalg.solve(correlation[:j, :j], correlation[:j, j])
        if 1 - correlation[:j, j] @ shares <= COLLINEAR:
            return j, np.flatnonzero(np.abs(shares) > 1e-4).tolist()
    return None


def refuse_separated(step: Floats, reach: Floats, names: Sequence[str]) -> None:
    """Raise where a further Newton step (p,) over the reach (p,) of a column still moves a coefficient."""
    endless = ~(np.abs(step) * reach < SEPARATED)
    if endless.any():
        which = _those(endless, names)
        raise NotEstimableError(
            f"{_listed(which)} separate{'s' if len(which) == 1 else ''} those with the event from those without: "
            f"{_ratios(which)} infinite and not estimable",
            hint="Leave it out, or merge levels.",
        )


def _where_no_events(name: str, *, is_level: bool, at_low: bool) -> str:
    end = "its hazard ratio is not estimable"
    if not is_level:
        return f"all events are at one end of {name}: {end}"  # at which, would tell of those few people
    if "=" in name:
        return f"{'no events' if at_low else 'all events are'} in {name}: {end}"
    return f"no events where {name} is {1 if at_low else 0}: {end}"


def _not_estimable(which: list[str], reason: str) -> NotEstimableError:
    verb = "is" if len(which) == 1 else "are"
    return NotEstimableError(
        f"{_listed(which)} {reason.format(verb)}: {_ratios(which)} not estimable", hint="Leave it out."
    )


def _ratios(which: list[str]) -> str:
    return "its hazard ratio is" if len(which) == 1 else "their hazard ratios are"


def _those(mask: NDArray[np.bool_], names: Sequence[str]) -> list[str]:
    return [name for name, is_one in zip(names, mask, strict=True) if is_one]


def _listed(which: Sequence[str]) -> str:
    return which[0] if len(which) == 1 else f"{', '.join(which[:-1])} and {which[-1]}"
