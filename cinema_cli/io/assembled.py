"""Studies put in order, some at a time: rows of their tables, and a digest of what each was made of."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cinema_cli.io.assembly import assemble
from cinema_cli.io.facts import FACTS_SCHEMA, study_facts, year_only
from cinema_cli.io.id_units import DIRECTORY, UNIT
from cinema_cli.io.index_rows import (
    FILE_COLUMNS,
    IMAGES_SCHEMA,
    KEY_SCHEMA,
    SERIES_SCHEMA,
    STACKS_SCHEMA,
    image_rows,
    series_rows,
    stack_row,
)
from cinema_cli.io.index_store import Shelved, load, shelve
from cinema_cli.io.instances import INSTANCE_SCHEMA, IS_IMAGE, plain
from cinema_cli.io.truncated import without_spoilt_copies

UNITS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {  # who the images are of that are alike in UNIT
    **dict.fromkeys(UNIT, pl.String),
    "participant_id": pl.String,
    "session_id": pl.String,
    "own_study_uid": pl.String,  # that of the study, also where the header has none
}
STUDIES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **KEY_SCHEMA,
    "digest": pl.String,  # SHA-256 of the planned files (path, size, change time) and how they become cines
    "n_images": pl.Int64,  # that are planned
    "n_bytes": pl.Int64,  # of their files, each counted once
    "start": pl.Int64,  # first of its rows of images, in the table of images that it is in
    "length": pl.Int64,  # number of these
}
_KEY = list(KEY_SCHEMA)
_ORDER = ("sop_uid", "frame_item", "position_z", "trigger_time_ms", "path", "member")  # not as files lie


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides, beside the images, how a study is put in order."""

    overrides: Mapping[str, str]  # what the views file says
    allow_missing_frames: int
    years_only: bool = False  # in place of days


@dataclass(frozen=True, slots=True, eq=False)
class Assembled:
    """Some studies in order."""

    series: pl.DataFrame  # SERIES_SCHEMA
    stacks: pl.DataFrame  # STACKS_SCHEMA
    facts: pl.DataFrame  # KEY_SCHEMA and FACTS_SCHEMA
    studies: pl.DataFrame  # STUDIES_SCHEMA
    images: Shelved  # IMAGES_SCHEMA


Batch = tuple[Sequence[Shelved], pl.DataFrame]
"""Parts that hold the rows of some studies, and UNITS_SCHEMA of these."""


def own_rows(part: Shelved, units: pl.DataFrame) -> Shelved:
    """A part that is in memory with the images of some units only, to be sent to another process; else as it is."""
    return _images(part).join(units, on=UNIT, how="semi", nulls_equal=True) if isinstance(part, pl.DataFrame) else part


def _images(part: Shelved) -> pl.DataFrame:
    person = pl.col("person_key").cast(pl.String)
    return load(part, INSTANCE_SCHEMA).filter(IS_IMAGE).with_columns(person, directory=DIRECTORY)


def study_rows(batch: Batch) -> pl.DataFrame:
    """Every image of some studies with its ids. Raises DamagedError."""
    parts, units = batch
    joined = pl.concat([_images(part).join(units, on=UNIT, nulls_equal=True) for part in parts])
    return joined.with_columns(study_uid="own_study_uid").drop("own_study_uid", "directory")


def assemble_batch(batch: Batch, *, rules: Rules, folder: Path | None) -> Assembled:
    """The studies of a batch in order; their images are kept in `folder`. Raises DamagedError."""
    return assemble_rows(study_rows(batch), rules=rules, folder=folder)


