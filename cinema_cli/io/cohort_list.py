"""Which studies a cohort has: the list that the last scan left in an output folder, and the records of those."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from cinema_cli.domain.cine import StudyFacts
from cinema_cli.io.clinical import ClinicalFacts, merge_facts
from cinema_cli.io.facts import FACTS_SCHEMA, to_facts
from cinema_cli.io.index import CohortIndex, StudyKey
from cinema_cli.io.index_rows import KEY_SCHEMA
from cinema_cli.io.ledger import NOT_REACHED, RECORD_NAME, Record, Status, read_record
from cinema_cli.io.processes import Team
from cinema_cli.io.record_rows import ID_SCHEMA, Schema
from cinema_cli.io.records import CohortRecords, gather, joined
from cinema_cli.io.standings import Standing, Visit, read_standings
from cinema_cli.io.tables import read_parquet, read_series, write_table

STUDIES = "studies.parquet"
STUDY_SCHEMA: Schema = (
    ID_SCHEMA
    | {name: kind for name, kind in FACTS_SCHEMA.items() if name != "study_date"}
    | {"digest": pl.String, "n_images": pl.Int64, "n_bytes": pl.Int64}
)
_FACTS = [name for name in FACTS_SCHEMA if name in STUDY_SCHEMA]
_AT_ONCE = 250  # studies whose records are made into tables together
_NOT_REACHED = ("not reached: no run has come to it yet", "Run the same command again: it does what is left.")


def list_studies(index: CohortIndex, digests: Mapping[StudyKey, str], *, clinical: ClinicalFacts) -> pl.DataFrame:
    """One row for each study of `digests`, as the scan found it: STUDY_SCHEMA, in order; the study uid stays out.

    Facts of the headers are overruled by those of the clinical file. Bytes are those of the files, each counted once.
    """
    rows = [_row(index, key, digest, clinical) for key, digest in digests.items()]
    listed = pl.LazyFrame(
        rows, schema=KEY_SCHEMA | {n: k for n, k in STUDY_SCHEMA.items() if n[:2] != "n_"}, orient="row"
    )
    sizes = index.studies.lazy().select(*KEY_SCHEMA, "n_images", "n_bytes")
    table = listed.join(sizes, on=list(KEY_SCHEMA), how="left").with_columns(pl.col("n_images", "n_bytes").fill_null(0))
    return table.select(pl.col(name).cast(kind) for name, kind in STUDY_SCHEMA.items()).sort(*ID_SCHEMA).collect()


def write_studies(out: Path, studies: pl.DataFrame) -> bool:
    """Write the list of a scan as studies.parquet with its dictionary; whether it is new. Raises OutputError."""
    if read_studies(out).equals(studies):
        return False
    write_table(out, "studies", studies, ".parquet")
    return True


def read_studies(out: Path) -> pl.DataFrame:
    """The list of the last scan: STUDY_SCHEMA; no rows where there is none, or none that this version understands."""
    path = out / STUDIES
    if path.is_file():
        table = read_parquet(path)
        if table.schema == STUDY_SCHEMA:
            return table
    return pl.DataFrame(schema=STUDY_SCHEMA)


def n_vanished(out: Path, visits: Collection[tuple[str, str]]) -> int:
    """How many studies that the last scan found are not among `visits` (participant, session) now."""
    return len(set(read_studies(out).select(*ID_SCHEMA).iter_rows()).difference(visits))


def cohort_records(out: Path, *, jobs: int = 1) -> CohortRecords:
    """The records of the studies of the last scan; `not_run` stands for one that no run has reached yet.

    Where no list is there, of those of the series table, and all where there is none either. `jobs`: processes, where
    there is much to read.
    """
    studies = _studies(out)
    pieces = [studies[start : start + _AT_ONCE] for start in range(0, studies.height, _AT_ONCE)]
    with Team(jobs) as team:
        return joined(team.each(partial(_gathered, out), pieces, total=len(pieces)))


def cohort_standings(out: Path, *, jobs: int = 1) -> list[Standing]:
    """How each study of the last scan stands, the studies as in `cohort_records`."""
    studies = _studies(out)
    found = read_standings(out, list(_visits(studies)), jobs=jobs)
    if "digest" not in studies.columns:
        return [one for one in found if one]
    return [
        one or _waiting(Visit(*ids)) for one, ids in zip(found, studies.select(*ID_SCHEMA).iter_rows(), strict=True)
    ]


def former_studies(out: Path) -> tuple[Visit, ...]:
    """Studies with a record that the last scan did not find: their folders are left, no table counts them."""
    listed = read_studies(out)
    found = read_series(out) if listed.is_empty() else listed
    return () if found.is_empty() else tuple(sorted(set(_recorded(out)) - set(_visits(found))))


def former_words(former: Sequence[Visit]) -> str:
    """What `former_studies` means for a reader; empty where there are none."""
    n = len(former)
    records = "1 more record is" if n == 1 else f"{n} more records are"
    return f"{records} left out: not in the cohort of the last scan (series.csv)" if n else ""


def _row(index: CohortIndex, key: StudyKey, digest: str, clinical: ClinicalFacts) -> list[object]:
    start, _ = index.places["facts"][key]
    ids = {"participant_id": key.participant_id, "session_id": key.session_id}
    said = merge_facts(to_facts(index.facts.row(start, named=True)), clinical=clinical, **ids)
    return [*ids.values(), key.study_uid, *(getattr(said, name) for name in _FACTS), digest]


def _studies(out: Path) -> pl.DataFrame:
    """Ids of the studies of a cohort in order, with the other columns of the list where there is one."""
    listed = read_studies(out)
    if not listed.is_empty():
        return listed
    found = read_series(out)
    visits = _recorded(out) if found.is_empty() else _visits(found)
    return pl.DataFrame(sorted((v.participant_id, v.session_id) for v in visits), schema=ID_SCHEMA, orient="row")


def _gathered(out: Path, studies: pl.DataFrame) -> CohortRecords:
    """The tables of some studies."""
    rows = studies.iter_rows(named=True)
    found = [read_record(out, Visit(row["participant_id"], row["session_id"])) or _not_reached(row) for row in rows]
    return gather([one for one in found if one])


def _not_reached(row: Mapping[str, Any]) -> Record | None:
    """What stands for a study without a record; None where the scan's list does not say that there is such a study."""
    if "digest" not in row:
        return None
    reason, hint = _NOT_REACHED
    return Record(
        row["participant_id"], row["session_id"], Status.NOT_RUN, digest="", version="", stage="run",
        code=NOT_REACHED, reason=reason, hint=hint, facts=StudyFacts(**{name: row[name] for name in _FACTS}),
    )  # fmt: skip


def _waiting(visit: Visit) -> Standing:
    """The same, as a standing."""
    return Standing(
        visit.participant_id, visit.session_id, Status.NOT_RUN, digest="", version="", code=NOT_REACHED,
        reason=_NOT_REACHED[0], flagged=False, wrote_masks=False, files={}, heads=(), parts={}, ended="",
        seconds={}, written_ns=0,
    )  # fmt: skip


def _visits(table: pl.DataFrame) -> Iterator[Visit]:
    return (Visit(*row) for row in table.select(*ID_SCHEMA).unique(maintain_order=True).iter_rows())


def _recorded(out: Path) -> Iterator[Visit]:
    """Studies that have a record, as their folders are named."""
    for person in _below(out, "sub-"):
        for visit in _below(Path(person.path), "ses-"):
            if Path(visit.path, RECORD_NAME).is_file():
                yield Visit(person.name, visit.name)


def _below(folder: Path, prefix: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name.startswith(prefix) and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
