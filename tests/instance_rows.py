"""Rows of INSTANCE_SCHEMA as a scanner would make them, without any file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli.io.instances import INSTANCE_SCHEMA

AXIS = np.array([0.64, -0.64, -0.42]) / np.linalg.norm([0.64, -0.64, -0.42])  # base to apex
UP = np.array([0.0, 0.0, 1.0]) - AXIS * AXIS[2]
UP /= np.linalg.norm(UP)
LATERAL = np.cross(UP, AXIS)
CENTRE = np.array([40.0, -30.0, 20.0])
SIZE, SPACING = 32, 3.0


def series(
    *,
    row: NDArray[np.float64] = LATERAL,
    column: NDArray[np.float64] = -UP,
    offsets: Sequence[float] = (0.0,),
    along: NDArray[np.float64] = AXIS,
    frames: int = 10,
    uid: str = "1.2.3",
    number: int = 5,
    start_s: float = 36000.0,
    step_ms: float = 40.0,
    **values: Any,
) -> list[dict[str, Any]]:
    """Images of parallel planes at `offsets` mm from the heart's centre, every slice with `frames` trigger times."""
    rows = []
    for s, offset in enumerate(offsets):
        origin = CENTRE + along * offset - (row + column) * SPACING * (SIZE - 1) / 2
        for f in range(frames):
            place = dict(zip(("position_x", "position_y", "position_z"), map(float, origin), strict=True))
            axes = {
                f"{k}_{c}": float(v)
                for k, vec in (("row", row), ("column", column))
                for c, v in zip("xyz", vec, strict=True)
            }
            rows.append(
                {
                    "path": f"{uid}/{s:03d}-{f:03d}.dcm",
                    "frame_item": 0,
                    "n_file_frames": 1,
                    "sop_uid": f"{uid}.{number}.{s}.{f}",
                    "series_uid": uid,
                    "study_uid": "1.2",
                    "patient_id": "A",
                    "person_key": "a",
                    "instance_number": s * frames + f + 1,
                    "series_number": number,
                    "acquisition_number": 1,
                    "study_date": "20240102",
                    "sop_class_uid": "1.2.840.10008.5.1.4.1.1.4",
                    "modality": "MR",
                    "image_type": "ORIGINAL\\PRIMARY\\M\\ND",
                    "manufacturer": "SIEMENS",
                    "velocity_encoded": False,
                    "transfer_syntax": "1.2.840.10008.1.2.1",
                    "rows": SIZE,
                    "columns": SIZE,
                    "row_spacing_mm": SPACING,
                    "column_spacing_mm": SPACING,
                    **place,
                    **axes,
                    "thickness_mm": 8.0,
                    "trigger_time_ms": f * step_ms * (1 + 0.01 * (s % 3)),
                    "acquisition_time_s": start_s + 10.0 * s,
                    "nominal_interval_ms": None,
                    "has_pixels": True,
                    "file_size": 1000,
                    "mtime_ns": 1,
                    **values,
                }
            )
    return rows


def sax(n_slices: int = 8, spacing: float = 10.0, **values: Any) -> list[dict[str, Any]]:
    """A whole short-axis stack in one series, base to apex."""
    return series(offsets=[(s - (n_slices - 1) / 2) * spacing for s in range(n_slices)], **values)


def lax(angle_deg: float, **values: Any) -> list[dict[str, Any]]:
    """A long-axis plane that cuts the short axis at `angle_deg` (0 lateral, 90 anterior)."""
    line = np.cos(np.radians(angle_deg)) * LATERAL + np.sin(np.radians(angle_deg)) * UP
    return series(row=AXIS, column=line, **values)


def table(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """The rows as a table of INSTANCE_SCHEMA."""
    return pl.DataFrame(list(rows), schema=INSTANCE_SCHEMA)
