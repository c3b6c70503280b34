"""Who is who: participant and session ids from headers, folders or a mapping file, and every doubt said."""

import hashlib
import hmac
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cinema_cli.domain.errors import ConfigError
from cinema_cli.io.id_mapping import Mapping, Target, ambiguous_session, read_mapping
from cinema_cli.io.id_notes import notes_table
from cinema_cli.io.id_units import (
    DIRECTORY,
    UNIT,
    Unit,
    agree,
    digest,
    find_units,
    one_id_a_study,
    one_study_a_visit,
    sexes_are_apart,
    with_source,
)

STUDIES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "study_uid": pl.String,
    "participant_id": pl.String,
    "session_id": pl.String,
    "id_source": pl.String,
}
_LEAST_KEY_BYTES = 16
LONGEST_LABEL = 64  # letters, as of a PatientID: names of files are made of it


@dataclass(frozen=True, slots=True, eq=False)
class IdTable:
    """Ids of every study and instance, and what is doubtful about them."""

    studies: pl.DataFrame  # STUDIES_SCHEMA: one row a session of a participant
    notes: pl.DataFrame  # NOTES_SCHEMA
    instances: pl.DataFrame  # the input with participant_id and session_id; study_uid filled where it was absent


def id_rule(id_from: str | Path) -> str | Mapping:
    """What names participants: "patient-id", "folder" (first folder under the root), "auto" (the name of the archive or
    folder where it is that of a UK Biobank bulk file, else PatientID) or what a CSV file says (see `io.id_mapping`).
    Raises ConfigError for a bad file."""
    return str(id_from) if str(id_from) in ("auto", "patient-id", "folder") else read_mapping(Path(id_from))


def assign_ids(
    instances: pl.DataFrame, *, id_from: str | Path | Mapping = "auto", hash_key: bytes | None = None
) -> IdTable:
    """Give every instance a participant and a session; the order of rows does not matter.

    `id_from`: see `id_rule`; `hash_key`: ids, also those of a mapping file, become the first 16 hex digits of
    HMAC-SHA256(key, id). Raises ConfigError for a bad mapping file.
    """
    rule = id_from if isinstance(id_from, Mapping) else id_rule(id_from)
    table = instances.with_columns(directory=DIRECTORY)
    units = one_study_a_visit([with_source(unit, rule) for unit in one_id_a_study(find_units(table))])
    labels, collided = _labels(units, hash_key=hash_key)
    labelled = [unit._replace(label=labels[unit.source_id]) for unit in units]
    units, split = _split_people(labelled, hash_key=hash_key)
    units = _with_sessions(units, rule if isinstance(rule, Mapping) else None)
    given = _given(units)
    alike = given.cast({"person_key": table.schema["person_key"]})
    joined = table.join(alike, on=UNIT, how="left", nulls_equal=True, maintain_order="left")
    studies = given.with_columns(study_uid="filled_uid").select(list(STUDIES_SCHEMA))
    return IdTable(
        studies=studies.unique(list(STUDIES_SCHEMA)[:3], keep="first", maintain_order=True).sort(
            "participant_id", "session_id"
        ),
        notes=notes_table(units, collided=collided, split=split),
        instances=joined.with_columns(study_uid="filled_uid").drop("directory", "filled_uid", "id_source"),
    )


def _given(units: Iterable[Unit]) -> pl.DataFrame:
    """What each unit is given, beside the columns by which the instances find it."""
    names = (*UNIT, "filled_uid", "participant_id", "session_id", "id_source")
    rows = [(*unit.key, unit.study, f"sub-{unit.label}", f"ses-{unit.session}", unit.source) for unit in units]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _labels(units: Iterable[Unit], *, hash_key: bytes | None) -> tuple[dict[str, str], set[str]]:
    """Label of each source id (letters and digits only), and those ids that would have shared one."""
    wanted: dict[str, set[str]] = defaultdict(set)
    targets: dict[str, str] = {}
    for unit in units:
        if unit.target is not None:
            targets[unit.source_id] = _label(unit.target.participant, hash_key=hash_key)
        else:
            wanted[_label(unit.source_id, hash_key=hash_key).casefold()].add(unit.source_id)
    taken = {label.casefold() for label in targets.values()}
    labels, collided = dict(targets), set()
    for folded, ids in wanted.items():
        shared = len(ids) > 1 or folded in taken
        for source_id in ids:
            label = _label(source_id, hash_key=hash_key)
            labels[source_id] = f"{label}x{_mark(source_id, hash_key=hash_key)}" if shared else label
            if shared:
                collided.add(source_id)
    return labels, collided


def _label(value: str, *, hash_key: bytes | None) -> str:
    return label_of(value) if hash_key is None else keyed_hash(value, hash_key)


def _mark(source_id: str, *, hash_key: bytes | None) -> str:
    """Six hex digits that keep labels apart; where ids are hashed, nobody without the key can find the id by them."""
    return digest(source_id, length=6) if hash_key is None else keyed_hash(source_id, hash_key)[:6]


def label_of(value: str) -> str:
    """The letters and digits of an id, without a `sub-` before them; a digest where it has none, or stands for the end
    of those that are too many."""
    label = re.sub(r"[^A-Za-z0-9]", "", re.sub(r"^sub[-_]", "", value))
    mark = f"x{digest(value)}"
    return f"{label[: LONGEST_LABEL - len(mark)]}{mark}" if not 0 < len(label) <= LONGEST_LABEL else label


def keyed_hash(value: str, key: bytes) -> str:
    """First 16 hex digits of HMAC-SHA256(key, value): the same for one value, and nothing that leads back to it."""
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:16]


