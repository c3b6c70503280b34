"""Which studies of a cohort a run has to do, and why: what their records say against inputs, weights and settings."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinema_cli.domain.cine import CineStudy, StudyFacts
from cinema_cli.domain.result import HeadUse
from cinema_cli.io.clinical import ClinicalFacts, merge_facts
from cinema_cli.io.ledger import Record, Status, digest_of, read_record, study_folder


@dataclass(frozen=True, slots=True)
class StudyInput:
    """One visit as the scan found it: its ids, the digest of its files, and how to read it."""

    participant_id: str
    session_id: str
    digest: str
    read: Callable[[], CineStudy]  # raises StudyError
    facts: StudyFacts = dataclasses.field(default_factory=StudyFacts)  # of its headers, for where it cannot be read


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What decides which studies run and what is written; `results` are the settings that change results."""

    version: str
    results: Mapping[str, str] = dataclasses.field(default_factory=dict)
    force: bool = False
    retry_failed: bool = False
    max_failures: int | None = None
    write_masks: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """A study, whether it will run, and why (or why not)."""

    study: StudyInput
    digest: str
    runs: bool
    why: str
    recorded: bool  # whether an earlier run left a record of it


def plan(
    studies: Sequence[StudyInput],
    *,
    out: Path,
    heads: tuple[HeadUse, ...],
    clinical: ClinicalFacts,
    settings: RunSettings,
) -> tuple[Planned, ...]:
    """What each study's record says: to run, or done already."""
    planned = []
    for study in studies:
        said = facts_of(study, StudyFacts(), clinical)
        digest = digest_of(
            study.digest,
            [dataclasses.asdict(h) for h in heads[:1]],  # the one that measures
            sorted((dataclasses.asdict(h) for h in heads[1:]), key=lambda head: str(head["name"])),
            dict(settings.results),
            settings.version,
            dataclasses.asdict(said),
        )
        known = read_record(out, study)
        runs, why = _decide(study, digest, known, heads=heads, out=out, settings=settings)
        planned.append(Planned(study, digest, runs, why, recorded=known is not None))
    return tuple(planned)


def facts_of(study: StudyInput, header: StudyFacts, clinical: ClinicalFacts) -> StudyFacts:
    """Facts of the headers, overruled by those of the clinical file."""
    ids = {"participant_id": study.participant_id, "session_id": study.session_id}
    return merge_facts(header, clinical=clinical, **ids)


def dropped_heads(known: Record, heads: Sequence[HeadUse]) -> list[str]:
    """Published heads that answered a study before and are not asked now: running it again loses what they said."""
    asked = {head.name for head in heads}
    return [head.name for head in known.heads if head.weights and head.name not in asked]


def _decide(
    study: StudyInput,
    digest: str,
    known: Record | None,
    *,
    heads: Sequence[HeadUse],
    out: Path,
    settings: RunSettings,
) -> tuple[bool, str]:
    if settings.force:
        return True, "forced"
    if known is None:
        return True, "new"
    if known.version != settings.version:
        return True, f"recorded by version {known.version}"
    if known.digest != digest:
        gone = ", ".join(dropped_heads(known, heads))
        return True, f"without {gone}, which answered before" if gone else "inputs, weights or settings changed"
    if known.status is Status.NOT_RUN:
        return True, "not reached before"
    if known.status is Status.FAILED:
        return settings.retry_failed, f"failed before ({known.code})"
    if settings.write_masks and not known.wrote_masks:
        return True, "its masks were not written"
    if not _files_are_there(study_folder(out, study), known.files):
        return True, "its files are not there"
    return False, "done"


def _files_are_there(folder: Path, files: Mapping[str, int]) -> bool:
    """Whether the files that a record vouches for are there, with the sizes that they had."""
    try:
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except OSError:
        return False
