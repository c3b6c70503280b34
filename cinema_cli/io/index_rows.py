"""Rows of the index's tables, with their schemas, from one assembled study."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from cinema_cli.domain.cine import View
from cinema_cli.io.assembly import Assembly, Verdict
from cinema_cli.io.choice import Candidate
from cinema_cli.io.facts import normal_vendor
from cinema_cli.io.keywords import part_keyword, plane_keyword
from cinema_cli.io.parts import Part
from cinema_cli.io.passes import MIN_FRAMES
from cinema_cli.io.timing import Timing, told_cycle_ms, told_step_ms
from cinema_cli.io.vectors import Ints, median

KEY_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "participant_id": pl.String,
    "session_id": pl.String,
    "study_uid": pl.String,
}

SERIES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **KEY_SCHEMA,
    "series_uid": pl.String,
    "part": pl.Int32,  # 1-based: a series that holds several stacks has a row for each
    "stack_id": pl.String,  # series that are slices of one acquisition share it; null where it is no cine
    "series_number": pl.Int32,
    "keyword": pl.String,  # what its description was recognised as; itself it is free text and stays inside
    "vendor": pl.String,
    "view": pl.String,
    "view_rule": pl.String,
    "view_confidence": pl.Float64,  # ordinal 0..1
    "slices": pl.Int32,
    "frames": pl.Int32,  # usual number a slice
    "images": pl.Int32,
    "rows": pl.Int32,
    "columns": pl.Int32,
    "row_spacing_mm": pl.Float64,
    "column_spacing_mm": pl.Float64,
    "slice_spacing_mm": pl.Float64,
    "thickness_mm": pl.Float64,
    "time_step_ms": pl.Float64,
    "cycle_ms": pl.Float64,
    "transfer_syntax": pl.String,
    "sorted_by": pl.String,
    "verdict": pl.String,  # used or rejected
    "reason_code": pl.String,  # empty where used
    "reason": pl.String,
    "flags": pl.String,  # codes joined with ";"
}

IMAGES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(KEY_SCHEMA, pl.Categorical()),  # by far the longest table: what repeats is kept once
    "view": pl.Categorical(),
    "slice_index": pl.Int32,
    "frame_index": pl.Int32,
    "path": pl.String,  # relative to the root, as `io.names` writes it; null where the frame lacks
    "member": pl.String,  # name inside the archive that `path` is; null for a plain file
    "frame_item": pl.Int32,
    "weight": pl.Float32,  # of the image in the frame: below 1 where two images show it, which have a row each
    "interpolated": pl.Boolean,
    "file_size": pl.Int64,
    "mtime_ns": pl.Int64,
}

FILE_COLUMNS = ("path", "member", "frame_item", "file_size", "mtime_ns")

STACKS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **KEY_SCHEMA,
    "view": pl.String,
    "stack_id": pl.String,
    "rows": pl.Int32,
    "columns": pl.Int32,
    "row_spacing_mm": pl.Float64,
    "column_spacing_mm": pl.Float64,
    "slice_spacing_mm": pl.Float64,
    "thickness_mm": pl.Float64,
    "row_direction": pl.List(pl.Float64),  # (3,)
    "column_direction": pl.List(pl.Float64),  # (3,)
    "origins_mm": pl.List(pl.Float64),  # (slice * 3,)
    "times_ms": pl.List(pl.Float64),  # (frame,)
    "cycle_ms": pl.Float64,
    "ed_frame": pl.Int32,  # that the name of a file gives; null where ED and ES are to be found
    "es_frame": pl.Int32,
    "series_uids": pl.List(pl.String),
    "note_codes": pl.List(pl.String),
    "note_sentences": pl.List(pl.String),
}

_SYNTAXES = {
    "1.2.840.10008.1.2": "implicit little endian",
    "1.2.840.10008.1.2.1": "explicit little endian",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.2": "explicit big endian",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.5": "RLE lossless",
}


def series_rows(study: Assembly) -> list[dict[str, Any]]:
    """Rows of SERIES_SCHEMA without the key: one a stack of a series; a localizer's planes share one row."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    counts: dict[str, int] = {}
    for part in study.parts:
        verdict = study.verdicts[part.index]
        scout = verdict.code == "localizer"
        key = (part.series_uid, part.series_number, "localizer" if scout else part.index)
        if key in rows:
            rows[key]["slices"] += part.n_slices
            rows[key]["images"] += len(part.rows)
            continue
        counts[part.series_uid] = counts.get(part.series_uid, 0) + 1
        rows[key] = _series_row(part, counts[part.series_uid], verdict, study)
    return list(rows.values())


