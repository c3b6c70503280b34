"""Rows of the evaluation table from landmarks of frames: how far each is off, and the function that they show."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli.analysis.evaluation.joined import FRAME, IDS, joined
from cinema_cli.analysis.evaluation.table import EVALUATION, Kind, Note, System, checked_evaluation
from cinema_cli.analysis.evaluation.values import ValueTable
from cinema_cli.analysis.survival.reading import Source, as_numbers
from cinema_cli.domain.errors import ConfigError
from cinema_cli.domain.long_axis import LongAxisPoints, distances
from cinema_cli.io.predictions import PREDICTIONS, scan_predictions

POINTS = ("mitral_1", "mitral_2", "apex")  # of a landmark head, in the order of LongAxisPoints
_AXES = ("x_mm", "y_mm", "z_mm")
_COLUMN = re.compile(rf"(?:(?P<head>.+)_)?(?:{'|'.join(POINTS)})_x_mm")
Floats = NDArray[np.float64]


def read_points(out: Path) -> Source | None:
    """Rows of frames of what heads said in an output folder; None where no landmark head did. Raises InputError."""
    table = scan_predictions(out)
    if table is None:
        return None
    ours = [name for name in table.collect_schema() if name.endswith(_AXES)]
    if not ours:
        return None
    of_frames = table.filter(pl.col(FRAME).is_not_null()).select(*IDS, FRAME, *ours).collect()
    return Source(PREDICTIONS, of_frames)


def has_points(reference: Source) -> bool:
    """Whether a table of true values has landmarks of frames: columns named as ours, and `frame`."""
    return reference.has(FRAME) and any(_COLUMN.fullmatch(name) for name in reference.names)


def compared_points(
    prediction: Source,
    reference: Source,
    *,
    names: Mapping[str, str] | None = None,
    id_column: str = "",
    hash_key: bytes | None = None,
    system: System = System.THIS,
) -> ValueTable:
    """Distances of landmarks in frames that the reference has, and MAPSE and shortening where it has two or more.

    Both tables: one row a study and `frame` (from 0) with `<head>_<point>_x_mm`, `_y_mm` and perhaps `_z_mm`, points
    mitral_1, mitral_2 and apex. The reference may leave out the beginning of a head's name (`lax_4c_apex_x_mm`), or
    `names` say its columns. The function of both is measured between the frames where the reference's ventricle is
    longest and shortest, so that it differs by the points alone.

    Raises ConfigError where no landmark is in both tables, else as `joined`.
    """
    ours, theirs = _with_frames(prediction), _with_frames(reference)
    asked = {ours_name: theirs_name for theirs_name, ours_name in (names or {}).items()}
    tables, notes = [pl.DataFrame(schema=EVALUATION)], []
    for head in _heads(ours):
        columns = _columns(head, ours, theirs, asked)
        if not columns:
            continue
        answered = ours.cells.filter(pl.any_horizontal(pl.col(list(columns)).is_not_null()))
        found = joined(
            Source(ours.name, answered), theirs, predicted=list(columns), true=columns, id_column=id_column,
            hash_key=hash_key, by_frame=True,
        )  # fmt: skip
        notes += [note for note in found.notes if note not in notes]
        points = [point for point in POINTS if f"{head}_{point}_x_mm" in columns]
        rows = found.rows.with_columns(pl.col(FRAME).cast(pl.String))
        said, true = (_array(rows, head, points, columns, side) for side in ("p", "r"))
        tables += [_distances(rows, f"{head}_{point}", said[:, k], true[:, k]) for k, point in enumerate(points)]
        if len(points) == len(POINTS):
            tables.append(_function(rows, head, said, true))
    if len(tables) == 1:
        raise ConfigError(
            f"no landmark of {reference.name} is one of ours",
            hint="Columns are named <head>_apex_x_mm, <head>_apex_y_mm, ..., in mm; --map says which is which.",
            code="evaluation_columns",
        )
    whole = pl.concat([checked_evaluation(table) for table in tables])
    return ValueTable(whole.with_columns(system=pl.lit(str(system))), tuple(notes))


def _with_frames(source: Source) -> Source:
    frame = as_numbers(source.cells[FRAME]).cast(pl.Int64, strict=False).alias(FRAME)
    return Source(source.name, source.cells.with_columns(frame))


def _heads(source: Source) -> list[str]:
    found = (_COLUMN.fullmatch(name) for name in source.names)
    return list(dict.fromkeys(match["head"] for match in found if match and match["head"]))


def _columns(head: str, ours: Source, theirs: Source, asked: Mapping[str, str]) -> dict[str, str]:
    """Coordinates of a head's points that both tables have: ours -> theirs. Points without x or y are left out."""
    columns: dict[str, str] = {}
    for point in POINTS:
        found = {axis: _their_name(f"{head}_{point}_{axis}", theirs, asked) for axis in _AXES}
        known = {f"{head}_{point}_{axis}": name for axis, name in found.items() if name}
        known = {name: column for name, column in known.items() if ours.has(name)}
        if all(f"{head}_{point}_{axis}" in known for axis in _AXES[:2]):
            columns |= known
    if len(columns) % len(_AXES):  # z of some points only
        columns = {name: column for name, column in columns.items() if not name.endswith(_AXES[2])}
    return columns


