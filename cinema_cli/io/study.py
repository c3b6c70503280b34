"""One study of an index to cines in memory: pixels decoded, holes filled, millimetres and milliseconds attached."""

from collections.abc import Container
from itertools import islice
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, CineStudy, Note, Refusal, View
from cinema_cli.domain.errors import CinemaError, StudyError
from cinema_cli.io.cohort_index import StudyPlan
from cinema_cli.io.facts import to_facts
from cinema_cli.io.grid_files import grid_files
from cinema_cli.io.pixels import Place, read_frames

_CUT = "truncated"  # reason code of `io.truncated`

UNKNOWN_THICKNESS_MM = 1.0  # of a single slice, whose areas do not depend on it: any voxel needs a depth


def read_study(plan: StudyPlan) -> CineStudy:
    """Cines of one study by view, with the facts of its headers.

    Raises StudyError (stage "stack") where no series was usable, (stage "read") where images cannot be decoded.
    """
    if plan.stacks.is_empty():
        raise _no_cine(plan)
    key, facts = plan.key, to_facts(plan.facts.row(0, named=True))
    frames = _decode(plan)
    cines = {
        View(row["view"]): _cine(plan, row, frames.pop(row["view"]))
        for row in plan.stacks.sort("view").iter_rows(named=True)
    }
    ids = (key.participant_id, key.session_id, key.study_uid)
    return CineStudy(*ids, cines, facts, plan.notes, _refused(plan, without=cines))


def _no_cine(plan: StudyPlan) -> StudyError:
    """Why a study has no cine: the reason of its largest rejected series that looked most like one."""
    series = _likeliest(plan.series)
    if series.is_empty():
        return StudyError("no series", stage="stack", code="no_series", hint="Check the copy.")
    first = series.row(0, named=True)
    named = series.filter(pl.col("view").is_not_null())
    likely = named.row(0, named=True) if named.height else first
    return StudyError(
        f"no usable cine among {series.height} series; the likeliest was rejected: {likely['reason']}",
        stage="stack",
        code=likely["reason_code"] or "no_cine",
        hint=_advice(likely),
    )


def _refused(plan: StudyPlan, *, without: Container[View]) -> dict[View, Refusal]:
    """Why views have no cine of which series were found."""
    rows = _likeliest(plan.series.filter(pl.col("view").is_in(list(View)))).unique("view", maintain_order=True)
    return {
        View(row["view"]): Refusal(row["reason_code"], row["reason"], _advice(row))
        for row in rows.iter_rows(named=True)
        if View(row["view"]) not in without
    }


def _likeliest(series: pl.DataFrame) -> pl.DataFrame:
    """The series that look most like a cine first."""
    return series.sort("frames", "images", descending=True, maintain_order=True)


def _advice(series: dict[str, Any]) -> str:
    """What helps where this series was rejected; it names the study, since many have a series of that number."""
    number = series["series_number"]
    query = f"{series['participant_id']}/{series['session_id']}/{'' if number is None else number}"
    see = f"See `cinema scan --explain {query} COHORT`."
    return f"Copy the files again: `cinema scan COHORT` names them. {see}" if series["reason_code"] == _CUT else see


