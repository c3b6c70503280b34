"""Images that belong together by header and folder, and what names their participant."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import polars as pl

from cinema_cli.io.archive import ARCHIVE_END
from cinema_cli.io.biobank import biobank_name
from cinema_cli.io.id_mapping import Mapping, Target
from cinema_cli.io.nifti_names import session_of

UNIT = ("study_uid", "patient_id", "person_key", "directory")
# The folder in which an image lies; an archive counts as the folder that it would be unpacked to.
_UNPACKED = pl.concat_str(pl.col("path").str.replace(ARCHIVE_END, ""), "member", separator="/")
DIRECTORY = pl.coalesce(_UNPACKED, "path").str.replace(r"/?[^/]*$", "")
AGES_AGREE_YEARS = 2.0  # years of birth that two ages imply: an age is in whole years, and some are those to come
_CAPPED_AGE = 90.0  # years: from there on de-identified headers give one age for all (45 CFR 164.514 b 2)


class Unit(NamedTuple):
    """Images that share study, PatientID, person and folder."""

    key: tuple[str | None, ...]  # values of UNIT as they stand in the table
    study: str
    patient_id: str | None
    person: str | None
    folder: str  # "/" separated, "" for the root
    date: str  # the first of the study, YYYYMMDD, "99999999" where unknown
    dates: tuple[str, ...]  # its own, without those that name no day
    first: str  # least SOP instance UID, which no copying or renaming changes
    sexes: frozenset[str]  # M, F
    births: tuple[float, ...]  # years of birth that age and date of an image imply
    source: str = ""  # what the id comes from: patient-id, folder, mapping, study, file-name
    source_id: str = ""
    target: Target | None = None
    visit: str = ""  # session, without prefix, where mapping file or file name say it
    by_name: bool = False  # whether the name of a bulk file says the visit: all that it holds is one study
    label: str = ""  # participant, without prefix
    session: str = ""


def find_units(table: pl.DataFrame) -> list[Unit]:
    """Distinct (study, PatientID, person, folder), in an order that does not depend on the table's."""
    day = pl.col("study_date").str.to_date("%Y%m%d", strict=False)
    age = pl.when(pl.col("age_years") < _CAPPED_AGE).then("age_years")
    told = {
        "dates": pl.col("study_date").filter(day.is_not_null()),
        "sexes": pl.col("sex").drop_nulls(),
        "births": (day.dt.year() + day.dt.ordinal_day() / 365.25 - age).drop_nulls(),
    }
    first = pl.col("sop_uid").min()
    order = ("study_uid", "directory", "patient_id", "first")
    facts = {name: values.unique().sort() for name, values in told.items()}
    grouped = table.group_by(UNIT).agg(first=first, **facts).sort(order, nulls_last=True)
    return [
        Unit(
            key=(study, patient, person, directory),
            study=study or f"no-study-uid-{digest(directory or '')}",
            patient_id=patient,
            person=person,
            folder=directory or "",
            date=min(dates, default="99999999"),
            dates=tuple(dates),
            first=uid or "",
            sexes=frozenset(sexes),
            births=tuple(births),
        )
        for study, patient, person, directory, uid, dates, sexes, births in grouped.iter_rows()
    ]


def agree(people: Iterable[str | None]) -> dict[str, str]:
    """Person key -> the key it counts as: a further name or sex that is absent is that of the only one who shares the
    rest, since a header that leaves something out does not say that it is another person."""
    keys = {key for key in people if key}
    known: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for base, *extra in map(_key_parts, keys):
        for seen, value in zip(known[base], extra, strict=True):
            seen |= {value} - {""}
    agreed = {}
    for key in keys:
        base, *extra = _key_parts(key)
        filled = [v or (min(seen) if len(seen) == 1 else "") for v, seen in zip(extra, known[base], strict=True)]
        agreed[key] = "/".join((base, *filled))
    return agreed


def _key_parts(key: str) -> tuple[str, str, str]:
    base, further, sex = (*key.split("/"), "", "")[:3]
    return base, further, sex


