"""Tables that people hand in: CSV, TSV or Parquet, each cell as it stands there."""

import io
from pathlib import Path

import polars as pl

from cinema_cli.domain.errors import ConfigError, InputError


def read_outside(path: Path, *, called: str, option: str, code: str) -> pl.DataFrame:
    """A table in which 0001 stays 0001: every cell of CSV and TSV is text, an empty one is null.

    `called` and `option` say in errors what the file is and what names it; their codes are made of `code`. Raises
    InputError where there is no file, ConfigError where it is no table.
    """
    if not path.is_file():
        raise InputError(f"no {called} {path}", hint=f"Check the path given to {option}.", code=f"no_{code}")
    try:
        content = io.BytesIO(path.read_bytes())  # Polars would take brackets for a pattern, and opens no odd names
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(content)
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        return pl.read_csv(content, infer_schema=False, encoding="utf8-lossy", separator=separator)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ConfigError(
            f"cannot read {path} as a table", hint="CSV (UTF-8) or Parquet is read.", code=f"{code}_table"
        ) from error
