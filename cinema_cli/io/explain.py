"""The story of a series in sentences: what was seen, how it was grouped and sorted, what became of it and why."""

from typing import Any

import polars as pl

from cinema_cli.domain.errors import InputError
from cinema_cli.io.refusals import counted

_SORTED_BY = {
    "trigger_time_ms": "trigger time (rank within the slice)",
    "temporal_position": "temporal position, since trigger times are absent or all alike",
    "acquisition_time_s": "acquisition time, since nothing better tells the images apart",
    "content_time_s": "content time, since nothing better tells the images apart",
    "instance_number": "instance number, as the last resort: no time tells the images apart",
}

_FLAGS = {
    "several_stacks_in_series": "the series holds several stacks, told apart by number, orientation, matrix or kind",
    "joined_series": "the stack is joined from several series",
    "slice_gap": "slices are missing between the first and the last",
    "uneven_slices": "slices are unevenly spaced",
    "interpolated_frames": "missing frames were interpolated",
    "resampled_frames": "slices with another number of frames by their headers were interpolated onto the usual one",
    "duplicates_dropped": "duplicate images were left out",
    "copies_ignored": "files that repeat an image were left out",
    "repeats_ignored": "some slices were acquired again; the most complete acquisition, then the latest was used",
    "off_grid_ignored": "slices between those of the stack were left out",
    "beside_ignored": "slices whose field of view lies beside that of the stack were left out",
    "slice_order_doubt": "which end of the stack is the base is doubtful",
    "sparse_slices": "slices lie more than two thicknesses apart",
    "middle_slice": "the series has several parallel slices, of which a view needs one",
    "slices_left_out": "parallel slices of another matrix or spacing were left out",
    "unplaced_ignored": "images without the time that orders the others were left out",
    "view_doubt": "the view is doubtful",
}

_ADVICE = {
    "missing_frames": "Copy the study again; or, where the gaps are known, interpolate with --allow-missing-frames N.",
    "unordered_frames": "Export the images again with TriggerTime, or InstanceNumber in the order of the cycle.",
    "another_grid": "Look for the stack exported with one matrix; nothing if the slices are not needed.",
    "duplicate_frames": "Look for two copies of one export; or keep the latest of each with --allow-missing-frames N.",
    "truncated": "Copy the files again: `cinema scan` names them.",
    "overlapping_slices": "Look which series belong together; a --views file can say `ignore` for the others.",
    "moved_slices": "Look for a stack with one field of view; a --views file can say `ignore` for other slices.",
    "off_grid": "Nothing: the stack is complete without it.",
    "beside": "Nothing: the stack has another slice there.",
    "unequal_frames": "Check whether two acquisitions share the series.",
    "too_few_slices": "Look for the rest of the stack: perhaps it was not exported.",
    "too_few_frames": "Look for the whole cine: perhaps only some phases were exported.",
    "no_geometry": "Export the images again with their plane attributes.",
    "bad_spacing": "Export the images again: sizes in mm need PixelSpacing.",
    "no_pixels": "Copy the files again.",
    "repeated": "Nothing, unless you prefer this one: a --views file can say `ignore` for the other.",
}
_DEFAULT_ADVICE = "Nothing if that is right; else name the view in a --views file (series_uid,view)."


def tell(series: pl.DataFrame, query: str) -> tuple[str, ...]:
    """Story of the series of SERIES_SCHEMA whose uid is, ends or begins with `query`, or whose number is `query`.

    Raises InputError where none matches.
    """
    wanted = query.strip()
    uid = pl.col("series_uid")
    found = series.filter(uid == wanted)
    if found.is_empty():
        found = series.filter(pl.col("series_number").cast(pl.String) == wanted)
    if found.is_empty() and wanted:
        found = series.filter(uid.str.ends_with(wanted) | uid.str.starts_with(wanted))
    if found.is_empty():
        hint = "Give a SeriesInstanceUID, an end of it, or a series number, as in series.csv."
        raise InputError(f"no series matches {wanted!r}", hint=hint, code="no_series")
    return tuple(line for row in found.iter_rows(named=True) for line in _story(row, series))


def _story(row: dict[str, Any], series: pl.DataFrame) -> list[str]:
    """Sentences of one row of the series table."""
    lines = [
        f"Series {row['series_uid']}, part {row['part']}, of {row['participant_id']} {row['session_id']}:",
        f"  seen: {counted(row['images'], 'image')} of {row['rows']} x {row['columns']} pixels, "
        f"{row['vendor'] or 'unknown vendor'}, {row['transfer_syntax']}; its description {_recognised(row['keyword'])}",
        f"  grouped: {counted(row['slices'], 'position')} x {counted(row['frames'], 'frame')}{_mm(row)}",
    ]
    if row["frames"] > 1 and row["sorted_by"]:
        lines.append(f"  sorted: slices by position along the normal, frames by {_SORTED_BY[row['sorted_by']]}")
    if others := _companions(row, series):
        lines.append(f"  joined: with series number {', '.join(others)} as {row['stack_id']}")
    if row["view"]:
        lines.append(f"  view: {row['view']} (confidence {row['view_confidence']:.2f}): {row['view_rule']}")
    lines += [
        f"  noted: {_FLAGS.get(flag, flag.replace('_', ' '))}" for flag in (row["flags"] or "").split(";") if flag
    ]
    if row["verdict"] == "used":
        lines.append(f"  verdict: {row['reason']}")
    else:
        lines.append(f"  verdict: rejected ({row['reason_code']}): {row['reason']}")
        lines.append(f"  what to do: {_ADVICE.get(row['reason_code'], _DEFAULT_ADVICE)}")
    return lines


def _recognised(word: str | None) -> str:
    return f"was recognised as '{word}'" if word else "is empty or says nothing that is recognised"


def _mm(row: dict[str, Any]) -> str:
    """Spacings and time step, as far as known."""
    parts = []
    if row["row_spacing_mm"] and row["column_spacing_mm"]:
        parts.append(f"pixels {row['row_spacing_mm']:.2f} x {row['column_spacing_mm']:.2f} mm")
    if row["slice_spacing_mm"]:
        parts.append(f"slices {row['slice_spacing_mm']:.1f} mm apart")
    if row["time_step_ms"]:
        parts.append(f"{row['time_step_ms']:.1f} ms a frame")
    return f", {', '.join(parts)}" if parts else ""


def _companions(row: dict[str, Any], series: pl.DataFrame) -> list[str]:
    """Numbers of the other series of the same stack."""
    if not row["stack_id"]:
        return []
    same = [pl.col(name) == row[name] for name in ("participant_id", "session_id", "study_uid", "stack_id")]
    others = series.filter(*same, pl.col("series_uid") != row["series_uid"])
    numbers = others["series_number"].drop_nulls().unique().sort().to_list()
    return [str(n) for n in numbers]
