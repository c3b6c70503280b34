"""What an evaluation reads, who belongs to whom in it, and what its tables say beside each other."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl

from cinema_cli.analysis.estimates import Estimate
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
from cinema_cli.analysis.evaluation.repeats import repeat_rows
from cinema_cli.analysis.evaluation.table import System
from cinema_cli.analysis.evaluation.values import Answers, ValueTable, compared_values, read_answers, read_reference
from cinema_cli.analysis.survival.joining import matched_ids
from cinema_cli.analysis.survival.reading import Source, as_text, read_phenotypes, read_source
from cinema_cli.commands.analysis_files import digests_of, each_once, phenotype_table
from cinema_cli.commands.evaluate_asked import EvaluationJob
from cinema_cli.domain.errors import InputError, UsageError
from cinema_cli.io.hashed import digest
from cinema_cli.reports.analysis.facts import InputFile

_SHOWN = 3  # ids of each side where none match


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Everything that was read, and everybody who belongs together."""

    studies: tuple[StudyMasks, ...] = ()  # masks of this system
    other_studies: tuple[StudyMasks, ...] = ()  # of the other
    values: tuple[ValueTable, ...] = ()  # of both systems, compared
    repeats: tuple[Estimate, ...] = ()  # of the same people measured twice
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


def read_inputs(job: EvaluationJob) -> Inputs:
    """Find and match everything, and compare tables: what is wrong with one is said before anything is written.

    Raises InputError, also where nothing matches, ConfigError, UsageError.
    """
    _refuse_strange(job)
    values = read_reference(job.values) if job.values else None
    pairs = read_source(job.repeat, called="table of pairs", option="--repeat", code="repeat") if job.repeat else None
    others = read_source(job.people, called="table of people", option="--people", code="people") if job.people else None
    answers = read_answers(job.source) if values or pairs or job.repeats_sessions else None
    _check_id_column(job, [one for one in (values, pairs, others, answers) if one])
    people = _people(job, [one for one in (others, values) if one])
    studies = _matched(job, job.source)
    return Inputs(
        studies=studies,
        other_studies=with_ids_of(studies, _matched(job, job.against)),
        values=tuple(_compared(job, answers, values)) if answers and values else (),
        repeats=tuple(_repeats(job, answers, pairs, people)) if answers else (),
        people=people,
        tables=_tables(job),
    )


def _refuse_strange(job: EvaluationJob) -> None:
    """Raise InputError or UsageError where a side is not there, or masks would be compared with a table."""
    for side in (job.source, job.against):
        if side and not side.exists():
            raise InputError(f"there is no {side}", hint="Give an output folder, or one of masks.", code="no_folder")
        if side and side.is_file() and job.reference:
            raise UsageError(
                f"{side.name} is a table, {job.reference.name} a folder of masks: they have nothing in common",
                hint="Give a folder with masks, or a table of true values to --reference.",
                code="table_and_masks",
            )
    if job.against and not job.reference and not (job.values and _answers_in(job.against)):
        raise UsageError(
            f"{job.against.name} has no table of values, and the reference no masks",
            hint="Two systems are compared by what both have: give --reference DIR, or a table to --against.",
            code="nothing_of_other",
        )


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


def _check_id_column(job: EvaluationJob, tables: Sequence[Source]) -> None:
    if job.id_column and tables and not any(table.has(job.id_column) for table in tables):
        participant_column(tables[0], asked=job.id_column)


def _compared(job: EvaluationJob, answers: Answers, values: Source) -> Iterator[ValueTable]:
    """True values beside those of each system: landmarks of frames where there are such, else values and classes."""
    sides = [(System.THIS, job.source, answers)]
    if job.against and _answers_in(job.against):
        sides.append((System.AGAINST, job.against, _under_our_ids(read_answers(job.against), answers, job)))
    for system, source, said in sides:
        points = read_points(source) if has_points(values) else None
        compare = partial(compared_values, said) if points is None else partial(compared_points, points)
        yield compare(values, names=job.value_map, id_column=job.id_column, hash_key=job.hash_key, system=system)


def _repeats(
    job: EvaluationJob, answers: Answers, pairs: Source | None, people: pl.DataFrame | None
) -> Sequence[Estimate]:
    if pairs is None and not job.repeats_sessions:
        return ()
    return repeat_rows(
        answers, pairs, people=people, groups=job.groups, fewest=job.fewest,
        id_column=job.id_column, hash_key=job.hash_key,
    ).rows  # fmt: skip


def _people(job: EvaluationJob, tables: Sequence[Source]) -> pl.DataFrame | None:
    """Columns of the groups: of the first of the tables that has each, else of the output folder."""
    if not job.groups:
        return None
    sources = [*tables, *([read_phenotypes(job.source)] if _answers_in(job.source) else [])]
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
