"""Which NIfTI files the images of a view come from, so that its masks go back onto their grids."""

import numpy as np
import polars as pl

from cinema_cli.domain.cine import GridFile
from cinema_cli.domain.errors import StudyError
from cinema_cli.io.cohort_index import StudyPlan
from cinema_cli.io.names import to_path
from cinema_cli.io.nifti_head import READ_ERRORS, NiftiError, read_head
from cinema_cli.io.nifti_names import is_nifti, stem_of

_LONGEST_NAME = 200  # bytes of a name, before what marks a mask


def grid_files(study: StudyPlan, view: str, *, shape: tuple[int, int]) -> tuple[GridFile, ...]:
    """The NIfTI files of a view, whose images are `shape` (frame, slice); none where they are DICOM.

    Masks are named as the files are, with the view behind it where two views have files of one name; by participant,
    session and view where names must not be told. Raises StudyError where a file is gone or another by now.
    """
    images = study.images.filter(pl.col("path").is_not_null() & pl.col("member").is_null())
    mine = images.filter(pl.col("view") == view)
    files = []
    for path in mine["path"].unique().sort():
        if not is_nifti(path):
            continue
        items = np.full(shape, -1, np.intp)
        own = mine.filter(pl.col("path") == path)
        for frame, place, item in own.select("frame_index", "slice_index", "frame_item").iter_rows():
            items[frame, place] = item
        try:
            head = read_head(study.root / to_path(path))
        except (NiftiError, *READ_ERRORS) as error:
            hint = "Run `cinema scan` again."
            raise StudyError("a NIfTI file changed since the scan", stage="read", code="vanished", hint=hint) from error
        files.append(GridFile(_name(study, path, view, images), head.geometry, head.slice_axis, items))
    return tuple(files)


def _name(study: StudyPlan, path: str, view: str, images: pl.DataFrame) -> str:
    """What the mask of a file is called, without its ending."""
    name = stem_of(path)
    if study.hides_names:
        frames = images.filter(pl.col("view") == view)["path"].unique().sort().to_list()
        number = f"_{frames.index(path) + 1}" if len(frames) > 1 else ""
        return f"{study.key.participant_id}_{study.key.session_id}_{view}{number}"
    others = images.filter((pl.col("path") != path) & (pl.col("view") != view))["path"].unique()
    shown = f"{name}_{view}" if any(stem_of(other) == name for other in others) else name
    return shown.encode()[:_LONGEST_NAME].decode(errors="ignore")
