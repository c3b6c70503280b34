"""The images under the masks of single studies: beside a mask, under contours, or in the input of the run."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.evaluation.frames import ComparedFrame
from cinema_cli.analysis.evaluation.grids import OTHER_GRID, values_on
from cinema_cli.analysis.evaluation.pairs import MaskSource
from cinema_cli.domain.errors import CinemaError, InputError
from cinema_cli.io.cohort_index import CohortIndex
from cinema_cli.io.contours import contoured_frame
from cinema_cli.io.mask_images import FrameImage, image_beside, read_frame
from cinema_cli.io.nifti import affine_ras
from cinema_cli.io.run_input import RunInput, cine_of, index_of, nifti_of, run_input

Found = TypeVar("Found")


class Images:
    """Images of the frames of an evaluation; the input of the run is looked through once, and only where it must be."""

    def __init__(self, source: Path) -> None:
        """`source`: the folder that is evaluated."""
        self._source = source

    def of(self, frame: ComparedFrame) -> tuple[NDArray[np.float32] | None, str]:
        """Pixels (slice, row, column) on the grid of the reference, or None and why there are none."""
        if frame.of_reference is None or frame.of_prediction is None:
            return None, ""
        try:
            found = _under(*frame.of_reference) or self._read_by_run(*frame.of_prediction)
            pixels = values_on(frame.affine_ras, frame.reference.shape, found.pixels[None], found.affine_ras)
        except CinemaError as error:
            other = isinstance(error, InputError) and error.code == OTHER_GRID
            return None, "the image does not stand on the grid of the masks" if other else error.message
        return pixels[0], ""

    def _read_by_run(self, mask: MaskSource, at: int) -> FrameImage:
        """The frame of the cine that a mask is the prediction of."""
        path = nifti_of(self._run(), mask.path)
        if path is not None:
            return read_frame(path, frame=at)
        cine = cine_of(self._index(), mask.participant_id, mask.session_id)
        pixels = np.zeros((int(cine.slice_places[-1]) + 1, *cine.pixels.shape[2:]), np.float32)
        pixels[cine.slice_places] = cine.pixels[at]
        return FrameImage(pixels, affine_ras(cine))

    @cached_property
    def _run(self) -> Callable[[], RunInput]:
        return _once(lambda: run_input(self._source))

    @cached_property
    def _index(self) -> Callable[[], CohortIndex]:
        return _once(lambda: index_of(self._run()))


def _once(find: Callable[[], Found]) -> Callable[[], Found]:
    """What `find` returns, or raises, sought now and kept: what failed is not tried again for each study."""
    try:
        found = find()
    except CinemaError as error:
        kept = error

        def refuse() -> Found:
            raise kept

        return refuse
    return lambda: found


def _under(mask: MaskSource, at: int) -> FrameImage | None:
    """The image that a reference was drawn on, where it lies beside it; None where it does not."""
    if mask.is_contours and mask.images is not None:
        return contoured_frame(mask.path, images=mask.images, frame=at)
    beside = None if mask.is_contours else image_beside(mask.path)
    return None if beside is None else read_frame(beside, frame=at)