def assemble_rows(rows: pl.DataFrame, *, rules: Rules, folder: Path | None = None) -> Assembled:
    """The studies of some images that have ids, in order of participant, session and study."""
    series: list[dict[str, Any]] = []
    stacks: list[dict[str, Any]] = []
    facts: list[dict[str, Any]] = []
    images: dict[str, list[Any]] = {name: [] for name in IMAGES_SCHEMA}
    keyed = plain(rows).with_columns(pl.col(*_KEY).fill_null(""))  # an id that is absent counts as empty text
    for whole in keyed.sort(*_KEY, *_ORDER).partition_by(*_KEY, maintain_order=True):
        once = without_spoilt_copies(whole)
        table = whole if once is whole else once.sort(_ORDER)
        key = {name: table[name][0] for name in _KEY}
        study = assemble(table, overrides=rules.overrides, allow_missing_frames=rules.allow_missing_frames)
        series += [key | row for row in series_rows(study)]
        stacks += [key | stack_row(c, study.timings[view], study) for view, c in study.chosen.items()]
        files = {name: table[name].to_list() for name in FILE_COLUMNS}
        for view, chosen in study.chosen.items():
            for name, values in image_rows(key, view, chosen, files).items():
                images[name] += values
        facts.append(key | study_facts(table))
    told = pl.DataFrame(facts, schema={**KEY_SCHEMA, **FACTS_SCHEMA})
    planned, geometry = pl.DataFrame(images, schema=IMAGES_SCHEMA), pl.DataFrame(stacks, schema=STACKS_SCHEMA)
    told = year_only(told) if rules.years_only else told
    return Assembled(
        series=pl.DataFrame(series, schema=SERIES_SCHEMA),
        stacks=geometry,
        facts=told,
        studies=_studies(told.select(*_KEY), images=planned, stacks=geometry, facts=told),
        images=shelve(planned, folder),
    )


def _studies(keys: pl.DataFrame, *, images: pl.DataFrame, stacks: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """STUDIES_SCHEMA of studies, in order."""
    plans, rest = _plans(images), [_by_study(stacks), _by_study(facts)]
    texts = [
        json.dumps([plans.get(key, ""), [rows[key].to_dicts() if key in rows else [] for rows in rest]])
        for key in keys.iter_rows()
    ]
    digests = pl.Series(hashlib.sha256(text.encode()).hexdigest() for text in texts)
    planned = images.lazy().with_columns(pl.col(*_KEY).cast(pl.String))
    lengths = planned.group_by(_KEY).agg(length=pl.len())
    files = planned.drop_nulls("path").unique([*_KEY, "path", "member", "frame_item"])
    once = pl.struct("path", "member").is_first_distinct()  # several images may be in one file
    sizes = files.group_by(_KEY).agg(n_images=pl.len(), n_bytes=pl.col("file_size").filter(once).sum())
    known = keys.lazy().with_columns(digest=pl.lit(digests, pl.String) if keys.height else pl.lit(None, pl.String))
    joined = known.join(lengths, on=_KEY, how="left", maintain_order="left")
    told = joined.join(sizes, on=_KEY, how="left", maintain_order="left").fill_null(0)
    start = pl.col("length").cum_sum() - pl.col("length")
    return told.with_columns(start=start).select(*STUDIES_SCHEMA).cast(pl.Schema(STUDIES_SCHEMA)).collect()


def _by_study(rows: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
    return rows.partition_by(*_KEY, as_dict=True, maintain_order=True)


def _plans(images: pl.DataFrame) -> dict[tuple[Any, ...], str]:
    """Rows of each study as one text; they are in the order of views, slices and frames, whatever that of files."""
    place = pl.concat_str("path", "member", separator="\0", ignore_nulls=True)
    cells = [
        (place if name == "path" else pl.col(name)).cast(pl.String).fill_null("")
        for name in IMAGES_SCHEMA
        if name not in (*KEY_SCHEMA, "member")
    ]
    lines = images.select(pl.col(*_KEY).cast(pl.String), line=pl.concat_str(cells, separator="\t"))
    texts = lines.group_by(*_KEY, maintain_order=True).agg(pl.col("line").str.join("\n"))
    return {row[:3]: row[3] for row in texts.iter_rows()}
