"""Tables that people hand in: CSV, TSV or Parquet, each cell as it stands there."""

import codecs
import csv
import io
from pathlib import Path

import polars as pl

from cinema_cli.domain.errors import ConfigError, InputError

_HINT = "CSV (UTF-8) or Parquet is read."
_ODD_BEGINNINGS = {
    codecs.BOM_UTF16_LE: ("is UTF-16 text", "Save it as CSV in UTF-8."),
    codecs.BOM_UTF16_BE: ("is UTF-16 text", "Save it as CSV in UTF-8."),
    b"PK\x03\x04": ("is a spreadsheet or an archive", "Save the sheet as CSV, or unpack the archive."),
    b"\xd0\xcf\x11\xe0": ("is a spreadsheet", "Save the sheet as CSV."),
    b"\x1f\x8b": ("is compressed", "Unpack it first."),
    b"PAR1": ("is Parquet under another name", "Call it .parquet."),
}
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_DECIMAL_COMMA, _MAYBE_WITH_COMMA = r"^\s*[+-]?\d+,\d+\s*$", r"^\s*[+-]?\d+(,\d+)?\s*$"


def read_outside(path: Path, *, called: str, option: str, code: str) -> pl.DataFrame:
    """A table in which 0001 stays 0001: every cell of CSV and TSV is text, an empty one is null.

    Cells are parted by commas, or by semicolons or tabs where the header is. `called` and `option` say in errors what
    the file is and what names it; their codes are made of `code`. Raises InputError where there is no file, ConfigError
    where it is no table.
    """
    if not path.is_file():
        raise InputError(f"no {called} {path}", hint=f"Check the path given to {option}.", code=f"no_{code}")
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(io.BytesIO(content))  # Polars would take brackets in a path for a pattern
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ConfigError(f"cannot read {path} as a table", hint=_HINT, code=f"{code}_table") from error
    try:
        return _delimited(content, tabs=path.suffix.lower() == ".tsv")
    except _NotATableError as error:
        says, hint = error.args
        raise ConfigError(f"{path.name} {says}", hint=hint, code=f"{code}_table") from error


class _NotATableError(Exception):
    """Why a file is no table, going on after its name, and what to do."""


def _delimited(content: bytes, *, tabs: bool) -> pl.DataFrame:
    """The table of a text file. Raises _NotATableError."""
    content = content.rstrip(b"\r\n")  # empty lines at the end are no rows
    header = _header(content)
    separator = "\t" if tabs and "\t" in header else _separator(header)
    try:
        table = pl.read_csv(io.BytesIO(content), infer_schema=False, encoding="utf8-lossy", separator=separator)
    except pl.exceptions.PolarsError as error:
        raise _uneven(content, separator) or _NotATableError("cannot be read as a table", _HINT) from error
    if table.width > 1 and table.get_column(table.columns[-1]).has_nulls() and (short := _uneven(content, separator)):
        raise short
    if separator != ",":
        _refuse_decimal_commas(table)
    return table.rename(lambda name: name.replace('""', '"'))  # Polars undoubles quotes in cells, not in a header


def _header(content: bytes) -> str:
    """The first line. Raises _NotATableError for what is no lines of text."""
    for beginning, said in _ODD_BEGINNINGS.items():
        if content.startswith(beginning):
            raise _NotATableError(*said)
    body = content.removeprefix(codecs.BOM_UTF8)
    if not body or body.isspace():
        raise _NotATableError("is empty", "A header and one row a participant are read.")
    end = body.find(b"\n")
    header = (body if end < 0 else body[:end]).rstrip(b"\r")
    if b"\0" in body or any(byte < 32 and byte not in b"\t\r" for byte in header):
        raise _NotATableError("holds no text", _HINT)
    if b"\r" in header:
        raise _NotATableError("has the line ends of old Macs", "Save it with line ends of Unix or Windows.")
    return header.decode(errors="replace")


def _separator(header: str) -> str:
    """What parts the cells of a header: what stands in it most often outside quotes."""
    bare = "".join(header.split('"')[::2])
    return max(_SEPARATORS, key=bare.count)


def _uneven(content: bytes, separator: str) -> _NotATableError | None:
    """The first row with another number of cells than the header, if there is one."""
    rows = csv.reader(io.StringIO(content.decode(errors="replace"), newline=""), delimiter=separator)
    try:
        width = len(next(rows))
        for number, row in enumerate(rows, start=2):
            if row and len(row) != width:
                return _NotATableError(
                    f"row {number}: {len(row)} cells, the header has {width}",
                    f"Cells are parted by {_SEPARATORS[separator]}: put cells that hold one into quotes.",
                )
    except csv.Error:
        return None
    return None


def _refuse_decimal_commas(table: pl.DataFrame) -> None:
    """Raise _NotATableError for numbers like 1,5: as text they would be categories."""
    for cells in table:
        with_comma = cells.str.contains(_DECIMAL_COMMA).fill_null(value=False)
        if with_comma.any() and 2 * cells.str.contains(_MAYBE_WITH_COMMA).sum() > cells.count():
            first = int(with_comma.arg_max() or 0)
            raise _NotATableError(
                f"row {first + 2}: {cells.name} is {cells[first]!r}, with a decimal comma",
                "Write numbers with a point, 1.5: a spreadsheet saves them so in an English setting.",
            )