def _their_name(ours: str, theirs: Source, asked: Mapping[str, str]) -> str:
    if ours in asked:
        return asked[ours] if theirs.has(asked[ours]) else ""
    return next((name for name in theirs.names if ours == name or ours.endswith(f"_{name}")), "")


def _array(rows: pl.DataFrame, head: str, points: Sequence[str], columns: Mapping[str, str], side: str) -> Floats:
    """(row, point, axis) in mm; nan where missing."""
    axes = [axis for axis in _AXES if f"{head}_{points[0]}_{axis}" in columns]
    cells = [
        [as_numbers(rows[f"{side}:{head}_{point}_{axis}"]).fill_null(float("nan")).to_numpy() for axis in axes]
        for point in points
    ]
    return np.asarray(np.moveaxis(np.array(cells, dtype=np.float64), -1, 0))


def _distances(rows: pl.DataFrame, term: str, said: Floats, true: Floats) -> pl.DataFrame:
    """Rows of one landmark in the frames where the reference has it."""
    value = pl.Series("value", distances(said, true)).fill_nan(None)
    there, missed = np.isfinite(true).all(axis=-1), ~np.isfinite(said).all(axis=-1)
    note = pl.Series("note", np.where(missed, str(Note.NO_PREDICTION), str(Note.NONE)))
    words = {"kind": str(Kind.LANDMARK), "term": term, "metric": "distance_mm"}
    table = rows.select(*IDS, FRAME, value, note).filter(pl.Series(there))
    return table.with_columns(pl.lit(word).alias(name) for name, word in words.items())


def _function(rows: pl.DataFrame, head: str, said: Floats, true: Floats) -> pl.DataFrame:
    """MAPSE and shortening of the studies that have both moments from both."""
    whole = np.isfinite(said).all(axis=(1, 2)) & np.isfinite(true).all(axis=(1, 2))
    places = rows.with_row_index("_place").filter(pl.Series(whole)).sort(pl.col(FRAME).cast(pl.Int64))
    studies = places.group_by(IDS, maintain_order=True).agg("_place").filter(pl.col("_place").list.len() > 1)
    found = [
        row for study in studies.iter_rows() for row in _of_study(study[:2], head, *(x[study[2]] for x in (said, true)))
    ]
    schema = {name: EVALUATION[name] for name in (*IDS, "term", "prediction", "reference")}
    table = pl.DataFrame(found, schema=schema, orient="row")
    return table.with_columns(
        value=pl.col("prediction") - pl.col("reference"), kind=pl.lit(str(Kind.VALUE)), metric=pl.lit("value")
    )


def _of_study(
    ids: tuple[str, str], head: str, said: Floats, true: Floats
) -> Iterator[tuple[str, str, str, float, float]]:
    """Function from points (frame, 3, axis) of one study, as predicted and as it should be."""
    longest, shortest = LongAxisPoints(true).extreme_frames
    if longest == shortest:
        return
    sides = [LongAxisPoints(points) for points in (said, true)]
    mapse = [side.mapse_mm(ed_frame=longest, es_frame=shortest) for side in sides]
    shortening = [side.shortening_pct(ed_frame=longest, es_frame=shortest) for side in sides]
    yield (*ids, f"{head}_mapse_mm", mapse[0], mapse[1])
    yield (*ids, f"{head}_shortening_pct", shortening[0], shortening[1])
