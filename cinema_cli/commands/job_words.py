"""What the main job says on stderr and in its log: numbers in the log, names of people on stderr only."""

from collections.abc import Collection, Sequence
from pathlib import Path

from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.progress import clock
from cinema_cli.inference.batch import RunSummary
from cinema_cli.io.clinical import ClinicalMatch
from cinema_cli.io.index import CohortIndex

_NAMED = 3  # of a side, so that a pattern shows


def n_studies(count: int) -> str:
    """`1 study`, `12 studies`."""
    return f"{count} {'study' if count == 1 else 'studies'}"


def some(names: Sequence[str]) -> str:
    """The first few of many names: `a, b, c and 4 more`."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def lost_words(count: int) -> str:
    """That nothing in some folders could be read."""
    where = "a folder" if count == 1 else f"{count} folders"
    return f"no DICOM file in {where} could be read, so whoever is in there is in no table"


def unused_words(count: int) -> str:
    """That lines of the views file are of no use."""
    return f"no series fits {count} {'name' if count == 1 else 'names'} in the views file"


def vanished_words(count: int) -> str:
    """That studies are not there any more."""
    which = "a study that the last scan found is" if count == 1 else f"{count} studies that the last scan found are"
    return f"{which} not there now: no table counts such studies, their folders stay"


def lost_clinical_words(count: int, analysed: Sequence[str]) -> str:
    """That a run lacks the clinical file of the run before it, and which analyses are not made again."""
    said = f"{n_studies(count)} had facts of a clinical file, and this run has none (--clinical): done again without"
    return f"{said}; {' and '.join(analysed)} stay as they are" if analysed else said


def other_clinical_words(count: int) -> str:
    """That studies were analysed by other facts than the file of a merge says."""
    were = "was" if count == 1 else "were"
    said = f"{n_studies(count)} {were} analysed with other clinical facts than this file says"
    return f"{said}: what was measured keeps those; run the parts again with this file"


def say_notes(index: CohortIndex) -> None:
    """What is doubtful about participants; the notes name nobody but by label."""
    notes = index.notes.unique(maintain_order=True)
    codes = notes["code"].value_counts().sort("count", "code", descending=[True, False])
    tally = ", ".join(f"{code} {count}" for code, count in codes.iter_rows())
    lines = [f"{' '.join(filter(None, row[:2]))}: {row[3]}" for row in notes.iter_rows()]
    CONSOLE.several(lines, summary=f"{notes.height} notes on participants ({tally}), see notes.csv")


def say_match(match: ClinicalMatch, *, named: bool) -> dict[str, int]:
    """Warn of rows and participants that are on one side only; the numbers, for the log.

    Ids of people are shown where `named`, and get into no file either way.
    """
    if match.sentence:
        sides = (("rows of", match.strangers), ("without a row:", match.without_row))
        told = [f"{words} {some(ids)}" for words, ids in sides if ids]
        CONSOLE.warn(match.sentence, aside=f" ({'; '.join(told)})" if named else "")
    return {
        "n_rows": match.n_rows,
        "n_rows_without_participant": len(match.strangers),
        "n_participants_without_row": len(match.without_row),
    }


def tally(codes: Collection[str]) -> dict[str, int]:
    """How often each code stands there, in order of codes."""
    return {code: sum(other == code for other in codes) for code in sorted(set(codes))}


def counts(summary: RunSummary) -> dict[str, int]:
    """The numbers of a summary by name."""
    names = ("n_studies", "n_run", "n_skipped", "n_failed", "n_flagged", "n_left", "n_elsewhere")
    return {name: getattr(summary, name) for name in names}


def last_words(summary: RunSummary, *, result: Path | None, n_lost: int) -> str:
    """One sentence: what happened, and where to look."""
    parts = [f"{summary.n_run} of {n_studies(summary.n_studies)} run in {clock(summary.seconds)}"]
    if not summary.n_run:
        hold = "the record of the only study holds"
        if summary.n_studies != 1:
            hold = f"the records of all {summary.n_studies} studies hold"
        parts = [f"nothing to do: {hold}"]
    if summary.n_run and summary.n_skipped:
        parts.append(f"{summary.n_skipped} done before")
    if summary.n_failed:
        parts.append(f"{summary.n_failed} failed (see failures.csv)")
    if n_lost:
        parts.append(f"{n_lost} {'folder' if n_lost == 1 else 'folders'} unreadable")
    if summary.n_flagged:
        parts.append(f"{summary.n_flagged} flagged (see qc.csv)")
    if summary.n_left:
        parts.append(f"{summary.n_left} not reached (--max-failures)")
    if summary.n_elsewhere:
        parts.append(f"{summary.n_elsewhere} in work or done at another run")
    said = ", ".join(parts)
    if result is None:
        return f"{said}; `cinema merge` makes the tables when all parts are done"
    return f"{said}; {'report' if result.suffix == '.html' else 'table'}: {result}"
