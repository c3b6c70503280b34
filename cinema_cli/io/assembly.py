"""One study's image table to cines: every part judged, one stack chosen a view, each frame planned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from cinema_cli.domain.cine import Note, View
from cinema_cli.io.choice import Candidate, best, why_better
from cinema_cli.io.frames import plan_frames
from cinema_cli.io.keywords import MENTIONED, override, part_keyword, plane_keyword, without_exam_protocols
from cinema_cli.io.parts import Part, split_parts, to_columns
from cinema_cli.io.passes import TIME_KEYS, Columns
from cinema_cli.io.refusals import FRAME_NOTES, SORTED_BY, counted, notes_of, refusal_of
from cinema_cli.io.screening import are_given, is_flow_magnitude, is_three_plane_localizer, screen
from cinema_cli.io.spares import Aside
from cinema_cli.io.stack import Stack, are_parallel, extends_on_another_grid, join_parts
from cinema_cli.io.timing import Timing, time_stack
from cinema_cli.io.truncated import set_aside, truncated_refusal
from cinema_cli.io.views import ANOTHER_GRID, ViewGuess, another_grid, classify, is_short_axis_slice

_UNORIENTED = "the file does not say how the patient lay: slices count from base to apex as they stand in it"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a part."""

    used: bool
    view: str | None
    rule: str
    confidence: float | None
    code: str
    sentence: str
    flags: tuple[str, ...] = ()
    stack: int | None = None  # number of the stack it belongs to


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """All parts of a study with their verdicts, and the chosen cines."""

    table: Columns
    parts: tuple[Part, ...]
    verdicts: Mapping[int, Verdict]  # by part index
    chosen: Mapping[View, Candidate]
    timings: Mapping[View, Timing]


def assemble(instances: pl.DataFrame, *, overrides: Mapping[str, str], allow_missing_frames: int) -> Assembly:
    """Judge every part of one study and choose a stack for each view."""
    table = without_exam_protocols(to_columns(instances))
    parts = split_parts(table)
    forced = {part.index: said for part in parts if (said := override(part, table, overrides))}
    rejected = _screen(parts, table, forced)
    stacks = _join([part for part in parts if part.index not in rejected], table, forced)
    guesses = _guess(stacks, table, forced)
    candidates = [_candidate(s, g, table, allow_missing_frames) for s, g in zip(stacks, guesses, strict=True)]
    candidates = _with_slices_left_out(candidates)
    of_view = {view: [c for c in candidates if c.guess.view is view] for view in View}
    chosen = {view: winner for view in View if (winner := best(of_view[view]))}
    verdicts = dict(rejected)
    for number, candidate in enumerate(candidates, start=1):
        rivals = of_view[candidate.guess.view] if candidate.guess.view else []
        verdicts |= _verdicts(number, candidate, rivals, verdicts)
    verdicts = {part.index: _with_series_flags(part, parts, verdicts[part.index]) for part in parts}
    used = {view: c for view, c in chosen.items() if c.refusal is None}
    timings = {view: time_stack(c.stack, c.plan, table) for view, c in used.items()}
    return Assembly(table, parts, verdicts, used, timings)


def _screen(parts: Sequence[Part], table: Columns, forced: Mapping[int, str]) -> dict[int, Verdict]:
    """Verdicts of parts that are no cine; a view that the user forced skips all but what cannot be read."""
    by_series: dict[tuple[str, int | None], list[Part]] = {}
    for part in parts:
        by_series.setdefault((part.series_uid, part.series_number), []).append(part)
    out = {}
    for part in parts:
        said = forced.get(part.index)
        note = screen(part, parts, table)
        if said == "ignore":
            note = Note("ignored", "the views file says to ignore it")
        elif (
            note
            and note.code == "single_frame"
            and is_three_plane_localizer(by_series[part.series_uid, part.series_number])
        ):
            note = Note("localizer", "localizer: single images in three or more orientations")
        elif said and note and part.runs and part.n_frames > 1:
            note = None
        if note:
            out[part.index] = Verdict(False, None, "", None, note.code, note.sentence)
    out = {i: v for i, v in out.items() if not _cut_short(parts[i], v, parts, out)}
    phase = [part for part in parts if part.index in out and out[part.index].code == "flow"]
    for part in parts:
        if part.index not in out and part.index not in forced and is_flow_magnitude(part, phase, table):
            out[part.index] = Verdict(False, None, "", None, "flow", "the magnitude images of a flow measurement")
    return out


