"""What the words of a series mean: a view, a kind of image, or what the user's own list says."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from cinema_cli.domain.cine import View
from cinema_cli.domain.errors import ConfigError
from cinema_cli.io.parts import Columns, Part

# Words of English, German and French protocols and of UK Biobank, tried in this order on lower-case text whose
# separators are single spaces. What a contrast is (flow, map, LGE) comes before what a plane is.
_CHAMBERS = r"(ch|chb|chamber\w*|kammer\w*|cavit\w*|cv|k)"
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
    ("aorta", r"aort\w*|ao|ao arch|candy ?cane|pulm\w*"),
    (View.LAX_4C, rf"(4|four|vier|quatre) ?{_CHAMBERS}|hla|horizontal long axis|a4c"),
    (View.LAX_2C, rf"(2|two|zwei|deux) ?{_CHAMBERS}|vla|vertical long axis|a2c"),
    (View.LAX_3C, rf"(3|three|drei|trois) ?{_CHAMBERS}|a3c|ap(ical)? ?(long axis|lax)|plax"),
    (View.SAX, r"sax\d*|sa|short ?ax\w*|shax|kurze? ?achs\w*|petit axe|ka"),
    ("lvot", r"lvot\w*|lv ?outflow"),
    ("axial", r"axial\w*|transvers\w*|transaxial|tra|coronal|cor|sagittal|sag"),
    ("cine", r"cine|ciné|ssfp|trufi|fiesta|b ?tfe|bffe|b ?ssfp"),
)
_PATTERNS = tuple((str(key), re.compile(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])")) for key, words in _WORDS)


def keyword(*texts: str | None) -> str | None:
    """The first recognised meaning in header texts: a view, a kind of image, or None. Never the text itself."""
    for text in texts:
        plain = " ".join(re.sub(r"[^a-zà-ÿ0-9]+", " ", (text or "").lower()).split())
        for key, pattern in _PATTERNS:
            if plain and pattern.search(plain):
                return key
    return None


def part_keyword(part: Part, table: Columns) -> str | None:
    """`keyword` of a part's description, else of its protocol."""
    first = part.rows[0]
    return keyword(table["series_description"][first], table["protocol_name"][first])


def read_views_file(path: Path) -> dict[str, str]:
    """Overrides from a CSV with `series_uid` or `series_description` and `view` (sax, lax_2c, lax_3c, lax_4c, ignore).

    Keys are the uid, or the description in lower case. Raises ConfigError for anything else.
    """
    try:
        rows = pl.read_csv(path, infer_schema=False, glob=False).rename(str.strip)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(
            f"cannot read the views file {path.name}: {type(error).__name__}", code="views_file"
        ) from error
    known = {*(v.value for v in View), "ignore"}
    keys = [c for c in ("series_uid", "series_description") if c in rows.columns]
    if not keys or "view" not in rows.columns:
        raise ConfigError(
            f"{path.name} has columns {rows.columns}",
            hint="It needs series_uid (or series_description) and view.",
            code="views_file",
        )
    wrong = sorted({v or "(empty)" for v in rows["view"].str.strip_chars().str.to_lowercase()} - known)
    if wrong:
        raise ConfigError(
            f"{path.name} has unknown views {wrong}", hint=f"Known are {sorted(known)}.", code="views_file"
        )
    return {
        str(row[k]).strip().lower(): row["view"].strip().lower()
        for row in rows.iter_rows(named=True)
        for k in keys
        if row[k]
    }


def override(part: Part, table: Columns, overrides: Mapping[str, str]) -> str | None:
    """What the views file says about a part: a view, 'ignore', or None."""
    names: Iterable[str | None] = (part.series_uid, table["series_description"][part.rows[0]])
    return next((overrides[n.strip().lower()] for n in names if n and n.strip().lower() in overrides), None)
