"""What a study's own table says of its participants: age, sex, height, weight."""

import csv
import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinema_cli.domain.cine import StudyFacts
from cinema_cli.domain.errors import ConfigError, InputError
from cinema_cli.io.identity import keyed_hash, label_of
from cinema_cli.io.outside_tables import read_outside

_SEXES = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F"}
# column -> (field of StudyFacts, plausible limits: a number outside them is a slip or another unit)
_NUMBERS = {
    "age": ("age_years", 0.0, 120.0),
    "age_years": ("age_years", 0.0, 120.0),
    "height_cm": ("height_cm", 30.0, 250.0),
    "weight_kg": ("weight_kg", 1.0, 400.0),
}
_MISSING = {"", "na", "n/a", "nan", "null", "none"}
ClinicalFacts = Mapping[tuple[str, str | None], StudyFacts]


def read_clinical(path: Path) -> dict[tuple[str, str | None], StudyFacts]:
    """(participant, session or None) -> facts, from a CSV or Parquet file with `participant_id` (prefix or not).

    Columns read: session_id, age or age_years, sex, height_cm, weight_kg; others are left alone. Raises InputError
    where there is no file, ConfigError (with row numbers, the header being row 1) where it is not as it should be.
    """
    table = read_outside(path, called="clinical file", option="--clinical", code="clinical")
    if "participant_id" not in table.columns:
        raise ConfigError(
            f"{path} has no column participant_id (it has {', '.join(table.columns)})",
            hint="One row a participant, or a visit with session_id; ids with or without `sub-`.",
            code="clinical_columns",
        )
    facts: dict[tuple[str, str | None], StudyFacts] = {}
    rows: dict[tuple[str, str | None], int] = {}
    for number, row in enumerate(table.iter_rows(named=True), start=2):
        participant = _text(row["participant_id"])
        if not participant:
            raise ConfigError(f"{path}, row {number}: participant_id is empty", hint="Fill it in.", code="clinical_id")
        session = _text(row.get("session_id"))
        key = (_prefixed(participant, "sub-"), _prefixed(session, "ses-") if session else None)
        if key in facts:
            raise ConfigError(
                f"{path}, rows {rows[key]} and {number}: two rows for {participant}",
                hint="One row a participant, or a column session_id that tells visits apart.",
                code="clinical_twice",
            )
        facts[key], rows[key] = _facts(row, where=f"{path}, row {number}"), number
    return facts


@dataclass(frozen=True, slots=True)
class ClinicalMatch:
    """A clinical file beside the cohort: the facts by the ids of the tables, and who is on one side only."""

    facts: ClinicalFacts
    n_rows: int
    n_participants: int
    strangers: tuple[str, ...]  # ids, as the file has them, of rows that fit no participant or visit
    without_row: tuple[str, ...]  # participants, by label

    @property
    def sentence(self) -> str:
        """Who is on one side only, in numbers; empty where nobody is."""
        n_strangers, n_without = len(self.strangers), len(self.without_row)
        if not n_strangers and not n_without:
            return ""
        return (
            f"{n_strangers} of {self.n_rows} rows of the clinical file match no participant; "
            f"{n_without} of {self.n_participants} participants have no row"
        )


def match_clinical(
    clinical: ClinicalFacts,
    visits: Iterable[tuple[str, str]],
    *,
    chosen: Iterable[tuple[str, str]],
    hash_key: bytes | None,
) -> ClinicalMatch:
    """Rows of the clinical file to participants, whose ids were cleaned, or hashed, by the rules of `io.identity`.

    `visits` of the cohort, and those `chosen` of them that need a row, are (participant, session) labels. Raises
    ConfigError where two rows fit one participant.
    """
    known = set(visits)
    people = {participant for participant, _ in known}
    facts: dict[tuple[str, str | None], StudyFacts] = {}
    strangers: list[str] = []
    for (participant, session), said in clinical.items():
        label = next((label for label in _labels(participant, hash_key) if label in people), None)
        if label is None or (session is not None and (label, session) not in known):
            strangers.append(participant)
        elif (label, session) in facts:
            raise ConfigError(
                f"two rows of the clinical file fit {label}: their ids differ only in signs or in the prefix",
                hint="One row a participant, or a column session_id that tells visits apart.",
                code="clinical_twice",
            )
        else:
            facts[label, session] = said
    wanted = {participant for participant, _ in chosen}
    without_row = wanted - {label for label, _ in facts}
    return ClinicalMatch(facts, len(clinical), len(wanted), tuple(strangers), tuple(sorted(without_row)))


def _labels(participant: str, hash_key: bytes | None) -> tuple[str, ...]:
    """What the person of an id (with the prefix) may be called in the tables, the likeliest first."""
    if hash_key is None:
        return participant, f"sub-{label_of(participant)}"
    bare = participant.removeprefix("sub-")  # the file may hold hashed ids already, or those of the headers
    return participant, f"sub-{keyed_hash(bare, hash_key)}", f"sub-{keyed_hash(participant, hash_key)}"


def read_participants(path: Path) -> tuple[str, ...]:
    """Participants named in a text file: a table's column `participant_id` (CSV, TSV), or else one a line.

    Raises InputError where there is no file or nobody in it.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read {path} as text", hint="Check the path given to --participants.", code="no_participants"
        ) from error
    rows = list(csv.reader(lines, delimiter="\t" if lines and "\t" in lines[0] else ","))
    at = rows[0].index("participant_id") if rows and "participant_id" in rows[0] else None
    found = [row[at or 0].strip() for row in rows[0 if at is None else 1 :] if len(row) > (at or 0)]
    if not any(found):
        raise InputError(f"nobody is named in {path}", hint="Write one participant a line.", code="no_participants")
    return tuple(name for name in found if name)


def merge_facts(header: StudyFacts, *, clinical: ClinicalFacts, participant_id: str, session_id: str) -> StudyFacts:
    """Facts of the headers, overruled by those of the clinical file (the visit's row, else the person's)."""
    said = clinical.get((participant_id, session_id)) or clinical.get((participant_id, None))
    return header if said is None else overrule(header, said)


def overrule(header: StudyFacts, said: StudyFacts) -> StudyFacts:
    """Facts of the headers, overruled by what else is `said`."""
    known = {f.name: value for f in dataclasses.fields(said) if (value := getattr(said, f.name)) is not None}
    return dataclasses.replace(header, **known)


def _facts(row: Mapping[str, object], *, where: str) -> StudyFacts:
    values: dict[str, Any] = {}
    for column, (name, lower, upper) in _NUMBERS.items():
        if (text := _text(row.get(column))) is None:
            continue
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not lower <= value <= upper:
            raise ConfigError(
                f"{where}: {column} is {text!r}, not a number between {lower:g} and {upper:g}",
                hint="Leave the cell empty where the value is unknown.",
                code="clinical_value",
            )
        values[name] = value
    sex = _text(row.get("sex"))
    if sex is not None and sex.lower() not in _SEXES:
        raise ConfigError(f"{where}: sex is {sex!r}", hint="Write M, F or nothing.", code="clinical_value")
    return StudyFacts(sex=_SEXES[sex.lower()] if sex else None, **values)


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return None if text.lower() in _MISSING else text


def _prefixed(text: str, prefix: str) -> str:
    return text if text.startswith(prefix) else prefix + text