def _cut_short(part: Part, verdict: Verdict, parts: Sequence[Part], rejected: Mapping[int, Verdict]) -> bool:
    """Too few frames, but beside a cine of the same planes: a slice of which files are missing, or a broken-off try."""
    if verdict.code != "too_few_frames":
        return False
    return any(other.index not in rejected and other.runs and are_parallel(other, part) for other in parts)


def _join(parts: Sequence[Part], table: Columns, forced: Mapping[int, str]) -> tuple[Stack, ...]:
    """Stacks of the parts that may be cines; parts named as long-axis views are never joined with others.

    Unless they lie across the ventricle, with parallel slices enough for a stack, and only their description says so.
    A NIfTI file holds a whole stack, and may not tell where it lies beside others.
    """
    planes = {View.LAX_2C, View.LAX_3C, View.LAX_4C, "lvot"}
    alone = [
        part
        for part in parts
        if forced.get(part.index, plane_keyword(part, table)) in planes
        and (part.index in forced or not is_short_axis_slice(part, parts))
    ]
    whole = [p for p in parts if p not in alone and table["oriented"][p.rows[0]] is not None]
    together = [p for p in parts if p not in alone and p not in whole]
    stacks = (*join_parts(together, preferred=forced.keys()), *(s for part in whole for s in join_parts([part])))
    return (*stacks, *(_middle(stack) for part in alone for stack in join_parts([part])))


