"""Groups of people for an evaluation: columns of whichever table has them, by participant without prefix."""

from collections.abc import Sequence

import polars as pl

from cinema_cli.analysis.survival.columns import PARTICIPANT_NAMES, PARTICIPANT_WORDS
from cinema_cli.analysis.survival.reading import Source, as_text
from cinema_cli.domain.errors import ConfigError
from cinema_cli.io.identity import keyed_hash

KEY = "participant_id"


def participant_column(source: Source, *, asked: str = "") -> str:
    """The column of participants, as asked for or by its usual name. Raises ConfigError where there is none."""
    found = [name for name in ((asked,) if asked else PARTICIPANT_NAMES) if source.has(name)]
    if not found:
        raise ConfigError(
            f"{source.name} has no column {asked or PARTICIPANT_WORDS} (it has {', '.join(source.names[:30])})",
            hint="Name the column of participants with --id-column.",
            code="evaluation_columns",
        )
    return found[0]


def groups_of_people(
    sources: Sequence[Source], columns: Sequence[str], *, id_column: str = "", hash_key: bytes | None = None
) -> pl.DataFrame:
    """participant_id (under every name, see `by_every_name`) and the columns as text, from the first source with each.

    Of several rows of a participant the first counts. Raises ConfigError where no source has a column.
    """
    found: pl.DataFrame | None = None
    for column in columns:
        source = next((one for one in sources if one.has(column)), None)
        if source is None:
            known = dict.fromkeys(name for one in sources for name in one.names)
            raise ConfigError(
                f"no column {column} in what is known of people (there are {', '.join(list(known)[:30])})",
                hint="Hand in a table that has it with --people.",
                code="evaluation_columns",
            )
        asked = id_column if source.has(id_column) else ""
        ids = as_text(source.cells[participant_column(source, asked=asked)]).str.strip_prefix("sub-").alias(KEY)
        said = pl.DataFrame([ids, as_text(source.cells[column]).alias(column)]).drop_nulls(KEY)
        said = said.unique(KEY, keep="first", maintain_order=True)
        found = said if found is None else found.join(said, on=KEY, how="full", coalesce=True, maintain_order="left")
    return pl.DataFrame(schema={KEY: pl.String}) if found is None else by_every_name(found, hash_key=hash_key)


def by_every_name(people: pl.DataFrame, *, hash_key: bytes | None = None) -> pl.DataFrame:
    """The same rows under each name that tables may have for a participant: `7-1`, `sub-7-1`, `sub-71`, hashed."""
    key = pl.col(KEY)
    bare = key.str.strip_prefix("sub-")
    labels = pl.format("sub-{}", bare.str.replace_all(r"[^A-Za-z0-9]", ""))
    forms = [people.with_columns(form.alias(KEY)) for form in (bare, pl.format("sub-{}", bare), labels)]
    if hash_key is not None:
        for name in forms[:2]:
            hashed = pl.Series(KEY, [keyed_hash(who, hash_key) for who in name[KEY]], dtype=pl.String)
            forms += [people.with_columns(hashed), people.with_columns(("sub-" + hashed).alias(KEY))]
    return pl.concat(forms).unique(KEY, keep="first", maintain_order=True)
