"""The participant flow: how many series and studies were found, used, analysed, and what left on the way, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from cinema_cli.io.ledger import Status
from cinema_cli.reports.outliers import Study, flag_words
from cinema_cli.reports.render import count, number, percent, words


@dataclass(frozen=True, slots=True)
class Left:
    """What left on the way to a step: how many, and the reasons."""

    title: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlowStep:
    """A box of the participant flow: what, how many, and what left on the way from it."""

    title: str
    n: str
    left: tuple[Left, ...] = ()


def participant_flow(
    everyone: Sequence[Study], *, series: pl.DataFrame, failures: pl.DataFrame, n_files: int | None
) -> list[FlowStep]:
    """From series found to studies without a flag; what leaves at a step stands beside it with its reasons."""
    done = [s for s in everyone if s.analysed]
    flagged = [s for s in done if s.flags]
    people = len({s.participant_id for s in everyone})
    found = count(series.height, one="series", many="series")
    if n_files is not None:
        found += f" in {count(n_files, one='file')}"
    n_used = series.filter(pl.col("verdict") == "used").height if "verdict" in series.columns else 0
    return [
        FlowStep("Found", found, _left_series(series)),
        FlowStep("Series used", count(n_used, one="series", many="series")),
        FlowStep(
            "Studies",
            f"{count(len(everyone), one='study', many='studies')} of {count(people, one='participant')}",
            (*_left_failures(failures, everyone), *_left_waiting(everyone)),
        ),
        FlowStep(
            "Analysed",
            f"{count(len(done), one='study', many='studies')} ({percent(len(done), len(everyone))})",
            _left_flags(flagged),
        ),
        FlowStep("Without any flag", count(len(done) - len(flagged), one="study", many="studies")),
    ]


def _left_series(series: pl.DataFrame) -> tuple[Left, ...]:
    rejected = rejected_by_reason(series)
    n = sum(int(k) for k, _ in rejected)
    return (Left(f"Rejected: {count(n, one='series', many='series')}", _top(rejected)),) if n else ()


def _left_failures(failures: pl.DataFrame, everyone: Sequence[Study]) -> tuple[Left, ...]:
    n = sum(s.status is Status.FAILED for s in everyone)
    if not n:
        return ()
    groups = _counts(failures.filter(status=Status.FAILED), ["stage", "code"])
    reasons = [(k, f"{words(stage)}: {words(code)}") for k, (stage, code) in groups]
    return (Left(f"Failed: {count(n, one='study', many='studies')}", _top(reasons)),)


def _left_waiting(everyone: Sequence[Study]) -> tuple[Left, ...]:
    n = sum(s.status is Status.NOT_RUN for s in everyone)
    title = f"Not reached: {count(n, one='study', many='studies')}"
    return (Left(title, ("the run stopped before them",)),) if n else ()


def _left_flags(flagged: Sequence[Study]) -> tuple[Left, ...]:
    if not flagged:
        return ()
    names = pl.DataFrame({"flag": [f for s in flagged for f in s.flags]}, schema={"flag": pl.String})
    reasons = [(n, flag_words(flag)) for n, (flag,) in _counts(names, ["flag"])]
    return (Left(f"Flagged: {count(len(flagged), one='study', many='studies')}", _top(reasons)),)


def _top(reasons: Sequence[tuple[int, str]], most: int = 5) -> tuple[str, ...]:
    """The commonest reasons as lines of a flow box, the rest as one line."""
    shown = [f"{number(n, decimals=0)} × {said}" for n, said in reasons[:most]]
    rest = sum(n for n, _ in reasons[most:])
    return (*shown, f"{number(rest, decimals=0)} × other reasons") if rest else tuple(shown)


def _counts(table: pl.DataFrame, by: list[str]) -> list[tuple[int, tuple[str, ...]]]:
    """How many rows share the values of `by`, commonest first, ties in the order of the values."""
    groups = table.select(pl.col(by).cast(pl.String).fill_null("")).group_by(by).len()
    ordered = groups.sort(["len", *by], descending=[True, *([False] * len(by))])
    return [(int(row[-1]), tuple(row[:-1])) for row in ordered.iter_rows()]


def rejected_by_reason(series: pl.DataFrame) -> list[tuple[int, str]]:
    """Reasons of rejected series with their numbers."""
    if "verdict" not in series.columns:
        return []
    column = next((c for c in ("reason_code", "code", "reason") if c in series.columns), None)
    out = series.filter(pl.col("verdict") != "used")
    if column is None:
        return [(out.height, "no reason recorded")] if out.height else []
    return [(n, words(code) or "no reason recorded") for n, (code,) in _counts(out, [column])]