def is_hashed(participant_id: str) -> bool:
    """Whether a participant may be one of those that a run with hashed ids names."""
    return re.fullmatch(r"sub-[0-9a-f]{16}(x[0-9a-f]{6})?(p[0-9]+)?", participant_id) is not None


def without_links(series: pl.DataFrame, *, hash_key: bytes | None) -> pl.DataFrame:
    """The series table as it may be written: no study uid, and series uids hashed where ids are (they name a visit
    in the archive that the images came from)."""
    return with_hashed_uids(series.drop("study_uid", strict=False), hash_key=hash_key)


def with_hashed_uids(series: pl.DataFrame, *, hash_key: bytes | None) -> pl.DataFrame:
    """A table with its series uids hashed where ids are."""
    if hash_key is None:
        return series
    hashed = {uid: keyed_hash(uid, hash_key) for uid in series["series_uid"].unique() if uid}
    return series.with_columns(pl.col("series_uid").replace_strict(hashed, default=pl.col("series_uid")))


def _split_people(units: Sequence[Unit], *, hash_key: bytes | None) -> tuple[list[Unit], set[str]]:
    """Give the people who share one id a suffix p1, p2 ... by date of their first study."""
    groups: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        groups[unit.source_id].append(unit)
    known = {unit.label.casefold() for unit in units}
    result: list[Unit] = []
    split: set[str] = set()
    for source_id, group in groups.items():
        people = _people(group)
        first: dict[str, tuple[str, ...]] = {}
        for unit, person in zip(group, people, strict=True):
            rank = (unit.date, unit.study, unit.first, unit.folder)
            first[person] = min(first.get(person, rank), rank)
        if len(first) == 1:
            result += group
            continue
        clash = any(f"{group[0].label}p{n}".casefold() in known for n in range(1, len(first) + 1))
        mark = f"x{_mark(source_id, hash_key=hash_key)}p" if clash else "p"
        numbers = {person: number for number, person in enumerate(sorted(first, key=lambda key: first[key]), 1)}
        own = [
            unit._replace(label=f"{unit.label}{mark}{numbers[person]}")
            for unit, person in zip(group, people, strict=True)
        ]
        split |= {unit.label for unit in own}
        result += own
    return result, split


def _people(group: Sequence[Unit]) -> list[str]:
    """Who each unit under one id shows: told by name, birth date and sex, else by PatientID (unless a mapping file
    gives several to one participant), and by sex alone where ages leave no doubt that it tells people apart.

    What the names of bulk files put together is one person. Units that do not say join the only person there is;
    beside several people they are a person of their own.
    """
    agreed = agree(unit.person for unit in group)
    apart = sexes_are_apart(group)
    rest = [(unit.patient_id, *sorted(unit.sexes if apart else ())) for unit in group]
    by_rest: dict[tuple[str | None, ...], set[str]] = defaultdict(set)
    for unit, said in zip(group, rest, strict=True):
        if unit.person:
            by_rest[said].add(agreed[unit.person])
    people: list[str | None] = []
    for unit, said in zip(group, rest, strict=True):
        if unit.source == "file-name":
            people.append(None)
        elif unit.person:
            people.append(agreed[unit.person])
        elif unit.patient_id and unit.source != "mapping":
            people.append(next(iter(by_rest[said])) if len(by_rest[said]) == 1 else f"id {said}")
        else:
            people.append(None)
    everyone = {person for person in people if person}
    alone = everyone.pop() if len(everyone) == 1 else "unknown"
    return [person or alone for person in people]


def _with_sessions(units: Sequence[Unit], mapping: Mapping | None) -> list[Unit]:
    """The sessions of each participant: 1, 2 ... by date then study UID, unless mapping file or file name say it.

    Images of a study that the file gives no session are of the only one it gives to that study, else of one more.
    """
    named: dict[tuple[str, str], set[str]] = defaultdict(set)
    studies: dict[tuple[str, str], dict[str, Target]] = defaultdict(dict)
    for unit in units:
        if unit.visit:
            named[unit.label, unit.study].add(unit.visit)
        if unit.target is not None and unit.visit:
            studies[unit.label, unit.visit].setdefault(unit.study, unit.target)
    for targets in studies.values():
        if len(targets) > 1 and mapping is not None:
            raise ambiguous_session(mapping, next(iter(targets.values())), n_studies=len(targets))
    visits: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)  # label -> (study, session if named) -> date
    for unit in units:
        visits[unit.label][unit.study, _named_session(unit, named)] = unit.date
    sessions: dict[tuple[str, str, str], str] = {}
    for label, dates in visits.items():
        taken = {session for _, session in dates}
        free = (str(number) for number in range(1, 1 + len(dates) + len(taken)) if str(number) not in taken)
        for study, session in sorted(dates, key=lambda visit: (dates[visit], visit)):
            sessions[label, study, session] = session or next(free)
    return [u._replace(session=sessions[u.label, u.study, _named_session(u, named)]) for u in units]


def _named_session(unit: Unit, named: dict[tuple[str, str], set[str]]) -> str:
    """The session that mapping file or file name give a unit, or else alone to its study; empty for none."""
    if unit.visit:
        return unit.visit
    others = named.get((unit.label, unit.study), set())
    return min(others) if len(others) == 1 else ""


def read_key(path: Path) -> bytes:
    """The secret that ids are hashed with. Raises ConfigError where it is missing or too short to keep a secret."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        reason = error.strerror or "no reason given"
        raise ConfigError(
            f"cannot read the key file {path}: {reason}", hint="See --hash-ids.", code="no_key"
        ) from error
    if len(key) < _LEAST_KEY_BYTES:
        raise ConfigError(
            f"the key in {path} is shorter than {_LEAST_KEY_BYTES} bytes",
            hint=f"openssl rand -hex 32 > {path}",
            code="short_key",
        )
    return key