def _series_row(part: Part, number: int, verdict: Verdict, study: Assembly) -> dict[str, Any]:
    table, first = study.table, part.rows[0]
    chosen = study.chosen.get(View(verdict.view)) if verdict.used and verdict.view else None
    spacing = chosen.stack.spacing_mm if chosen else _part_spacing_mm(part)
    return {
        "series_uid": part.series_uid,
        "part": number,
        "stack_id": f"stack-{verdict.stack}" if verdict.stack else None,
        "series_number": part.series_number,
        "keyword": plane_keyword(part, table) if verdict.stack else part_keyword(part, table),
        "vendor": normal_vendor(table["manufacturer"][first]),
        "view": verdict.view,
        "view_rule": verdict.rule,
        "view_confidence": verdict.confidence,
        "slices": part.n_slices,
        "frames": part.n_frames,
        "images": len(part.rows),
        "rows": part.shape[0],
        "columns": part.shape[1],
        "row_spacing_mm": _finite(part.spacing_mm[0]),
        "column_spacing_mm": _finite(part.spacing_mm[1]),
        "slice_spacing_mm": spacing,
        "thickness_mm": part.thickness_mm,
        "time_step_ms": _step_ms(part, study),
        "cycle_ms": told_cycle_ms(part.rows, table) if part.n_frames >= MIN_FRAMES else None,
        "transfer_syntax": _syntax(table["transfer_syntax"][first]),
        "sorted_by": part.sorted_by or None,
        "verdict": "used" if verdict.used else "rejected",
        "reason_code": verdict.code,
        "reason": verdict.sentence,
        "flags": ";".join(verdict.flags),
    }


def _part_spacing_mm(part: Part) -> float | None:
    gaps = np.diff([run.position_mm for run in part.runs])
    gaps = gaps[gaps > 0.5]
    return round(median(gaps), 4) if len(gaps) else None


def _step_ms(part: Part, study: Assembly) -> float | None:
    """Time between frames by trigger times, else as `io.timing` finds it; None for what is no cine of known times."""
    timed = [run for run in part.runs if run.sorted_by == "trigger_time_ms" and run.n_frames > 1]
    if part.sorted_by == "trigger_time_ms" and timed:
        return round(median([median(np.diff(run.times)) for run in timed]), 3)
    step = told_step_ms(part.rows, study.table, part.n_frames)[0] if part.n_frames >= MIN_FRAMES else None
    return None if step is None else round(step, 3)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _syntax(uid: str | None) -> str:
    return _SYNTAXES.get(uid or "", uid or "unknown")


def stack_row(candidate: Candidate, timing: Timing, study: Assembly) -> dict[str, Any]:
    """Row of STACKS_SCHEMA without the key for one chosen stack."""
    stack, lead = candidate.stack, candidate.stack.lead
    verdict = study.verdicts[lead.index]
    notes = (*candidate.notes, *timing.notes)
    used = {run.part for run in stack.runs}
    return {
        "view": candidate.guess.view.value if candidate.guess.view else None,
        "stack_id": f"stack-{verdict.stack}",
        "rows": lead.shape[0],
        "columns": lead.shape[1],
        "row_spacing_mm": lead.spacing_mm[0],
        "column_spacing_mm": lead.spacing_mm[1],
        "slice_spacing_mm": stack.spacing_mm or stack.thickness_mm,
        "thickness_mm": stack.thickness_mm,
        "row_direction": lead.row_direction.tolist(),
        "column_direction": lead.column_direction.tolist(),
        "origins_mm": [float(x) for run in stack.runs for x in run.origin_mm],
        "times_ms": timing.times_ms.tolist(),
        "cycle_ms": timing.cycle_ms,
        "ed_frame": _given(candidate, study, "ed"),
        "es_frame": _given(candidate, study, "es"),
        "series_uids": sorted({part.series_uid for part in stack.parts if part.index in used}),
        "note_codes": [note.code for note in notes],
        "note_sentences": [note.sentence for note in notes],
    }


def _given(candidate: Candidate, study: Assembly, moment: str) -> int | None:
    """The frame that shows a moment by the name of its file."""
    rows = candidate.plan.rows[0]
    named = [int(frame) for frame in np.flatnonzero(rows >= 0) if study.table["moment"][rows[frame]] == moment]
    return named[0] if len(named) == 1 else None


def image_rows(
    key: Mapping[str, str], view: View, candidate: Candidate, files: Mapping[str, list[Any]]
) -> dict[str, list[Any]]:
    """Columns of IMAGES_SCHEMA of one chosen stack, frames of a slice together; a moment between two images has a row
    for each. `files`: FILE_COLUMNS of the images of the study."""
    plan = candidate.plan
    two = plan.later >= 0
    index: Ints = np.indices(plan.rows.shape)
    slices, frames, rows = (
        np.concatenate([first.ravel(), later[two]])
        for first, later in ((index[0], index[0]), (index[1], index[1]), (plan.rows, plan.later))
    )
    weights = np.concatenate([1.0 - plan.share.ravel(), plan.share[two]])
    order = np.lexsort((frames, slices))  # which keeps the order of equals
    chosen: list[int] = rows[order].tolist()
    return {
        **{name: [value] * len(chosen) for name, value in {**key, "view": view.value}.items()},
        "slice_index": slices[order].tolist(),
        "frame_index": frames[order].tolist(),
        "weight": weights[order].tolist(),
        "interpolated": [row < 0 for row in chosen],
        **{name: [None if row < 0 else files[name][row] for row in chosen] for name in FILE_COLUMNS},
    }
