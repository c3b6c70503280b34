"""The tables of all studies of a cohort: put in order now, or taken over from an earlier scan where nothing changed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from cinema_cli.io.assembled import STUDIES_SCHEMA, UNITS_SCHEMA, Batch, Rules, assemble_batch, own_rows
from cinema_cli.io.cohort_index import ImageParts, StudyKey
from cinema_cli.io.facts import FACTS_SCHEMA
from cinema_cli.io.index_rows import KEY_SCHEMA, SERIES_SCHEMA, STACKS_SCHEMA
from cinema_cli.io.index_store import Found, IndexStore, Shelved, is_whole
from cinema_cli.io.processes import Team

_AT_ONCE = 32  # studies that a process puts in order at a time
_IMAGES_AT_ONCE = 25_000
_KEY = list(KEY_SCHEMA)
_STATE = ["state", "images"]  # what a study was made of, in 64 bits and by number
KEPT_SCHEMA = {**STUDIES_SCHEMA, "table": pl.Int64, "state": pl.UInt64, "images": pl.Int64}


@dataclass(frozen=True, slots=True, eq=False)
class StudyTables:
    """All studies in order of participant, session and study."""

    series: pl.DataFrame
    stacks: pl.DataFrame
    facts: pl.DataFrame
    studies: pl.DataFrame  # KEPT_SCHEMA
    images: tuple[Shelved, ...]  # by the number that `table` of a study gives

    @property
    def image_parts(self) -> ImageParts:
        """The images by study."""
        planned = self.studies.filter(pl.col("length") > 0).select(*_KEY, "table", "start", "length")
        return ImageParts(self.images, {StudyKey(*row[:3]): row[3:] for row in planned.iter_rows()})

    @property
    def are_kept(self) -> bool:
        """Whether the next scan will find all images."""
        return all(isinstance(table, Path) for table in self.images)

    def kept(self) -> dict[str, pl.DataFrame]:
        """The tables that `recalled` takes."""
        return {"series": self.series, "stacks": self.stacks, "facts": self.facts, "studies": self.studies}


def recalled(found: Found, store: IndexStore) -> StudyTables:
    """The tables of an earlier scan, without the studies whose images were lost."""
    images = tuple(store.images / name for name in found.images)
    lost = [number for number, path in enumerate(images) if not is_whole(path)]
    table = found.tables
    tables = StudyTables(table["series"], table["stacks"], table["facts"], table["studies"], images)
    if not lost:
        return tables
    return _of_studies(tables, tables.studies.filter(~pl.col("table").is_in(lost)))


def assemble_all(
    ids: pl.DataFrame,
    parts: Sequence[Shelved],
    *,
    rules: Rules,
    before: StudyTables | None,
    folder: Path | None,
    team: Team,
    progress: Callable[[int, int], None] | None = None,
) -> StudyTables:
    """Tables of every study; where images, ids and rules are as they were `before`, they are taken over.

    `ids`: the summary of the parts (see `io.header_parts`) with UNITS_SCHEMA. `folder`: where images are kept.
    `progress(done, total)` counts studies. Raises DamagedError.
    """
    wanted = _studies_of(ids)
    known = before and _of_studies(before, before.studies.join(wanted, on=[*_KEY, *_STATE], how="semi"))
    new = wanted if known is None else wanted.join(known.studies, on=_KEY, how="anti", maintain_order="left")
    found = [] if known is None else [known]
    work = partial(assemble_batch, rules=rules, folder=folder)
    batches = _batches(new, ids, parts)
    done = 0
    for own in team.each(work, batches, total=-(-new.height // _AT_ONCE)):
        studies = own.studies.join(new, on=_KEY, how="left", maintain_order="left").with_columns(table=pl.lit(0))
        found.append(StudyTables(own.series, own.stacks, own.facts, studies.select(*KEPT_SCHEMA), (own.images,)))
        done += studies.height
        if progress:
            progress(done, new.height)
    return _joined(found)


def _studies_of(ids: pl.DataFrame) -> pl.DataFrame:
    """Each study with its state and the parts that its images are in, in order of the first of these."""
    grouped = ids.group_by("participant_id", "session_id", study_uid="own_study_uid").agg(
        state=pl.col("state").bitwise_xor(),
        images=pl.col("images").cast(pl.Int64).sum(),
        parts=pl.col("part").unique().sort(),
    )
    return grouped.sort(pl.col("parts").list.first(), *_KEY)


def _batches(new: pl.DataFrame, ids: pl.DataFrame, parts: Sequence[Shelved]) -> Iterator[Batch]:
    """The studies some at a time, each with the parts and ids of its images."""
    numbers: list[int] = []
    studies = images = 0
    for own in new["images"]:
        full = studies == _AT_ONCE or (studies and images + own > _IMAGES_AT_ONCE)
        studies, images = (1, own) if full else (studies + 1, images + own)
        numbers.append(numbers[-1] + bool(full) if numbers else 0)
    numbered = new.select(*_KEY, batch=pl.Series(numbers, dtype=pl.Int64))
    own_key = ["participant_id", "session_id", "own_study_uid"]
    units = ids.join(numbered, left_on=own_key, right_on=_KEY).partition_by("batch", as_dict=True)
    for number in sorted(set(numbers)):
        mine = units.pop((number,))
        wanted = mine.select(*UNITS_SCHEMA).unique()
        yield [own_rows(parts[part], wanted) for part in mine["part"].unique().sort()], wanted


def _of_studies(tables: StudyTables, studies: pl.DataFrame) -> StudyTables:
    """Those tables with some of their studies only."""
    if studies.height == tables.studies.height:
        return tables
    whole = (tables.series, tables.stacks, tables.facts)
    series, stacks, facts = (table.join(studies, on=_KEY, how="semi", maintain_order="left") for table in whole)
    return StudyTables(series, stacks, facts, studies, tables.images)


def _joined(found: Sequence[StudyTables]) -> StudyTables:
    """All of these as one, with those tables of images that are needed."""
    images: list[Shelved] = []
    studies = [pl.DataFrame(schema=KEPT_SCHEMA)]
    for tables in found:
        used = tables.studies["table"].unique().sort().to_list()
        numbers = {old: len(images) + new for new, old in enumerate(used)}
        images += [tables.images[number] for number in used]
        studies.append(tables.studies.with_columns(pl.col("table").replace_strict(numbers, return_dtype=pl.Int64)))
    return StudyTables(
        series=_in_order([pl.DataFrame(schema=SERIES_SCHEMA), *(tables.series for tables in found)]),
        stacks=_in_order([pl.DataFrame(schema=STACKS_SCHEMA), *(tables.stacks for tables in found)]),
        facts=_in_order([pl.DataFrame(schema=KEY_SCHEMA | FACTS_SCHEMA), *(tables.facts for tables in found)]),
        studies=_in_order(studies),
        images=tuple(images),
    )


def _in_order(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(tables).sort(_KEY, maintain_order=True)
