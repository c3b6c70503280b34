"""What UK Biobank says outside of the headers: the names of its archives, one a participant, visit and field."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"(\d{7})_(\d{4,5})_(\d{1,2})_(\d{1,3})")  # participant, field, instance, array index


@dataclass(frozen=True, slots=True)
class BiobankName:
    """Whose images a bulk file holds, and of which visit."""

    participant: str
    field: str  # 20208 long axis, 20209 short axis
    instance: str  # 2 the first imaging visit, 3 the repeat


def biobank_name(folder: str) -> BiobankName | None:
    """What the innermost part of a path says that is named like a bulk file, `1234567_20209_2_0`; None for others."""
    for part in reversed(folder.split("/")):
        if found := _NAME.fullmatch(part):
            return BiobankName(found[1], found[2], found[3])
    return None
