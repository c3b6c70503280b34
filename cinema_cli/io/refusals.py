"""Why a stack of a known view cannot be used, and what a reader should know of one that is."""

from collections import Counter
from collections.abc import Sequence

from cinema_cli.domain.cine import Note, View
from cinema_cli.io.frames import FramePlan
from cinema_cli.io.parts import MIN_STACK_SLICES
from cinema_cli.io.passes import MIN_FRAMES
from cinema_cli.io.screening import NOTHING_ORDERS
from cinema_cli.io.spares import Aside
from cinema_cli.io.stack import (
    LV_AXIS_LPS,
    Stack,
    beside_mm,
    missing_slices,
    overlaps_unevenly,
    uneven_spacing_mm,
)
from cinema_cli.io.views import DOUBTFUL, ViewGuess

MOST_LOST_OF_SLICE = 0.25  # with more of its frames missing, a slice cannot be interpolated, whatever is allowed
SURE_ORDER = 0.5  # cosine to the usual LV axis above which the base is the right, posterior, superior end

FRAME_NOTES = ("interpolated_frames", "resampled_frames", "duplicates_dropped", "unplaced_ignored")
"""Codes of what is done only to a stack that is used."""
SORTED_BY = "sorted_by_"  # notes that start so are of single series; the others are of the whole stack

_PLURAL = {
    "has": "have",
    "is": "are",
    "was": "were",
    "lies": "lie",
    "shows": "show",
    "repeats": "repeat",
    "lacks": "lack",
}


def counted(n: int, noun: str, verb: str = "") -> str:
    """`1 frame is`, `2 frames are`: a number with its noun and verb."""
    words = [f"{n} {noun}" + ("" if n == 1 else "s"), verb if n == 1 else _PLURAL.get(verb, verb)]
    return " ".join(word for word in words if word)


def refusal_of(stack: Stack, guess: ViewGuess, plan: FramePlan, allowed: int, *, given: bool = False) -> Note | None:
    """Why a stack of a known view cannot be used; `given`: it is of single frames, see `screening.are_given`."""
    if guess.view is View.SAX and len(stack.runs) < MIN_STACK_SLICES:
        said = f"{counted(len(stack.runs), 'short-axis slice')}; a volume needs {MIN_STACK_SLICES}"
        return Note("too_few_slices", said)
    if (refusal := _no_grid(stack)) is not None:
        return refusal
    if plan.rows.shape[1] < MIN_FRAMES and not given:
        return Note("too_few_frames", f"{plan.rows.shape[1]} frames; a cine needs {MIN_FRAMES} to show end-systole")
    if plan.unlike:
        said = f"{_own_frames(stack, plan.unlike)}, the others {plan.rows.shape[1]}"
        return Note("unequal_frames", f"{said}: too different to be brought onto one cycle")
    if plan.surplus:
        counts = sorted({run.n_frames for run in stack.runs})
        return Note(
            "unequal_frames", f"slices have different numbers of frames {counts}: two acquisitions may share one series"
        )
    if unordered := [s + 1 for s, run in enumerate(stack.runs) if not run.sorted_by]:
        return Note("unordered_frames", f"slice {', '.join(map(str, unordered))}: {NOTHING_ORDERS}")
    lost = (plan.rows < 0).sum(axis=1)
    if lost.max() > MOST_LOST_OF_SLICE * plan.rows.shape[1]:
        where = int(lost.argmax())
        said = f"slice {where + 1} has only {plan.rows.shape[1] - lost[where]} of {plan.rows.shape[1]} frames"
        return Note("missing_frames", f"{said}: too few to interpolate; the copy may be incomplete")
    if plan.unknown or len(plan.missing) > allowed:
        return Note("missing_frames", _missing_sentence(stack, plan))
    if plan.duplicates > allowed:
        return Note(
            "duplicate_frames",
            f"{counted(plan.duplicates, 'image', 'shows')} a slice and moment that another image shows too; "
            f"--allow-missing-frames {plan.duplicates} keeps the latest of each",
        )
    return None


def _no_grid(stack: Stack) -> Note | None:
    """Why slices make no grid on which volumes and masks would be right."""
    if overlaps_unevenly(stack) and (apart := uneven_spacing_mm(stack)):
        said = f"slices of {stack.thickness_mm:g} mm lie {apart[0]:.1f} to {apart[1]:.1f} mm apart"
        return Note("overlapping_slices", f"{said}: several acquisitions are mixed, and muscle would count twice")
    beside = beside_mm(stack)
    if moved := [s for s, mm in enumerate(beside) if mm > max(stack.lead.spacing_mm)]:
        said = f"{_named(moved, 'lies')} up to {beside.max():.0f} mm beside the others in the plane"
        return Note("moved_slices", f"{said}: the field of view was moved, and the slices make no one grid")
    return None


def _named(slices: Sequence[int], verb: str) -> str:
    """`slice 3 has`, `slices 3, 4 have`: slices from 0 in words that count from 1."""
    names = ", ".join(str(s + 1) for s in slices)
    return f"slice {names} {verb}" if len(slices) == 1 else f"slices {names} {_PLURAL.get(verb, verb)}"


