"""What the words of a series mean: a view, a kind of image, or what the user's own list says."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from cinema_cli.domain.cine import View
from cinema_cli.domain.errors import ConfigError
from cinema_cli.io.parts import Part
from cinema_cli.io.passes import Columns
from cinema_cli.io.vectors import Floats

# Words of English, German and French protocols and of UK Biobank, tried in this order on lower-case text whose
# separators are single spaces. What a contrast is (flow, map, LGE) comes before what a plane is, and a view before the
# vessels that are seen in it or that the disease is of.
_CHAMBERS = r"(c|ch|chb|chamber\w*|kammer\w*|cavit\w*|cv|k)"
_WORDS: tuple[tuple[str, str], ...] = (
    ("derived", r"inline ?vf|mpr|mip|results?|report|overlay"),
    ("flow", r"flow|fluss|flux|venc\d*|pc ?mri|phase contrast|q ?flow|pca|velocity|fl ?pc|through plane"),
    ("t1_map", r"t1 ?map\w*|molli\w*|shmolli\w*|sasha|smart1map|ecv|carte t1"),
    ("t2_map", r"t2 ?map\w*|t2 ?star|multi ?echo|carte t2"),
    ("lge", r"lge|delayed|late (gad|enh)\w*|psir\w*|viability|narbe|spat ?(an|enh)\w*|rehaussement|de ?mri"),
    ("perfusion", r"perf|perfus\w*|first pass"),
    ("tagging", r"tag|tags|tagging|tagged|spamm|cspamm|dense|grid tag\w*"),
    ("localizer", r"locali[sz]er\w*|loc|scouts?|survey|uebersicht|übersicht|rep[eé]rage|3 ?plane?\w*"),
    (
        "rvot",
        rf"rvot|rv ?outflow|[234] ?{_CHAMBERS} rv|rv ?[23] ?{_CHAMBERS}|rv ?(la|lax|vla|inflow)\w*|rv (in|out)\w*",
    ),
    ("cine", rf"[234]( (and |und |et )?[234])+ ?{_CHAMBERS}"),  # several views in one: geometry tells them apart
    (View.LAX_4C, rf"(4|four|vier|quatre) ?{_CHAMBERS}|hla|horizontal long axis|a4c"),
    (View.LAX_2C, rf"(2|two|zwei|deux) ?{_CHAMBERS}|vla|vertical long axis|a2c"),
    (View.LAX_3C, rf"(3|three|drei|trois) ?{_CHAMBERS}|a3c|ap(ical)? ?(long axis|lax)|plax"),
    (View.SAX, r"sax\d*|sa|short ?ax\w*|shax|kurze? ?achs\w*|petit axe|ka"),
    ("lvot", r"lvot\w*|lv ?outflow"),
    ("aorta", r"aort\w*|ao|ao arch|candy ?cane|pulm\w*"),
    ("axial", r"axial\w*|transvers\w*|transaxial|tra|coronal|cor|sagittal|sag"),
    ("cine", r"cine|ciné|ssfp|trufi|fiesta|b ?tfe|bffe|b ?ssfp"),
)
_PATTERNS = tuple((str(key), re.compile(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])")) for key, words in _WORDS)


MENTIONED = frozenset(("flow", "lge", "perfusion"))
"""Contrasts of which a cine's description may speak too: 'cine sax post perfusion', '4ch flow comp'."""

_VIEWS = frozenset(View)
_ANOTHER_PLANE = np.cos(np.radians(10.0))  # cosine of the angle from which two planes are not one plane repeated
_VIEWS_CODE = "views_file"
_VIEWS_HINT = "A CSV with the columns series_uid (or series_description) and view, a line for each series."
_DELIMITERS = (",", ";", "\t")


def keyword(*texts: str | None) -> str | None:
    """The first recognised meaning in header texts: a view, a kind of image, or None. Never the text itself."""
    return _foremost(meanings(*texts))


@lru_cache(maxsize=1024)  # many series are described alike
def meanings(*texts: str | None) -> tuple[str, ...]:
    """Every meaning of the first text that has any, in the order of `_WORDS`."""
    for text in texts:
        plain = " ".join(re.sub(r"[^a-zà-ÿ0-9]+", " ", (text or "").lower()).split())
        if plain and (found := tuple(key for key, pattern in _PATTERNS if pattern.search(plain))):
            return found
    return ()


def _foremost(found: Sequence[str]) -> str | None:
    """The meaning that counts; where several views are named, geometry must tell which plane is which."""
    first = next(iter(found), None)
    return "cine" if first in _VIEWS and len(_VIEWS.intersection(found)) > 1 else first


def part_meanings(part: Part, table: Columns) -> tuple[str, ...]:
    """`meanings` of a part's description, else of its protocol."""
    first = part.rows[0]
    return meanings(table["series_description"][first], table["protocol_name"][first])


