"""What published heads said: two small tables beside a study's record, and those of the cohort made of them."""

import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from cinema_cli.domain.errors import InputError
from cinema_cli.domain.prediction import Embedding, PredictionColumn
from cinema_cli.domain.result import StudyResult
from cinema_cli.io.atomic import output_errors, stream_atomic, write_atomic
from cinema_cli.io.dictionary import Entry, entry
from cinema_cli.io.ledger import Status, StudyIds, study_folder
from cinema_cli.io.processes import Team
from cinema_cli.io.record_rows import ID_SCHEMA, Schema
from cinema_cli.io.records import CohortRecords
from cinema_cli.io.standings import Visit
from cinema_cli.io.tables import disk_errors_heard, read_parquet, scan_table, to_parquet, write_dictionary

PREDICTIONS, EMBEDDINGS = "predictions.parquet", "embeddings.parquet"
STUDY_TABLES = (PREDICTIONS, EMBEDDINGS)
PREDICTION_KEYS: Schema = ID_SCHEMA | {"view": pl.String, "frame": pl.Int64}
EMBEDDING_SCHEMA: Schema = ID_SCHEMA | {
    "head": pl.String,
    "moment": pl.String,
    "frame": pl.Int64,
    **dict.fromkeys(("cls", "sax", "lax_2c", "lax_3c", "lax_4c"), pl.List(pl.Float32)),
    "reasons": pl.String,
}
_REASONS = "reasons"
AT_ONCE = 500  # studies whose small tables are put together before they join the others


def prediction_schema(columns: Iterable[PredictionColumn]) -> Schema:
    """Schema of a prediction table: ids, view and frame (empty in the row of the study), `columns`, reasons."""
    cells: Schema = {c.name: pl.String if c.is_text else pl.Float64 for c in columns}
    return PREDICTION_KEYS | cells | {_REASONS: pl.String}


def prediction_table(result: StudyResult, columns: Sequence[PredictionColumn]) -> pl.DataFrame:
    """One row for the study, then one for each frame of each view that a head answered frame by frame."""
    ids = {"participant_id": result.participant_id, "session_id": result.session_id}
    schema = prediction_schema(columns)
    cells = {name: value for said in result.predictions for name, value in said.study.items()}
    reasons = "; ".join(f"{said.head}: {said.reason}" for said in result.predictions if said.reason)
    parts = [pl.DataFrame([ids | cells | {_REASONS: reasons}], schema=schema)]
    for view in dict.fromkeys(said.view for said in result.predictions if said.view and said.frames):
        frames = {n: x for said in result.predictions if said.view is view for n, x in said.frames.items()}
        table = pl.DataFrame({"frame": range(len(next(iter(frames.values()))))} | frames)
        keys = {name: pl.lit(value) for name, value in (ids | {"view": str(view)}).items()}
        missing = {name: pl.lit(None) for name in schema if name not in {*table.columns, *keys}}
        ordered = [pl.col(name).cast(kind) for name, kind in schema.items()]
        parts.append(table.with_columns(**keys, **missing).select(ordered))
    return pl.concat(parts).with_columns(pl.col(pl.Float64).fill_nan(None))


def embedding_table(study: StudyIds, embeddings: Iterable[Embedding]) -> pl.DataFrame:
    """One row for each moment (ED, ES): EMBEDDING_SCHEMA, vectors as lists of float32."""
    rows = [
        {
            "participant_id": study.participant_id,
            "session_id": study.session_id,
            "head": one.head,
            "moment": one.moment,
            "frame": one.frame,
            **{name: vector.tolist() for name, vector in one.vectors.items()},
            _REASONS: "; ".join(f"{name}: {why}" for name, why in one.reasons.items()),
        }
        for one in embeddings
    ]
    return pl.DataFrame(rows, schema=EMBEDDING_SCHEMA)


def write_study_tables(out: Path, result: StudyResult, columns: Sequence[PredictionColumn]) -> None:
    """Write what heads said of a study beside where its record will lie. Raises OutputError."""
    folder = study_folder(out, result)
    if result.predictions:
        write_atomic(folder / PREDICTIONS, to_parquet(prediction_table(result, columns)))
    if result.embeddings:
        write_atomic(folder / EMBEDDINGS, to_parquet(embedding_table(result, result.embeddings)))


def write_cohort_tables(
    out: Path, records: CohortRecords, columns: Sequence[PredictionColumn], *, embedded: bool, jobs: int = 1
) -> None:
    """predictions.parquet and embeddings.parquet of a cohort, each with its dictionary; every study has a row.

    A table for which no head is in use (no `columns`, not `embedded`) and no study has anything is not written, and one
    that is left from an earlier run goes. Columns that only earlier records have, of heads no longer in use, stand
    after `columns`. `jobs`: processes, where there is much to read. Raises OutputError.
    """
    words, schema = _prediction_words(columns), prediction_schema(columns)
    _write(out, records, PREDICTIONS, schema, words, wanted=bool(columns), jobs=jobs)
    _write(out, records, EMBEDDINGS, EMBEDDING_SCHEMA, _EMBEDDING_WORDS, wanted=embedded, jobs=jobs)


