"""One study in, its masks, phenotypes and checks out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.checks import Evidence, run_checks
from cinema_cli.domain.cine import Cine, CineStudy, Label, View
from cinema_cli.domain.errors import StudyError
from cinema_cli.domain.result import HeadUse, StudyResult
from cinema_cli.domain.volumes import measure
from cinema_cli.inference.centre import HeartCentre, find_centre
from cinema_cli.inference.cycle import find_frames, unimodality, volume_curves
from cinema_cli.inference.locate import MIN_LV_ML, StackHead, locate
from cinema_cli.inference.orientation import DisplayStack, axes_are_usual, display_stack, usual_display
from cinema_cli.inference.postprocess import clean_probabilities, labels_of, ring_closed
from cinema_cli.inference.preprocess import Grid, from_grid, normalise, to_grid


class Engine:
    """Segments and measures studies with one loaded head; holds nothing of a study between calls."""

    def __init__(self, head: StackHead) -> None:
        """Use a head that is loaded already."""
        self._head = head

    @classmethod
    def load(cls, name: str = "starter_sax", *, device: str = "auto", precision: str = "auto") -> "Engine":
        """Engine with the named head on a device (`auto`, `cpu`, `cuda`, `cuda:1`, `mps`) in `auto`, `fp32`, `bf16`
        or `fp16` arithmetic. Raises UnavailableError."""
        from cinema_cli.inference.heads import load_head  # torch is loaded only when a network runs

        return cls(load_head(name, device=device, precision=precision))

    @property
    def heads(self) -> tuple[HeadUse, ...]:
        """Heads in use, with the digests of their weights."""
        return (self._head.use,)

    @property
    def precision(self) -> str:
        """Number type of the networks' arithmetic: `fp32`, `bf16`, `fp16`."""
        return self._head.precision

    def analyse(self, study: CineStudy) -> StudyResult:
        """Masks on the source grid, phenotypes with reasons, curves and checks of one study.

        Raises StudyError: `no_sax` (stage segment) without a short-axis cine, `no_heart_found` where nothing in it
        looks like a left ventricle.
        """
        sax = study.cines.get(View.SAX)
        if sax is None:
            raise StudyError(
                "the study has no short-axis cine",
                stage="segment",
                code="no_sax",
                hint="See `cinema scan --explain` for what each series was taken for; `--views` overrides it.",
            )
        seconds: dict[str, float] = {}
        with _timed(seconds, "centre"):
            long_axes = [cine for view, cine in study.cines.items() if view is not View.SAX]
            guess = find_centre(sax, long_axes=long_axes)
            centre = locate(display_stack(sax), head=self._head, guess=guess)
        with _timed(seconds, "segment"):
            found = segment(display_stack(sax), head=self._head, centre=centre.point)
        with _timed(seconds, "measure"):
            return _result(study, sax, found=found, centre=centre, head=self._head.use, seconds=seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Labels (frame, slice, row, column) on the source grid, and the frames (from 0) that were looked at again."""

    masks: NDArray[np.uint8]
    ed_frame: int
    es_frame: int


def segment(stack: DisplayStack, *, head: StackHead, centre: tuple[float, float]) -> Segmentation:
    """Masks from a crop of the head's size around `centre`.

    A first look at all frames says which are ED and ES. What is reported is measured on these two, so the head looks at
    them again, as well as it can.
    """
    grid = head.grid
    spacing = (stack.spacing_mm[0], grid.spacing_mm, grid.spacing_mm)
    crop = normalise(
        np.stack([to_grid(f, pixel_spacing_mm=stack.pixel_spacing_mm, centre=centre, grid=grid) for f in stack.images])
    )
    probabilities = head.probabilities(crop)
    first = clean_probabilities(probabilities, spacing)
    cycle = find_frames(np.where(labels_of(first) >= Label.MYO, first[:, :, Label.LV], 0.0).sum(axis=(1, 2, 3)))
    chosen = [cycle.ed_frame, cycle.es_frame]
    probabilities[chosen] = head.look_again(crop, probabilities, chosen)
    return Segmentation(_on_source(clean_probabilities(probabilities, spacing), stack, centre, grid), *chosen)


def _on_source(
    probabilities: NDArray[np.float32], stack: DisplayStack, centre: tuple[float, float], grid: Grid
) -> NDArray[np.uint8]:
    """Labels (frame, slice, row, column) on the source grid of probabilities on the head's."""
    masks = np.zeros(stack.images.shape, np.uint8)
    box = _covered(stack, centre=centre, grid=grid)
    shape = (box[0].stop - box[0].start, box[1].stop - box[1].start)
    inside = (centre[0] - box[0].start, centre[1] - box[1].start)
    for frame, values in enumerate(probabilities):  # one at a time: all frames at source resolution are too large
        back = from_grid(values, source_shape=shape, pixel_spacing_mm=stack.pixel_spacing_mm, centre=inside, grid=grid)
        masks[frame][(slice(None), *box)] = labels_of(back[None])[0]
    return np.ascontiguousarray(stack.turn.undo(masks))


def _covered(stack: DisplayStack, *, centre: tuple[float, float], grid: Grid) -> tuple[slice, slice]:
    """Rows and columns of the source that the grid covers."""
    box = []
    for size, mm, middle in zip(stack.images.shape[2:], stack.pixel_spacing_mm, centre, strict=True):
        reach = grid.side_mm / 2 / mm
        first = min(max(0, int(np.floor(middle - reach))), size - 1)
        box.append(slice(first, min(size, max(first + 1, int(np.ceil(middle + reach)) + 1))))
    return (box[0], box[1])


def _result(
    study: CineStudy,
    sax: Cine,
    *,
    found: Segmentation,
    centre: HeartCentre,
    head: HeadUse,
    seconds: dict[str, float],
) -> StudyResult:
    """ED, ES, phenotypes and checks from the masks on the source grid."""
    masks, ed_frame, es_frame = found.masks, found.ed_frame, found.es_frame
    curves = volume_curves(masks, voxel_ml=sax.voxel_ml, times_ms=sax.times_ms)
    if curves.lv_ml.max() < MIN_LV_ML:
        raise _nothing_found()
    measurements = measure(
        masks, voxel_ml=sax.voxel_ml, ed_frame=ed_frame, es_frame=es_frame, cycle_ms=sax.cycle_ms,
        facts=study.facts,
    )  # fmt: skip
    base_first = not usual_display(sax).reverse_slices if axes_are_usual(sax) else None
    evidence = Evidence(
        masks=masks, curves=curves, ed_frame=ed_frame, es_frame=es_frame, unimodality=unimodality(curves.lv_smooth_ml),
        slice_positions_mm=sax.origins_mm @ sax.normal, base_first=base_first,
        ring_closed=ring_closed(masks), centre_found=centre.found, centre_sentence=centre.sentence,
        notes=(*sax.notes, *study.notes),
    )  # fmt: skip
    return StudyResult(
        participant_id=study.participant_id, session_id=study.session_id, study_uid=study.study_uid, facts=study.facts,
        measurements=measurements, checks=run_checks(evidence), curves=curves, masks={View.SAX: masks},
        ed_frame=ed_frame, es_frame=es_frame, heads=(head,), seconds=seconds,
    )  # fmt: skip


def _nothing_found() -> StudyError:
    return StudyError(
        "nothing in the short-axis cine looks like a left ventricle",
        stage="segment",
        code="no_heart_found",
        hint="Is this a short-axis cine, and is its pixel spacing right? Look at it; see `cinema scan --explain`.",
    )


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the wall time of the block to `seconds[stage]`."""
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start