def _own_frames(stack: Stack, slices: Sequence[int]) -> str:
    """`slices 1, 4 have 24 to 26 frames by their headers`."""
    counts = sorted({stack.runs[s].n_frames for s in slices})
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{_named(slices, 'has')} {span} frames by {'its' if len(slices) == 1 else 'their'} headers"


def _missing_sentence(stack: Stack, plan: FramePlan) -> str:
    """Which frames lack; those of which only the number is known cannot be interpolated."""
    known = [f"slice {s + 1} frame {f + 1}" for s, f in plan.missing if s not in plan.unknown]
    where = [*(f"slice {s + 1}, position unknown" for s in plan.unknown), *known[:5]]
    more = f" and {len(known) - 5} more" if len(known) > 5 else ""
    said = f"{counted(len(plan.missing), 'frame', 'is')} missing ({', '.join(where)}{more}): the copy may be incomplete"
    if unplaced := sum(run.unplaced for run in stack.runs):
        said += f", and {counted(unplaced, 'image', 'lacks')} the time that orders the others"
    if plan.unknown:
        return said
    them = "it" if len(plan.missing) == 1 else "them"
    return f"{said}; --allow-missing-frames {len(plan.missing)} interpolates {them}"


def notes_of(stack: Stack, guess: ViewGuess, plan: FramePlan) -> tuple[Note, ...]:
    """What a reader should know of a stack that is used."""
    notes = []
    if gaps := missing_slices(stack):
        notes.append(Note("slice_gap", f"{counted(gaps, 'slice', 'is')} missing between the first and the last"))
    if uneven := uneven_spacing_mm(stack):
        notes.append(Note("uneven_slices", f"slices are {uneven[0]:.1f} to {uneven[1]:.1f} mm apart"))
    if guess.view is View.SAX and abs(float(stack.lead.normal @ LV_AXIS_LPS)) < SURE_ORDER:
        notes.append(Note("slice_order_doubt", "the stack lies unusually: which end is the base is doubtful"))
    thickness = stack.thickness_mm
    if len(stack.runs) > 1 and thickness and stack.spacing_mm and stack.spacing_mm > 2.0 * thickness:
        notes.append(Note("sparse_slices", f"slices of {thickness:g} mm lie {stack.spacing_mm:g} mm apart"))
    if len(stack.runs) == 1 < stack.lead.n_slices:
        notes.append(Note("middle_slice", f"one of {stack.lead.n_slices} parallel slices was used"))
    notes += _frame_notes(stack, plan)
    if copies := sum(part.copies for part in stack.parts):
        said = f"{counted(copies, 'file', 'repeats')} an image of another file and {'was' if copies == 1 else 'were'}"
        notes.append(Note("copies_ignored", f"{said} left out"))
    notes += _spare_notes(stack)
    keys = {run.sorted_by for run in stack.runs} - {"trigger_time_ms", ""}
    notes += [Note(SORTED_BY + key, f"no usable trigger times: frames in order of {key}") for key in sorted(keys)]
    if guess.view and guess.confidence < DOUBTFUL:
        notes.append(Note("view_doubt", f"the view is doubtful: {guess.rule}"))
    return tuple(notes)


def _spare_notes(stack: Stack) -> list[Note]:
    """Which slices the stack does without."""
    count = Counter(spare.why for spare in stack.spares)
    notes = []
    if n := count[Aside.AGAIN]:
        said = f"{counted(n, 'slice', 'was')} acquired again: the most complete acquisition, then the latest was used"
        notes.append(Note("repeats_ignored", said))
    if n := count[Aside.OFF_GRID]:
        said = f"{counted(n, 'slice', 'was')} left out: {'it lies' if n == 1 else 'they lie'} between the others"
        notes.append(Note("off_grid_ignored", f"{said}, which are {stack.spacing_mm or 0.0:.1f} mm apart"))
    if n := count[Aside.BESIDE]:
        said = f"{counted(n, 'slice', 'was')} left out: the field of view lies beside that of the others in the plane"
        notes.append(Note("beside_ignored", said))
    return notes


def _frame_notes(stack: Stack, plan: FramePlan) -> list[Note]:
    """What was done to the frames of a stack that is used."""
    notes = []
    if n := len(plan.missing):
        said = f"{counted(n, 'missing frame', 'was')} interpolated from neighbours in time"
        notes.append(Note("interpolated_frames", said))
    if plan.resampled:
        said = f"{_own_frames(stack, plan.resampled)}: the {plan.rows.shape[1]} usual moments of the cycle"
        notes.append(Note("resampled_frames", f"{said} were interpolated between them"))
    if plan.duplicates:
        said = f"{counted(plan.duplicates, 'duplicate image', 'was')} left out"
        notes.append(Note("duplicates_dropped", said))
    if unplaced := sum(run.unplaced for run in stack.runs):
        said = f"{counted(unplaced, 'image', 'was')} left out for want of the time that orders the others"
        notes.append(Note("unplaced_ignored", said))
    return notes
