"""What is doubtful about participants, as notes that name nobody."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import polars as pl

from cinema_cli.io.id_units import AGES_AGREE_YEARS, Unit, agree
from cinema_cli.io.nifti_names import NIFTI_STUDY

Note = tuple[str, str | None, str, str]  # participant_id, session_id, code, sentence

NOTES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "participant_id": pl.String,
    "session_id": pl.String,
    "code": pl.String,
    "sentence": pl.String,
}
_MOST_IDS_OF_ONE = 3  # a name and birth date under more ids than this is a placeholder, not a person


def notes_table(units: Sequence[Unit], *, collided: set[str], split: set[str]) -> pl.DataFrame:
    """All notes, sorted: NOTES_SCHEMA; units have label and session. `collided` are source ids, `split` labels."""
    notes = _label_notes(units, collided=collided, split=split) | _people_notes(units) | _folder_notes(units)
    notes |= _doubt_notes(units) | _visit_notes(units)
    ordered = sorted(notes, key=lambda note: tuple(value or "" for value in note))
    return pl.DataFrame(ordered, schema=NOTES_SCHEMA, orient="row")


def _label_notes(units: Iterable[Unit], *, collided: set[str], split: set[str]) -> set[Note]:
    notes: set[Note] = set()
    for unit in units:
        who = f"sub-{unit.label}"
        if unit.source_id in collided:
            notes.add((who, None, "id_collision", "Ids that differ only in signs or case: a suffix keeps them apart."))
        if unit.label in split:
            notes.add((who, None, "two_people_one_id", "Different people (name, birth date, sex or age) share one id."))
        if unit.source == "unmapped":
            notes.add((who, None, "not_in_mapping", "The mapping file does not name this study."))
        if unit.key[0] is None and not unit.by_name:
            notes.add(
                (who, None, "missing_study_uid", "Images without StudyInstanceUID: each folder counts as a study.")
            )
        if unit.patient_id is None and unit.source in ("folder", "study"):
            instead = "the folder's name" if unit.source == "folder" else "a digest of the study's UID"
            notes.add((who, None, "missing_patient_id", f"PatientID is absent: {instead} stands for it."))
    return notes


def _people_notes(units: Sequence[Unit]) -> set[Note]:
    """Said where one person, or one study UID, appears under several participants."""
    people: dict[str, set[str]] = defaultdict(set)
    studies: dict[str, set[str]] = defaultdict(set)
    agreed = agree(unit.person for unit in units)
    for unit in units:
        studies[unit.study].add(unit.label)
        if unit.person:
            people[agreed[unit.person]].add(unit.label)
    notes: set[Note] = set()
    for labels in people.values():
        if 1 < len(labels) <= _MOST_IDS_OF_ONE:
            for label in labels:
                others = ", ".join(f"sub-{other}" for other in sorted(labels - {label}))
                sentence = f"Name, birth date and sex are those of {others} too; they are kept apart."
                notes.add((f"sub-{label}", None, "one_person_two_ids", sentence))
    for labels in studies.values():
        if len(labels) > 1:
            sentence = f"{len(labels)} participants share one StudyInstanceUID; their images are kept apart."
            notes |= {(f"sub-{label}", None, "shared_study_uid", sentence) for label in labels}
    return notes


def _folder_notes(units: Iterable[Unit]) -> set[Note]:
    folders: dict[str, set[str]] = defaultdict(set)
    for unit in units:
        if not unit.study.startswith(NIFTI_STUDY):  # whose names, not folders, tell people apart
            folders[unit.folder].add(unit.label)
    return {
        (f"sub-{label}", None, "mixed_patients_in_folder", f"One folder holds images of {len(labels)} participants.")
        for labels in folders.values()
        if len(labels) > 1
        for label in labels
    }


def _doubt_notes(units: Iterable[Unit]) -> set[Note]:
    """Said where sex or age speak against one person, and no name and birth date speak for one."""
    own: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        own[unit.label].append(unit)
    notes: set[Note] = set()
    for label, mine in own.items():
        births = [birth for unit in mine for birth in unit.births]
        by_name = any(unit.source == "file-name" for unit in mine)
        if by_name and len(set(agree(unit.person for unit in mine).values())) > 1:
            sentence = "Headers name different people: the names of the archives say that they are one."
            notes.add((f"sub-{label}", None, "two_people_one_id", sentence))
        if all(unit.person for unit in mine) and not by_name:
            continue
        if len(frozenset().union(*(unit.sexes for unit in mine))) > 1:
            sentence = "Sex differs between images under this id: perhaps they show several people."
            notes.add((f"sub-{label}", None, "two_sexes_one_id", sentence))
        if births and max(births) - min(births) > AGES_AGREE_YEARS:
            sentence = "Ages do not fit the dates of images under this id: perhaps they show several people."
            notes.add((f"sub-{label}", None, "ages_contradict", sentence))
    return notes


def _visit_notes(units: Iterable[Unit]) -> set[Note]:
    """Said of each session where a participant has several, or a study has several, or a session several dates."""
    visits: dict[str, set[str]] = defaultdict(set)
    shared: dict[tuple[str, str], set[str]] = defaultdict(set)
    dates: dict[tuple[str, str], set[str]] = defaultdict(set)
    joined: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for unit in units:
        if unit.by_name:
            joined[unit.label, unit.session].add(unit.key[0])
        visits[unit.label].add(unit.session)
        shared[unit.label, unit.study].add(unit.session)
        dates[unit.label, unit.session] |= set(unit.dates)
    notes: set[Note] = set()
    for label, found in visits.items():
        sentence = f"One of {len(found)} studies of this participant."
        notes |= {(f"sub-{label}", f"ses-{one}", "several_visits", sentence) for one in found if len(found) > 1}
    for (label, _), found in shared.items():
        sentence = f"{len(found)} sessions share one StudyInstanceUID: mapping file or file names tell them apart."
        notes |= {(f"sub-{label}", f"ses-{one}", "shared_study_uid", sentence) for one in found if len(found) > 1}
    for (label, session), uids in joined.items():
        if len(uids) > 1:
            sentence = f"{len(uids)} StudyInstanceUIDs in archives named after one visit: they count as one study."
            notes.add((f"sub-{label}", f"ses-{session}", "joined_studies", sentence))
    for (label, session), days in dates.items():
        if len(days) > 1:
            sentence = f"Images of one study have {len(days)} dates: they count as one visit."
            notes.add((f"sub-{label}", f"ses-{session}", "several_dates", sentence))
    return notes
