"""What an evaluation reads, who belongs to whom in it, and the one table that comparing gives."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from cinema_cli.analysis.evaluation.mask_values import values_of_masks
from cinema_cli.analysis.evaluation.masks import Refusal, evaluate_masks
from cinema_cli.analysis.evaluation.pairs import (
    MaskSource,
    StudyMasks,
    find_predictions,
    find_references,
    paired,
    under_hashed_ids,
    with_ids_of,
)
from cinema_cli.analysis.evaluation.people import groups_of_people, participant_column
from cinema_cli.analysis.evaluation.points import compared_points, has_points, read_points
from cinema_cli.analysis.evaluation.table import EVALUATION, Kind, System
from cinema_cli.analysis.evaluation.values import Answers, ValueTable, compared_values, read_answers, read_reference
from cinema_cli.analysis.survival.joining import matched_ids
from cinema_cli.analysis.survival.reading import Source, as_text, read_phenotypes, read_source
from cinema_cli.commands.analysis_files import digests_of, each_once, phenotype_table
from cinema_cli.commands.console import counting
from cinema_cli.commands.evaluate_asked import EvaluationJob
from cinema_cli.commands.options import CONSOLE
from cinema_cli.domain.errors import InputError, UsageError
from cinema_cli.io.hashed import digest
from cinema_cli.io.label_maps import LABEL_MAPS, LabelMap
from cinema_cli.reports.analysis.facts import InputFile

_SHOWN = 3  # ids of each side where none match
_AT_ONCE = 16  # studies between two steps of the progress


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Everything that was read, and everybody who belongs together."""

    studies: tuple[StudyMasks, ...] = ()  # masks of this system
    other_studies: tuple[StudyMasks, ...] = ()  # of the other
    answers: Answers | None = None
    other_answers: Answers | None = None
    values: Source | None = None
    repeats: Source | None = None
    people: pl.DataFrame | None = None  # participant_id and the columns of the groups
    tables: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that was read, each once."""
        masks = (one.path for study in (*self.studies, *self.other_studies) for one in _sources(study))
        return each_once((*self.tables, *masks))

    def digests(self) -> tuple[InputFile, ...]:
        """Name and SHA-256 of the tables, and one of all masks of each side."""
        sides = {
            "masks": [one for study in self.studies for one in study.predictions],
            "reference masks": [one for study in self.studies for one in study.references],
            "masks of the other system": [one for study in self.other_studies for one in study.predictions],
        }
        together = [_digest_of_all(name, side) for name, side in sides.items() if side]
        return (*digests_of(self.tables), *together)


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The table of the evaluation, and what is to be said of how it came about."""

    table: pl.DataFrame  # EVALUATION
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


def read_inputs(job: EvaluationJob) -> Inputs:
    """Find and match everything. Raises InputError, also where nothing matches, ConfigError, UsageError."""
    if not job.source.exists():
        raise InputError(f"there is no {job.source}", hint="Give an output folder, or one of masks.", code="no_folder")
    values = read_reference(job.values) if job.values else None
    needs_answers = bool(values or job.repeat or job.repeats_sessions)
    answers = read_answers(job.source) if needs_answers else None
    others = bool(job.against and values and _answers_in(job.against))
    if job.against and not job.reference and not others:
        raise UsageError(
            f"{job.against.name} has no table of values, and the reference no masks",
            hint="Two systems are compared by what both have: give --reference DIR, or a table to --against.",
            code="nothing_of_other",
        )
    studies = _matched(job, job.source)
    return Inputs(
        studies=studies,
        other_studies=with_ids_of(studies, _matched(job, job.against)),
        answers=answers,
        other_answers=_under_our_ids(read_answers(job.against), answers, job) if job.against and others else None,
        values=values,
        repeats=read_source(job.repeat, called="table of pairs", option="--repeat", code="repeat")
        if job.repeat
        else None,
        people=_people(job, values),
        tables=_tables(job),
    )


def compared(job: EvaluationJob, inputs: Inputs) -> Compared:
    """Compare masks, values and landmarks of one or two systems. Raises InputError, ConfigError."""
    parts, refusals = [pl.DataFrame(schema=EVALUATION)], []
    notes: list[str] = []
    for system, studies, labels in (
        (System.THIS, inputs.studies, LABEL_MAPS["cinema"]),
        (System.AGAINST, inputs.other_studies, job.against_labels),
    ):
        of_masks, refused = _of_masks(studies, job, labels=labels, system=system)
        notes += _alone(studies, system)
        parts.append(of_masks)
        refusals += refused
    for system, source, answers in (
        (System.THIS, job.source, inputs.answers),
        (System.AGAINST, job.against, inputs.other_answers),
    ):
        if inputs.values and answers and source:
            for found in _of_values(source, answers, inputs.values, job, system=system):
                parts.append(found.table)
                notes += found.notes
    return Compared(_without_doubles(parts), tuple(refusals), tuple(dict.fromkeys(notes)))


