"""The participant flow: how many series and studies were found, used, analysed, and what left on the way, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from cinema_cli.reports.figures import line, svg, text
from cinema_cli.reports.outliers import Study, flag_words
from cinema_cli.reports.render import count, number, percent, words


@dataclass(frozen=True, slots=True)
class FlowStep:
    """A box of the participant flow: what, how many, and what left on the way to it."""

    title: str
    n: str
    left_title: str = ""
    left: tuple[str, ...] = ()


def flow(steps: Sequence[FlowStep], *, title: str) -> Markup:
    """Participant flow from top to bottom; what leaves goes to the right, with reasons."""
    width, gap, box = 720.0, 26.0, 54.0
    parts, top, bottom = [], 2.0, 0.0
    for k, step in enumerate(steps):
        tall = max(box, 27.0 + 16.0 * len(step.left)) if step.left_title else box
        if k:
            parts.append(_arrow(165.0, bottom, 165.0, top))
        bottom = top + box
        parts += [
            f'<rect x="10" y="{top:.1f}" width="310" height="{box:.1f}" rx="6" class="box"/>',
            text(26, top + 23, step.title, css="box-title"),
            text(26, top + 42, step.n, css="box-n"),
        ]
        if step.left_title:
            parts += [
                _arrow(320.0, top + 20, 372.0, top + 20),
                f'<rect x="372" y="{top:.1f}" width="338" height="{tall:.1f}" rx="6" class="box-out"/>',
                text(386, top + 20, step.left_title, css="box-title"),
                *(text(386, top + 38 + 16 * i, reason, css="box-reason") for i, reason in enumerate(step.left)),
            ]
        top += tall + gap
    return svg(width, top - gap + 2, *parts, title=title, css="flow")


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    head = (
        f"M{x2 - 4:.1f} {y2 - 7:.1f}L{x2:.1f} {y2:.1f}L{x2 + 4:.1f} {y2 - 7:.1f}"
        if x1 == x2
        else f"M{x2 - 7:.1f} {y2 - 4:.1f}L{x2:.1f} {y2:.1f}L{x2 - 7:.1f} {y2 + 4:.1f}"
    )
    return line(x1, y1, x2, y2, css="arrow") + f'<path d="{head}" class="arrow"/>'


def participant_flow(
    everyone: Sequence[Study], *, series: pl.DataFrame, failures: pl.DataFrame, n_files: int | None
) -> Markup:
    """From series found to studies without a flag, as SVG; what leaves at a step stands beside it with its reasons."""
    done = [s for s in everyone if not s.failed]
    flagged = [s for s in done if s.flags]
    failed = len(everyone) - len(done)
    people = len({s.participant_id for s in everyone})
    found = count(series.height, one="series", many="series")
    if n_files is not None:
        found += f" in {count(n_files, one='file')}"
    n_used = series.filter(pl.col("verdict") == "used").height if "verdict" in series.columns else 0
    steps = [
        FlowStep("Found", found, *_left_series(series)),
        FlowStep("Series used", count(n_used, one="series", many="series")),
        FlowStep(
            "Studies",
            f"{count(len(everyone), one='study', many='studies')} of {count(people, one='participant')}",
            *_left_failures(failures, failed),
        ),
        FlowStep(
            "Analysed",
            f"{count(len(done), one='study', many='studies')} ({percent(len(done), len(everyone))})",
            *_left_flags(flagged),
        ),
        FlowStep("Without any flag", count(len(done) - len(flagged), one="study", many="studies")),
    ]
    return flow(steps, title="Participant flow from series found to studies without a quality flag")


def _left_series(series: pl.DataFrame) -> tuple[str, tuple[str, ...]]:
    rejected = rejected_by_reason(series)
    n = sum(int(k) for k, _ in rejected)
    return (f"Rejected: {count(n, one='series', many='series')}", _top(rejected)) if n else ("", ())


def _left_failures(failures: pl.DataFrame, failed: int) -> tuple[str, tuple[str, ...]]:
    if not failed:
        return "", ()
    groups = _counts(failures, ["stage", "code"]) if {"stage", "code"} <= set(failures.columns) else []
    reasons = [(n, f"{words(stage)}: {words(code)}") for n, (stage, code) in groups]
    return f"Failed: {count(failed, one='study', many='studies')}", _top(reasons)


def _left_flags(flagged: Sequence[Study]) -> tuple[str, tuple[str, ...]]:
    if not flagged:
        return "", ()
    names = pl.DataFrame({"flag": [f for s in flagged for f in s.flags]}, schema={"flag": pl.String})
    reasons = [(n, flag_words(flag)) for n, (flag,) in _counts(names, ["flag"])]
    return f"Flagged: {count(len(flagged), one='study', many='studies')}", _top(reasons)


def _top(reasons: Sequence[tuple[int, str]], most: int = 5) -> tuple[str, ...]:
    """The commonest reasons as lines of a flow box, the rest as one line."""
    shown = [f"{number(n, decimals=0)} × {_short(said)}" for n, said in reasons[:most]]
    rest = sum(n for n, _ in reasons[most:])
    return (*shown, f"{number(rest, decimals=0)} × other reasons") if rest else tuple(shown)


def _short(said: str, most: int = 46) -> str:
    return said if len(said) <= most else said[: most - 1].rstrip() + "…"


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
