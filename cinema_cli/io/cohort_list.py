"""Which studies a cohort has: the list that the last scan left in an output folder, and the records of those."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from cinema_cli.domain.cine import StudyFacts
from cinema_cli.io.clinical import ClinicalFacts, merge_facts
from cinema_cli.io.facts import FACTS_SCHEMA, to_facts
from cinema_cli.io.index import CohortIndex, StudyKey
from cinema_cli.io.index_rows import KEY_SCHEMA
from cinema_cli.io.ledger import RECORD_NAME, Record, Status, read_records
from cinema_cli.io.tables import ID_SCHEMA, Schema, Visit, read_parquet, read_series, write_table

STUDIES = "studies.parquet"
STUDY_SCHEMA: Schema = (
    ID_SCHEMA
    | {name: kind for name, kind in FACTS_SCHEMA.items() if name != "study_date"}
    | {"digest": pl.String, "n_images": pl.Int64, "n_bytes": pl.Int64}
)
_FACTS = [name for name in FACTS_SCHEMA if name in STUDY_SCHEMA]
_NOT_REACHED = ("not reached: no run has come to it yet", "Run the same command again: it does what is left.")


def list_studies(index: CohortIndex, digests: Mapping[StudyKey, str], *, clinical: ClinicalFacts) -> pl.DataFrame:
    """One row for each study of `digests`, as the scan found it: STUDY_SCHEMA, in order; the study uid stays out.

    Facts of the headers are overruled by those of the clinical file. Bytes are those of the files, each counted once.
    """
    rows = [_row(index, key, digest, clinical) for key, digest in digests.items()]
    listed = pl.LazyFrame(
        rows, schema=KEY_SCHEMA | {n: k for n, k in STUDY_SCHEMA.items() if n[:2] != "n_"}, orient="row"
    )
    files = index.images.lazy().drop_nulls("path").unique([*KEY_SCHEMA, "path", "member", "frame_item"])
    of_images = pl.struct("path", "member").is_first_distinct()  # several images may be in one file
    sizes = (
        files.with_columns(pl.col(*KEY_SCHEMA).cast(pl.String))
        .group_by(*KEY_SCHEMA)
        .agg(n_images=pl.len(), n_bytes=pl.col("file_size").filter(of_images).sum())
    )
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


def cohort_records(out: Path) -> tuple[Record, ...]:
    """A record for each study of the last scan, in order; `not_run` for one that no run has reached yet.

    Where no list is there, those of the series table, and all where there is none either.
    """
    listed = read_studies(out)
    if listed.is_empty():
        found = read_series(out)
        return read_records(out, studies=None if found.is_empty() else _visits(found))
    known = {(r.participant_id, r.session_id): r for r in read_records(out, studies=_visits(listed))}
    rows = listed.iter_rows(named=True)
    return tuple(known.get((row["participant_id"], row["session_id"])) or _not_reached(row) for row in rows)


def former_studies(out: Path) -> tuple[Visit, ...]:
    """Studies with a record that the last scan did not find: their folders are left, no table counts them."""
    listed = read_studies(out)
    found = read_series(out) if listed.is_empty() else listed
    paths = out.glob(f"sub-*/ses-*/{RECORD_NAME}")
    recorded = {Visit(path.parent.parent.name, path.parent.name) for path in paths}
    return () if found.is_empty() else tuple(sorted(recorded - _visits(found)))


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


def _not_reached(row: Mapping[str, object]) -> Record:
    reason, hint = _NOT_REACHED
    facts = StudyFacts(**{name: row[name] for name in _FACTS})  # type: ignore[arg-type]
    return Record(
        str(row["participant_id"]), str(row["session_id"]), Status.NOT_RUN, digest="", version="", stage="run",
        code="not_reached", reason=reason, hint=hint, facts=facts,
    )  # fmt: skip


def _visits(table: pl.DataFrame) -> set[Visit]:
    return {Visit(*row) for row in table.select(*ID_SCHEMA).unique().iter_rows()}