def scan_predictions(out: Path) -> pl.LazyFrame | None:
    """What heads said in an output folder; None where it has no such table, or one that cannot be read.

    Raises InputError where it lacks a column that says whose and of which frame a row is.
    """
    table = scan_table(out, PREDICTIONS)
    lacking = [] if table is None else [name for name in (*ID_SCHEMA, "frame") if name not in table.collect_schema()]
    if lacking:
        raise InputError(
            f"{PREDICTIONS} has no column {lacking[0]}",
            hint="Give the folder that `cinema infer` wrote, or take that table out of it.",
            code="predictions",
        )
    return table


def _write(
    out: Path, records: CohortRecords, name: str, schema: Schema, words: Mapping[str, Entry], *, wanted: bool, jobs: int
) -> None:
    stem, studies = Path(name).stem, records.standing
    said = studies.filter(pl.col("status") == Status.DONE, pl.col("files").list.contains(name))
    if not wanted and said.is_empty():
        with output_errors(out):
            for path in (out / name, out / f"{stem}.json"):
                path.unlink(missing_ok=True)
        return
    asked = frozenset(head.name for _, heads, _ in records.made_by for head in heads if head.weights)
    # of all frames of all studies, few are in memory at a time
    with tempfile.TemporaryDirectory(prefix="cinema-") as folder, Team(jobs) as team:
        starts = range(0, studies.height, AT_ONCE)
        pieces = ((studies[start : start + AT_ONCE], Path(folder) / f"{start}.parquet") for start in starts)
        done = team.each(partial(_part, out, name, asked), pieces, total=len(starts))
        parts = [pl.LazyFrame(schema=schema), *(pl.scan_parquet(part, glob=False) for part in done)]
        table = pl.concat(parts, how="diagonal")
        columns = [*(column for column in table.collect_schema() if column != _REASONS), _REASONS]
        write_dictionary(out, stem, columns, words)
        sink = partial(table.select(columns).sink_parquet, maintain_order=True)
        stream_atomic(out / name, lambda file: disk_errors_heard(file, sink))


def _part(out: Path, name: str, asked: frozenset[str], piece: tuple[pl.DataFrame, Path]) -> Path:
    """Put the tables of some studies together in a file."""
    studies, path = piece
    some = [_of_study(row, out, name, asked) for row in studies.iter_rows(named=True)]
    with output_errors(path):
        pl.concat(some, how="diagonal").write_parquet(path)
    return path


def _of_study(study: Mapping[str, Any], out: Path, name: str, asked: Collection[str]) -> pl.DataFrame:
    """A study's own rows; where it has none, one that says why. `asked` are the heads that some study was asked by."""
    ids, why = Visit(study["participant_id"], study["session_id"]), study["reason"]
    if study["status"] == Status.DONE:
        try:
            return _with_unasked(read_parquet(study_folder(out, ids) / name), sorted(set(asked) - set(study["heads"])))
        except FileNotFoundError:
            why = "analysed without these heads" if name not in study["files"] else "its table is not there"
        except (OSError, pl.exceptions.PolarsError):
            why = "its table cannot be read: run the study again (--force)"
    row = (ids.participant_id, ids.session_id, f"all: {why}")
    return pl.DataFrame([row], schema=ID_SCHEMA | {_REASONS: pl.String}, orient="row")


def _with_unasked(table: pl.DataFrame, heads: Sequence[str]) -> pl.DataFrame:
    """A study's rows that say of which heads it was not asked, in the row of the study or of each moment."""
    why = "; ".join(f"{head}: not asked of this study" for head in heads)
    of_study = pl.col("view").is_null() if "view" in table.columns else pl.lit(True)
    told = pl.concat_str(pl.when(pl.col(_REASONS) != "").then(_REASONS), pl.lit(why), separator="; ", ignore_nulls=True)
    return table.with_columns(pl.when(of_study).then(told).otherwise(_REASONS).alias(_REASONS)) if why else table


_WHY = entry("Why cells of a head are empty: `head: reason`, separated by `; `; `all` where the study has no answer.")


def _prediction_words(columns: Iterable[PredictionColumn]) -> dict[str, Entry]:
    return {
        "view": entry("View that the frame belongs to; empty in the row of the study."),
        "frame": entry("Frame of that view, from 0; empty in the row of the study."),
        **{c.name: entry(c.meaning, units=c.unit) for c in columns},
        _REASONS: _WHY,
    }


_EMBEDDING_WORDS: Mapping[str, Entry] = {
    "head": entry("The pre-trained backbone that made the vectors."),
    "moment": entry("Moment of the cycle.", levels={"ed": "end-diastole", "es": "end-systole"}),
    "frame": entry("Its frame, from 0, in the view on which ED and ES were found."),
    "cls": entry("Class token over all the views that the study has."),
    **{view: entry(f"Mean over the tokens of view {view}.") for view in ("sax", "lax_2c", "lax_3c", "lax_4c")},
    _REASONS: entry("Why a vector is missing: `view: reason`, separated by `; `; `all` where the study has none."),
}