def digest(value: str, *, length: int = 8) -> str:
    """First hex digits of the SHA-256 of a text."""
    return hashlib.sha256(value.encode()).hexdigest()[:length]


def one_id_a_study(units: Sequence[Unit]) -> list[Unit]:
    """Images without PatientID or person take those of their study, where it has just one; what they do not say of sex
    and age is what the others of that id say, and the date is the study's."""
    by_study: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        by_study[unit.study].append(unit)
    filled = []
    for unit in units:
        same = by_study[unit.study]
        ids = {other.patient_id for other in same if other.patient_id}
        patient_id = unit.patient_id or (ids.pop() if len(ids) == 1 else None)
        alike = [other for other in same if other.patient_id in (unit.patient_id, patient_id)]
        people = agree(other.person for other in alike)
        person = unit.person or (min(people.values()) if len(set(people.values())) == 1 else None)
        filled.append(
            unit._replace(
                patient_id=patient_id,
                person=person,
                date=min(other.date for other in same),
                sexes=unit.sexes or frozenset().union(*(other.sexes for other in alike)),
                births=unit.births or tuple(birth for other in alike for birth in other.births),
            )
        )
    return filled


def sexes_are_apart(units: Iterable[Unit]) -> bool:
    """Whether images under one id are surely of a woman and of a man: years of birth differ wherever the sexes do."""
    births: dict[frozenset[str], set[float]] = defaultdict(set)
    for unit in units:
        births[unit.sexes] |= set(unit.births)
    women, men = births[frozenset("F")], births[frozenset("M")]
    return bool(women and men) and all(abs(one - other) > AGES_AGREE_YEARS for one in women for other in men)


def with_source(unit: Unit, rule: str | Mapping) -> Unit:
    """What names the participant, with the next best thing where that is absent; one text is one id in both places."""
    if isinstance(rule, Mapping):
        return _mapped(unit, rule)
    first_folder = unit.folder.split("/")[0]
    named = biobank_name(unit.folder if rule == "auto" else first_folder)
    if named and rule != "patient-id":
        source_id, visit = named.participant, named.instance
        return unit._replace(source="file-name", source_id=source_id, visit=visit, by_name=True)
    unit = unit._replace(visit=session_of(unit.study))
    options = {"patient-id": unit.patient_id, "folder": first_folder}
    order = ("folder", "patient-id") if rule == "folder" else ("patient-id", "folder")
    for source in order:
        if value := options[source]:
            return unit._replace(source=source, source_id=value)
    return unit._replace(source="study", source_id=digest(unit.study))


def _mapped(unit: Unit, mapping: Mapping) -> Unit:
    """What the mapping file says; where a bulk file's name says the participant, that counts as a PatientID too."""
    named = biobank_name(unit.folder)
    ids = (named.participant if named else None, unit.patient_id)
    found = mapping.find(study_uid=unit.study, patient_ids=ids, folder=unit.folder)
    if not found:
        return unit._replace(source="unmapped", source_id=f"unmapped{digest(unit.study)}")
    source_id, target = found
    visit = target.session or (named.instance if named else session_of(unit.study))
    by_name = named is not None and not source_id.startswith("study_uid ")
    return unit._replace(source="mapping", source_id=source_id, target=target, visit=visit, by_name=by_name)


def one_study_a_visit(units: Sequence[Unit]) -> list[Unit]:
    """Units of bulk files that are named after one visit have one study, whether or not the headers say so: the least
    of theirs, and its date."""
    visits: dict[tuple[str, str], list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.by_name:
            visits[_participant(unit), unit.visit].append(unit)
    joined = []
    for unit in units:
        same = visits[_participant(unit), unit.visit] if unit.by_name else [unit]
        study = min((other.study for other in same), key=lambda study: (study.startswith("no-study-uid-"), study))
        joined.append(unit._replace(study=study, date=min(other.date for other in same)))
    return joined


def _participant(unit: Unit) -> str:
    return unit.target.participant if unit.target else unit.source_id