def _middle(stack: Stack) -> Stack:
    """The middle slice of a stack of long-axis planes: the one through the ventricle's centre as prescribed."""
    return Stack(stack.parts, (stack.runs[len(stack.runs) // 2],), ()) if len(stack.runs) > 1 else stack


def _guess(stacks: Sequence[Stack], table: Columns, forced: Mapping[int, str]) -> list[ViewGuess]:
    """View of each stack: by the user's list, else by words and geometry, less sure beside a contrast or a vessel."""
    words = [_first(plane_keyword(part, table) for part in stack.parts) for stack in stacks]
    said = [_first(forced.get(part.index) for part in stack.parts) for stack in stacks]
    other = {*MENTIONED, "aorta"}
    others = [_first(w for part in stack.parts if (w := part_keyword(part, table)) in other) for stack in stacks]
    guesses = [
        replace(guess, rule=f"{guess.rule}; its description speaks of {word}", confidence=min(guess.confidence, 0.7))
        if word
        else guess
        for guess, word in zip(classify(stacks, words), others, strict=True)
    ]
    return [
        ViewGuess(View(view), "the views file says so", 1.0, forced=True) if view else guess
        for view, guess in zip(said, guesses, strict=True)
    ]


def _first(values: Any) -> str | None:
    return next((str(v) for v in values if v), None)


def _candidate(stack: Stack, guess: ViewGuess, table: Columns, allowed: int) -> Candidate:
    plan, cut = set_aside(plan_frames(stack, table), table)
    rows = np.concatenate([run.rows for run in stack.runs])
    given = are_given(rows, table)
    refusal = refusal_of(stack, guess, plan, allowed, given=given)
    refusal = truncated_refusal(refusal, plan, cut) if guess.view else None
    notes = tuple(n for n in notes_of(stack, guess, plan) if not (given and n.code.startswith(SORTED_BY)))
    if any(oriented is False for oriented in table["oriented"][rows].tolist()):
        notes = (*notes, Note("orientation_unknown", _UNORIENTED))
    return Candidate(stack, guess, plan, refusal, notes)


def _with_slices_left_out(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates, the best short-axis stack with a note where slices beside it have another matrix or spacing."""
    sax = best([c for c in candidates if c.guess.view is View.SAX])
    beside = [c for c in candidates if sax and extends_on_another_grid(c.stack, sax.stack)]
    beside = [c for c in beside if c.guess.view is View.SAX or c.guess.code == ANOTHER_GRID]
    if sax is None or not beside:
        return list(candidates)
    n = sum(len(c.stack.runs) for c in beside)
    said = f"{counted(n, 'parallel slice')} of another matrix or spacing {'was' if n == 1 else 'were'} left out"
    note = Note("slices_left_out", f"{said}: the stack may not reach from base to apex")
    return [replace(c, notes=(*c.notes, note)) if c is sax else c for c in candidates]


def _verdicts(
    number: int, candidate: Candidate, rivals: Sequence[Candidate], known: Mapping[int, Verdict]
) -> dict[int, Verdict]:
    """Verdicts of the parts of one stack, one of `rivals` for its view; a part that is used elsewhere stays so."""
    stack, guess = candidate.stack, candidate.guess
    flags = tuple(note.code for note in candidate.notes)
    if len({part.series_uid for part in stack.parts if any(r.part == part.index for r in stack.runs)}) > 1:
        flags = (*flags, "joined_series")
    out = {}
    for part in stack.parts:
        if (old := known.get(part.index)) and old.used:
            continue
        used, code, sentence = _outcome(candidate, part, rivals)
        view = guess.view.value if guess.view and code != ANOTHER_GRID else None
        others = {SORTED_BY + key for key in TIME_KEYS} - {SORTED_BY + run.sorted_by for run in part.runs}
        own = tuple(flag for flag in flags if flag not in others and (used or flag not in FRAME_NOTES))
        out[part.index] = Verdict(used, view, guess.rule, guess.confidence, code, sentence, own, number)
    return out


def _outcome(candidate: Candidate, part: Part, rivals: Sequence[Candidate]) -> tuple[bool, str, str]:
    """(used, reason code, sentence) of a part that gives, or does not give, slices to a stack."""
    guess, stack = candidate.guess, candidate.stack
    winner = best(rivals)
    if guess.view is None or winner is None:
        return False, guess.code, guess.sentence
    if winner is not candidate:
        if guess.view is View.SAX and extends_on_another_grid(stack, winner.stack):
            return False, ANOTHER_GRID, another_grid(stack, winner.stack).sentence
        why = why_better(winner, candidate, rivals)
        return False, "repeated", f"another acquisition of {guess.view.value} {_fate(winner)}: {why}"
    if candidate.refusal:
        return False, candidate.refusal.code, candidate.refusal.sentence
    if not any(run.part == part.index for run in stack.runs):
        return False, *_why_aside(stack, part, guess.view)
    return True, "", f"used as {guess.view.value}: {_size(candidate)}"


def _why_aside(stack: Stack, part: Part, view: View) -> tuple[str, str]:
    """(reason code, sentence) of a part of which a stack uses no slice."""
    mine = [spare for spare in stack.spares if spare.run.part == part.index]
    kept = {spare.kept.part for spare in mine}
    numbers = _numbers([p for p in stack.parts if p.index in kept])
    others = f" ({numbers})" if numbers else ""
    why = next((why for why in Aside if all(spare.why is why for spare in mine)), Aside.AGAIN)
    spacing = f"{stack.spacing_mm or 0.0:.1f} mm"
    sentence = {
        Aside.AGAIN: f"its slices of {view} were acquired again: the most complete acquisition, then the latest was "
        f"used{others}",
        Aside.OFF_GRID: f"between slices of {view}{others}, which are {spacing} apart: muscle would count twice",
        Aside.BESIDE: f"at a position of {view}{others}, but its field of view lies elsewhere in the plane",
    }
    return why.value, sentence[why]


def _fate(winner: Candidate) -> str:
    """What became of the stack that has the view."""
    return f"{'was used' if winner.refusal is None else 'was preferred, though it is refused'} ({_size(winner)})"


def _size(candidate: Candidate) -> str:
    giving = {run.part for run in candidate.stack.runs}
    numbers = _numbers([part for part in candidate.stack.parts if part.index in giving])
    slices, frames = candidate.plan.rows.shape
    size = f"{counted(slices, 'slice')} x {counted(frames, 'frame')}"
    return f"{size}, {numbers}" if numbers else size


def _numbers(parts: Sequence[Part]) -> str:
    """`series number 3, 4, 5 ...` of some parts; empty where they have none."""
    numbers = sorted({part.series_number for part in parts if part.series_number is not None})
    shown = ", ".join(map(str, numbers[:3])) + (" ..." if len(numbers) > 3 else "")
    return f"series number {shown}" if numbers else ""


def _with_series_flags(part: Part, parts: Sequence[Part], verdict: Verdict) -> Verdict:
    shared = sum(other.series_uid == part.series_uid for other in parts) > 1
    return replace(verdict, flags=(*verdict.flags, "several_stacks_in_series")) if shared else verdict