def _cine(study: StudyPlan, stack: dict[str, Any], frames: list[NDArray[np.float32]]) -> Cine:
    """One view of decoded images: mix those that share a moment, then interpolate those that are missing."""
    origins = np.array(stack["origins_mm"]).reshape(-1, 3)
    shape = (len(origins), len(stack["times_ms"]), stack["rows"], stack["columns"])
    planned = _planned(study, stack["view"])
    pixels, present = np.zeros(shape, dtype=np.float32), np.zeros(shape[:2], dtype=np.bool_)
    places = planned.select("slice_index", "frame_index", "weight").iter_rows()
    for (s, f, weight), frame in zip(places, frames, strict=True):
        if frame.shape != shape[2:]:
            raise StudyError(
                f"an image of {stack['view']} has {frame.shape} pixels, its header says {shape[2:]}",
                stage="read",
                code="pixel_shape",
                hint="The file is damaged: copy it again.",
            )
        pixels[s, f] += frame if weight == 1 else np.float32(weight) * frame
        present[s, f] = True
    filled = fill_missing(pixels, present)
    return Cine(
        view=View(stack["view"]),
        pixels=np.ascontiguousarray(filled.transpose(1, 0, 2, 3)),
        pixel_spacing_mm=(stack["row_spacing_mm"], stack["column_spacing_mm"]),
        slice_spacing_mm=stack["slice_spacing_mm"] or UNKNOWN_THICKNESS_MM,
        thickness_mm=stack["thickness_mm"],
        origins_mm=origins,
        row_direction=np.array(stack["row_direction"]),
        column_direction=np.array(stack["column_direction"]),
        times_ms=np.array(stack["times_ms"]),
        cycle_ms=stack["cycle_ms"],
        series_uids=tuple(stack["series_uids"]),
        notes=tuple(map(Note, stack["note_codes"], stack["note_sentences"])),
        known_frames={name: stack[f"{name}_frame"] for name in ("ed", "es") if stack[f"{name}_frame"] is not None},
        files=grid_files(study, stack["view"], shape=shape[1::-1]),
    )


def _in_words(study: StudyPlan, stack: dict[str, Any]) -> str:
    """A stack as errors name it: `sax (series 10)`, or `sax` alone where it has several series or no number."""
    series = study.series.filter(pl.col("series_uid").is_in(stack["series_uids"]))
    numbers = series["series_number"].unique().to_list()
    known = len(numbers) == 1 and numbers[0] is not None
    return f"{stack['view']} (series {numbers[0]})" if known else str(stack["view"])


def _planned(study: StudyPlan, view: str) -> pl.DataFrame:
    """The images of a view that are there."""
    return study.images.filter((pl.col("view") == view) & ~pl.col("interpolated"))


def _decode(study: StudyPlan) -> dict[str, list[NDArray[np.float32]]]:
    """Pixels of the planned images of every view, in order and in one pass over the files, which may be archives;
    StudyError where one cannot be read."""
    rows: list[Place] = []
    names: list[str] = []
    counts: dict[str, int] = {}
    for stack in study.stacks.iter_rows(named=True):
        planned, words = _planned(study, stack["view"]), _in_words(study, stack)
        rows += planned.select("path", "member", "frame_item").iter_rows()
        places = planned.select("slice_index", "frame_index").iter_rows()
        names += [f"{words} slice {s + 1} frame {f + 1}" for s, f in places]
        counts[stack["view"]] = planned.height
    try:
        frames = iter(read_frames(study.root, rows, names=names))
    except StudyError:
        raise
    except (CinemaError, OSError, ValueError, RuntimeError) as error:
        said = error.message if isinstance(error, CinemaError) else type(error).__name__
        hint = "The file may be cut short: copy it again."
        raise StudyError(f"an image cannot be decoded: {said}", stage="read", code="pixels", hint=hint) from error
    return {view: list(islice(frames, count)) for view, count in counts.items()}


def fill_missing(pixels: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Missing frames of (slice, frame, row, column) linearly between their neighbours in the cycle, which has no end.

    `present` is (slice, frame). A slice without any frame stays zero.
    """
    filled = pixels.copy()
    n_frames = present.shape[1]
    for s, f in np.argwhere(~present):
        known = np.flatnonzero(present[s])
        if len(known) == 0:
            continue
        back = (f - known) % n_frames
        ahead = (known - f) % n_frames
        before, after = known[np.argmin(back)], known[np.argmin(ahead)]
        share = back.min() / (back.min() + ahead.min())
        filled[s, f] = (1 - share) * pixels[s, before] + share * pixels[s, after]
    return filled