def _matched(job: EvaluationJob, system: Path | None) -> tuple[StudyMasks, ...]:
    """Masks of a system and of the reference of the same visits. Raises InputError where nobody is on both sides."""
    references = job.reference
    if system is None or references is None:
        return ()
    ours, theirs = find_predictions(system), find_references(references)
    if job.hash_key is not None:
        known = {one.participant_id for one in find_predictions(job.source)}
        ours, theirs = (under_hashed_ids(side, known=known, hash_key=job.hash_key) for side in (ours, theirs))
    studies = paired(ours, theirs)
    if not any(study.predictions and study.references for study in studies):
        shown = [", ".join(list(dict.fromkeys(one.participant_id for one in side))[:_SHOWN]) for side in (ours, theirs)]
        raise InputError(
            f"no participant is in both: {system.name} has {shown[0]}, {references.name} has {shown[1]}",
            hint="Letters and digits of ids are compared, and sessions where there are several.",
            code="nobody_matches",
        )
    return studies


def _under_our_ids(other: Answers, ours: Answers | None, job: EvaluationJob) -> Answers:
    """Answers of another system with participants as the first one has them, where that hashed them."""
    if job.hash_key is None or ours is None:
        return other
    sides = [participant_column(one, asked=job.id_column if one.has(job.id_column) else "") for one in (other, ours)]
    keys, known = (
        as_text(one.cells[name]).str.strip_prefix("sub-") for one, name in zip((other, ours), sides, strict=True)
    )
    ids = "sub-" + matched_ids(keys, known=known, hash_key=job.hash_key)
    return replace(other, cells=other.cells.with_columns(ids.alias(sides[0])))


def _of_masks(
    studies: Sequence[StudyMasks], job: EvaluationJob, *, labels: LabelMap, system: System
) -> tuple[pl.DataFrame, list[Refusal]]:
    tables = [pl.DataFrame(schema=EVALUATION)]
    refusals: list[Refusal] = []
    if not studies:
        return tables[0], []
    with counting(CONSOLE, "studies", total=len(studies)) as counter:
        for first in range(0, len(studies), _AT_ONCE):
            some = studies[first : first + _AT_ONCE]
            found = evaluate_masks(
                some, prediction_labels=labels, reference_labels=job.labels, system=system, threads=job.jobs
            )
            tables.append(found.table)
            refusals += found.refusals
            counter.step(failed=None, done=first + len(some))
    return pl.concat(tables), refusals


def _alone(studies: Sequence[StudyMasks], system: System) -> Iterator[str]:
    """A sentence for the studies that only one side has."""
    of = "" if system is System.THIS else " of the other system"
    for n, said in (
        (sum(not study.predictions for study in studies), f"have reference masks and no prediction{of}"),
        (sum(not study.references for study in studies), f"have predicted masks{of} and no reference"),
    ):
        if n:
            yield f"{n} of {len(studies)} studies {said}"


def _of_values(
    source: Path, answers: Answers, values: Source, job: EvaluationJob, *, system: System
) -> Iterator[ValueTable]:
    points = read_points(source) if has_points(values) else None
    if points is not None:
        yield compared_points(
            points, values, names=job.value_map, id_column=job.id_column, hash_key=job.hash_key, system=system
        )
        return
    yield compared_values(
        answers, values, names=job.value_map, id_column=job.id_column, hash_key=job.hash_key, system=system
    )


def _without_doubles(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """All rows, and values of masks for what no table of values says."""
    table = pl.concat(parts)
    said = table.filter(pl.col("kind") == Kind.VALUE).select("system", "term").unique()
    return pl.concat(
        [table, values_of_masks(table).join(said, on=["system", "term"], how="anti", maintain_order="left")]
    )


def _people(job: EvaluationJob, values: Source | None) -> pl.DataFrame | None:
    """Columns of the groups: of the table of people, else of the true values, else of the output folder."""
    if not job.groups:
        return None
    sources = (
        [read_source(job.people, called="table of people", option="--people", code="people")] if job.people else []
    )
    sources += [values] if values else []
    sources += [read_phenotypes(job.source)] if _answers_in(job.source) else []
    if not sources:
        raise UsageError(
            "nothing is known of people", hint="Hand in a table with --people that has the groups.", code="no_people"
        )
    return groups_of_people(sources, job.groups, id_column=job.id_column, hash_key=job.hash_key)


def _answers_in(path: Path) -> bool:
    return phenotype_table(path).is_file()


def _tables(job: EvaluationJob) -> tuple[Path, ...]:
    asked = [job.values, job.repeat, job.people, *(phenotype_table(p) for p in (job.source, job.against) if p)]
    return tuple(path for path in asked if path and path.is_file())


def _sources(study: StudyMasks) -> tuple[MaskSource, ...]:
    return (*study.predictions, *study.references)


def _digest_of_all(name: str, sources: Sequence[MaskSource]) -> InputFile:
    """One digest of many files, whose names are those of people."""
    files = [path for one in sources for path in (sorted(one.path.rglob("*.txt")) if one.is_contours else [one.path])]
    state = hashlib.sha256()
    for path in files:
        state.update(bytes.fromhex(digest(path)[0]))
    return InputFile(f"{name} ({len(files)} files)", state.hexdigest())
