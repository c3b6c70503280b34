"""Tables as people hand them in: cells as text or as numbers, and refusals that name the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cinema_cli.domain.errors import ConfigError, InputError
from cinema_cli.io.outside_tables import read_outside

PHENOTYPE_TABLE = "phenotypes.parquet"
MISSING = ("", ".", "NA", "na", "N/A", "n/a", "NaN", "nan", "NULL", "null", "<NA>")  # `none` may be a category
FIRST_ROW = 2  # the header is row 1, as a spreadsheet counts
_MOST_ROWS = 5  # row numbers that an error lists
_LARGEST = 1e100  # of values: squares of larger ones are infinite


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A table as it was handed in; missing cells are null."""

    name: str  # of the file, without folders
    cells: pl.DataFrame

    @property
    def names(self) -> list[str]:
        """Its columns."""
        return self.cells.columns

    def has(self, name: str) -> bool:
        """Whether it has the column."""
        return name in self.cells.columns

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers and nothing else."""
        return is_numeric(self.cells[name])


def read_phenotypes(path: Path) -> Source:
    """The phenotype table, a file or an output folder of `cinema analyse`. Raises InputError, ConfigError."""
    if path.is_dir():
        if not (path / PHENOTYPE_TABLE).is_file():
            raise InputError(
                f"no {PHENOTYPE_TABLE} in {path}",
                hint="Give a table, or the output folder of `cinema analyse`.",
                code="no_phenotypes",
            )
        path = path / PHENOTYPE_TABLE
    return read_source(path, called="phenotype table", option="PHENOTYPES", code="phenotypes")


def read_outcomes(path: Path) -> Source:
    """The table of outcomes. Raises InputError, ConfigError."""
    return read_source(path, called="table of outcomes", option="--outcomes", code="outcomes")


def read_source(path: Path, *, called: str, option: str, code: str) -> Source:
    """Any table; see `io.outside_tables` for the words. Raises InputError, also without rows, and ConfigError."""
    table = read_outside(path, called=called, option=option, code=code)
    text, number = pl.col(pl.String), pl.col(pl.Float32, pl.Float64)
    bare = text.str.strip_chars()
    cells = table.with_columns(
        pl.when(bare.is_in(MISSING)).then(None).otherwise(bare).name.keep(), number.fill_nan(None)
    )
    if cells.is_empty():
        raise InputError(f"{path.name} has no rows", hint="One row a participant is read.", code=f"no_{code}")
    return Source(path.name, cells)


def as_numbers(cells: pl.Series) -> pl.Series:
    """Cells as numbers; null where they are missing or are none."""
    if cells.dtype.is_numeric() or cells.dtype in (pl.Boolean, pl.String):
        return cells.cast(pl.Float64, strict=False).fill_nan(None)
    return pl.Series(cells.name, [None] * len(cells), dtype=pl.Float64)


def as_text(cells: pl.Series) -> pl.Series:
    """Cells as text; whole numbers without a point."""
    if cells.dtype.is_float() and (cells.drop_nulls() == cells.drop_nulls().round()).all():
        cells = cells.cast(pl.Int64)
    return cells.cast(pl.String, strict=False)


def is_numeric(cells: pl.Series) -> bool:
    """Whether there are cells, and all of them are numbers."""
    if cells.dtype == pl.Boolean or cells.null_count() == len(cells):
        return False
    return as_numbers(cells).null_count() == cells.null_count()


def rows_words(numbers: Sequence[int]) -> str:
    """`row 7`; `rows 2, 5, 9, 11, 12 and 34 more`."""
    shown = ", ".join(str(number) for number in numbers[:_MOST_ROWS])
    more = f" and {len(numbers) - _MOST_ROWS} more" if len(numbers) > _MOST_ROWS else ""
    return f"row{'s' if len(numbers) > 1 else ''} {shown}{more}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Cells of a table that are not as they should be."""

    file: str
    rows: tuple[int, ...]  # ascending, the header being row 1
    says: str
    hint: str
    code: str


def refuse_all(faults: Sequence[Fault]) -> None:
    """Raise ConfigError where there are faults: each with its rows, in their order, and what helps."""
    if not faults:
        return
    faults = sorted(faults, key=lambda fault: (fault.file, fault.rows[0]))
    lines = [f"{fault.file}, {rows_words(fault.rows)}: {fault.says}" for fault in faults]
    message = lines[0] if len(lines) == 1 else "\n- ".join([f"{len(lines)} kinds of cells are wrong", *lines])
    hints = dict.fromkeys(fault.hint for fault in faults)
    raise ConfigError(message, hint=" ".join(hints), code=faults[0].code)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Cells of both tables side by side, and in which row of which file each stood.

    The first fault is raised; where there is a list for `faults` all are collected there for `refuse_all`, and cells
    with one count as missing until then.
    """

    table: pl.DataFrame
    files: Mapping[str, tuple[str, str]]  # column -> name of its file, column of its row numbers
    faults: list[Fault] | None = None

    def refuse(
        self, name: str, bad: pl.Series, *, says: str, hint: str, code: str = "survival_value", called: str = ""
    ) -> None:
        """A fault, which names file, rows and the first cell, where any row is bad.

        `says` goes on after the name of the column, or what it is `called`; `{}` in it is the first bad cell. Raises
        ConfigError, unless faults are collected.
        """
        file, row = self.files[name]
        wrong = self.table.filter(bad.fill_null(value=False)).sort(row, maintain_order=True)
        if wrong.is_empty():
            return
        first = repr(str(wrong[name][0])) if wrong[name].dtype == pl.String else str(wrong[name][0])
        rows = tuple(wrong[row].unique(maintain_order=True).to_list())
        fault = Fault(file, rows, f"{called or name} {says.format(first)}", hint, code)
        if self.faults is None:
            refuse_all([fault])
        else:
            self.faults.append(fault)

    def accepted(
        self, name: str, values: pl.Series, bad: pl.Series, *, says: str, hint: str, code: str = "survival_value"
    ) -> pl.Series:
        """Values of a column without the bad ones, which are refused."""
        self.refuse(name, bad, says=says, hint=hint, code=code)
        return values.set(bad.fill_null(value=False), None)

    def numbers(self, name: str) -> pl.Series:
        """A column that must hold numbers; text and what is infinite or nearly so is refused."""
        cells = self.table[name]
        values = as_numbers(cells)
        self.refuse(
            name,
            values.is_null() & cells.is_not_null(),
            says="is {}, not a number",
            hint="Write numbers with a point; leave the cell empty where the value is unknown.",
        )
        return self.accepted(
            name,
            values,
            values.abs() > _LARGEST,
            says="is {}, too large for a number of anything",
            hint="Leave the cell empty where the value is unknown.",
        )
