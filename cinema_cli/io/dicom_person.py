"""What a header says of the person: sex, age and size, and a digest that tells people apart and names nobody."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cinema_cli.io import dicom_tags as tags
from cinema_cli.io.dicom_values import centimetres, kilograms, text, valid_date, years

# First words that stand for a name and are none, alone or before signs and digits: Anon-7 is one, Testa is a surname.
_PLACEHOLDER = re.compile(
    r"(anon([yi]m\w*)?|de[ -]?ident\w*|removed|unknown|no[ -]?name|patient|subject|none|null|x+|test)(?![^\W\d_])"
)


def person(values: Mapping[int, bytes], *, salt: bytes) -> dict[str, Any]:
    """`sex`, `age_years`, `height_cm`, `weight_kg` and `person_key` of a header."""
    name, birth, sex, charset, age, day = (
        values.get(tag) for tag in (tags.NAME, tags.BIRTH_DATE, tags.SEX, tags.CHARSET, tags.AGE, tags.STUDY_DATE)
    )
    said = (text(sex) or "").upper()
    known = said if said in ("M", "F") else None
    return {
        "sex": known,
        "age_years": _age_years(age, birth, day),
        "height_cm": centimetres(values.get(tags.SIZE)),
        "weight_kg": kilograms(values.get(tags.WEIGHT)),
        "person_key": person_key(text(name, charset=text(charset) or ""), birth, known, salt=salt),
    }


def _age_years(age: bytes | None, birth: bytes | None, study: bytes | None) -> float | None:
    told = years(age)
    if told is None and birth and study and valid_date(birth) and valid_date(study):
        told = _years_between(birth, study)
    return told


def _years_between(birth: bytes, study: bytes) -> float | None:
    born, seen = int(birth.strip(b"\0 ")), int(study.strip(b"\0 "))
    age = (seen - born) // 10000  # whole years between two YYYYMMDD
    return float(age) if 0 <= age < 130 else None


def person_key(name: str | None, birth: bytes | None, sex: str | None, *, salt: bytes) -> str | None:
    """Digests of a person, useless outside this cohort's scans: of two words of the name and the birth date, then, each
    perhaps empty since headers of one person may leave it out, of further names and of the sex (see
    `io.id_units.agree`).

    Names are compared as people read them: whatever the character set, the case and the signs between words.
    """
    return _digests(name or "", birth, sex or "", salt)


@lru_cache(maxsize=256)
def _digests(name: str, birth: bytes | None, sex: str, salt: bytes) -> str | None:
    words = re.sub(r"[\s^=,\0]+", " ", unicodedata.normalize("NFKC", name).casefold()).split()
    if not words or _PLACEHOLDER.match(" ".join(words)) or not valid_date(birth):
        return None
    parts = (" ".join((*words[:2], text(birth) or "")), " ".join(words[2:]), sex)
    return "/".join(hashlib.sha256(salt + b"\x1f" + part.encode()).hexdigest() if part else "" for part in parts)
