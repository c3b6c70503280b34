"""Why a stack of a known view cannot be used, and what a reader should know of one that is."""

from cinema_cli.domain.cine import Note, View
from cinema_cli.io.frames import FramePlan
from cinema_cli.io.parts import MIN_FRAMES, MIN_STACK_SLICES
from cinema_cli.io.stack import LV_AXIS_LPS, Stack, missing_slices, uneven_spacing_mm
from cinema_cli.io.views import ViewGuess

MOST_LOST_OF_SLICE = 0.25  # with more of its frames missing, a slice cannot be interpolated, whatever is allowed
SURE_ORDER = 0.5  # cosine to the usual LV axis above which the base is the right, posterior, superior end


def refusal_of(stack: Stack, guess: ViewGuess, plan: FramePlan, allowed: int) -> Note | None:
    """Why a stack of a known view cannot be used."""
    if guess.view is View.SAX and len(stack.runs) < MIN_STACK_SLICES:
        return Note("too_few_slices", f"{len(stack.runs)} short-axis slices; a volume needs {MIN_STACK_SLICES}")
    if plan.rows.shape[1] < MIN_FRAMES:
        return Note("too_few_frames", f"{plan.rows.shape[1]} frames; a cine needs {MIN_FRAMES} to show end-systole")
    if plan.surplus:
        counts = sorted({run.n_frames for run in stack.runs})
        return Note(
            "unequal_frames", f"slices have different numbers of frames {counts}: two acquisitions may share one series"
        )
    lost = (plan.rows < 0).sum(axis=1)
    if lost.max() > MOST_LOST_OF_SLICE * plan.rows.shape[1]:
        where = int(lost.argmax())
        said = f"slice {where + 1} has only {plan.rows.shape[1] - lost[where]} of {plan.rows.shape[1]} frames"
        return Note("missing_frames", f"{said}: too few to interpolate; the copy may be incomplete")
    if len(plan.missing) > allowed:
        return Note("missing_frames", _missing_sentence(plan))
    if plan.duplicates > allowed:
        return Note(
            "duplicate_frames",
            f"{plan.duplicates} images show a slice and moment that another image shows too; "
            f"--allow-missing-frames {plan.duplicates} keeps the latest of each",
        )
    return None


def _missing_sentence(plan: FramePlan) -> str:
    where = ", ".join(f"slice {s + 1} frame {f + 1}" for s, f in plan.missing[:5])
    more = f" and {len(plan.missing) - 5} more" if len(plan.missing) > 5 else ""
    said = f"{len(plan.missing)} frames are missing ({where}{more}): the copy may be incomplete"
    return f"{said}; --allow-missing-frames {len(plan.missing)} interpolates them"


def notes_of(stack: Stack, guess: ViewGuess, plan: FramePlan) -> tuple[Note, ...]:
    """What a reader should know of a stack that is used."""
    notes = []
    if gaps := missing_slices(stack):
        notes.append(Note("slice_gap", f"{gaps} slices are missing between the first and the last"))
    if uneven := uneven_spacing_mm(stack):
        notes.append(Note("uneven_slices", f"slices are {uneven[0]:.1f} to {uneven[1]:.1f} mm apart"))
    if guess.view is View.SAX and abs(float(stack.lead.normal @ LV_AXIS_LPS)) < SURE_ORDER:
        notes.append(Note("slice_order_doubt", "the stack lies unusually: which end is the base is doubtful"))
    thickness = stack.thickness_mm
    if len(stack.runs) > 1 and thickness and stack.spacing_mm and stack.spacing_mm > 2.0 * thickness:
        notes.append(Note("sparse_slices", f"slices of {thickness:g} mm lie {stack.spacing_mm:g} mm apart"))
    if len(stack.runs) == 1 < stack.lead.n_slices:
        notes.append(Note("middle_slice", f"one of {stack.lead.n_slices} parallel slices was used"))
    if plan.missing:
        notes.append(
            Note(
                "interpolated_frames",
                f"{len(plan.missing)} missing frames were interpolated from their neighbours in time",
            )
        )
    if plan.duplicates:
        notes.append(Note("duplicates_dropped", f"{plan.duplicates} duplicate images were left out"))
    if copies := sum(part.copies for part in stack.parts):
        notes.append(Note("copies_ignored", f"{copies} files repeat an image of another file and were left out"))
    if stack.spares:
        notes.append(
            Note(
                "repeats_ignored",
                f"{len(stack.spares)} slices were acquired again: the most complete, then the latest was used",
            )
        )
    keys = {part.sorted_by for part in stack.parts} - {"trigger_time_ms"}
    notes += [Note(f"sorted_by_{key}", f"no usable trigger times: frames in order of {key}") for key in sorted(keys)]
    if guess.view and guess.confidence < 0.6:
        notes.append(Note("view_doubt", f"the view is doubtful: {guess.rule}"))
    return tuple(notes)
