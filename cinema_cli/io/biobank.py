"""What UK Biobank says outside of the headers: names of its archives, one a participant, visit and field, and lists."""

import csv
import re
from dataclasses import dataclass

_NAME = re.compile(r"(\d{7})_(\d{4,5})_(\d{1,2})_(\d{1,3})")  # participant, field, instance, array index

_DESCRIPTION_COLUMNS = ("series discription", "series description")  # as it spells them


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


def is_manifest(name: str) -> bool:
    """Whether a member of an archive is the list that UK Biobank puts in (also spelled as it spells it)."""
    return name.rpartition("/")[2].lower() in ("manifest.csv", "manifest.cvs")


def descriptions(manifest: bytes) -> dict[str, str]:
    """Series description of each file that a manifest lists, for headers without one; empty for any other table.

    Its dates hold a comma (`Jan 5, 2015`), unquoted: columns before the date count from the left, others from the
    right.
    """
    rows = csv.reader(manifest.decode("utf-8-sig", "replace").splitlines())
    try:
        header = [cell.strip().lower() for cell in next(rows, [])]
        date = header.index("date") if "date" in header else len(header)
        file, said = (_place(header, names, date) for names in (("filename",), _DESCRIPTION_COLUMNS))
        return {row[file].strip(): row[said].strip() for row in rows if len(row) >= len(header)}
    except (ValueError, csv.Error):
        return {}


def _place(header: list[str], names: tuple[str, ...], date: int) -> int:
    """Where a column stands in each row. Raises ValueError where there is none of these names."""
    place = next((n for n, cell in enumerate(header) if cell in names), -1)
    if place < 0:
        raise ValueError
    return place if place <= date else place - len(header)