def part_keyword(part: Part, table: Columns) -> str | None:
    """`keyword` of a part's description, else of its protocol."""
    return _foremost(part_meanings(part, table))


def plane_keyword(part: Part, table: Columns) -> str | None:
    """`part_keyword` of a part known to be a cine: a contrast is only mentioned in its description."""
    return _foremost([key for key in part_meanings(part, table) if key not in MENTIONED])


def without_exam_protocols(table: Columns) -> Columns:
    """A study's table without protocol names that most of its series share across planes: those name the exam."""
    first = np.unique(table["series_uid"].astype(str), return_index=True)[1]
    axes = [np.stack([table[f"{k}_{c}"][first] for c in "xyz"], axis=1) for k in ("row", "column")]
    names, normals = table["protocol_name"], np.cross(axes[0], axes[1])
    exam = {
        name
        for name in set(names[first]) - {None}
        if (names[first] == name).sum() > len(first) / 2 and _has_several_planes(normals[names[first] == name])
    }
    return table | {"protocol_name": np.array([None if name in exam else name for name in names], dtype=object)}


def _has_several_planes(normals: Floats) -> bool:
    known = normals[np.isfinite(normals).all(axis=1)]
    return bool(len(known) and (np.abs(known @ known[0]) < _ANOTHER_PLANE).any())


def read_views_file(path: Path) -> dict[str, str]:
    """Overrides from a CSV with `series_uid` or `series_description` and `view` (sax, lax_2c, lax_3c, lax_4c, ignore).

    Commas, semicolons or tabs divide the columns. Keys are the uid, or without one the description, in lower case.
    Raises ConfigError for anything else, and for two lines that contradict each other.
    """
    lines = _lines(path)
    reader = csv.DictReader(lines, delimiter=max(_DELIMITERS, key=lines[0].count))
    columns = [name.strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    keys = [name for name in ("series_uid", "series_description") if name in columns]
    if not keys or "view" not in columns:
        said = f"{path.name} has columns {columns}"
        raise ConfigError(said, hint="It needs series_uid (or series_description) and view.", code=_VIEWS_CODE)
    overrides: dict[str, str] = {}
    for row in reader:
        named = next((value for name in keys if (value := (row[name] or "").strip().lower())), "")
        view = (row["view"] or "").strip().lower()
        if named or view:
            _check_line(path, reader.line_num, named, view, overrides)
            overrides[named] = view
    return overrides


def _lines(path: Path) -> list[str]:
    """Lines of the views file, at least one; ConfigError where it cannot be read or is empty."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except OSError as error:
        reason = error.strerror or "no reason given"
        said = f"cannot read the views file {path.name}: {reason}"
        raise ConfigError(said, hint=_VIEWS_HINT, code=_VIEWS_CODE) from error
    except UnicodeDecodeError as error:
        said = f"the views file {path.name} is not UTF-8 text"
        raise ConfigError(said, hint=_VIEWS_HINT, code=_VIEWS_CODE) from error
    if not "".join(lines).strip("\0 \t\r\n"):
        raise ConfigError(f"the views file {path.name} is empty", hint=_VIEWS_HINT, code=_VIEWS_CODE)
    return [line.replace("\0", "") for line in lines]


def _check_line(path: Path, number: int, named: str, view: str, overrides: Mapping[str, str]) -> None:
    """Raise ConfigError where a line names no series, no known view, or another view than a line above."""
    known = sorted({*(v.value for v in View), "ignore"})
    where = f"line {number} of {path.name}"
    if not named:
        raise ConfigError(f"{where} names no series", hint=_VIEWS_HINT, code=_VIEWS_CODE)
    if view not in known:
        said = f"{where} has the unknown view {view or '(empty)'}"
        raise ConfigError(said, hint=f"Known are {', '.join(known)}.", code=_VIEWS_CODE)
    if overrides.get(named, view) != view:
        said = f"{where} says {view} of {named!r}, a line above it {overrides[named]}"
        raise ConfigError(said, hint="Leave one line for each series.", code=_VIEWS_CODE)


def unused_overrides(overrides: Mapping[str, str], instances: pl.DataFrame) -> tuple[str, ...]:
    """Keys of the views file that no series of the cohort has as its uid or description, in order."""
    said = [instances[name].unique().cast(pl.String) for name in ("series_uid", "series_description")]
    names = pl.concat(said).drop_nulls()
    known = set(names.str.strip_chars().str.to_lowercase())
    return tuple(sorted(set(overrides) - known))


def override(part: Part, table: Columns, overrides: Mapping[str, str]) -> str | None:
    """What the views file says about a part: a view, 'ignore', or None."""
    names: Iterable[str | None] = (part.series_uid, table["series_description"][part.rows[0]])
    return next((overrides[n.strip().lower()] for n in names if n and n.strip().lower() in overrides), None)
