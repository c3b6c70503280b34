"""What labels the short axis of a study; here the starter head, which looks for the heart itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Label, View
from cinema_cli.domain.errors import StudyError
from cinema_cli.domain.moments import Moments
from cinema_cli.domain.prediction import Prediction
from cinema_cli.domain.result import HeadUse
from cinema_cli.domain.volumes import volumes_per_frame_ml
from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.centre import HeartCentre, find_centre
from cinema_cli.inference.cycle import find_frames
from cinema_cli.inference.labelled import Labelled, labels_of
from cinema_cli.inference.locate import MIN_LV_ML, StackHead, locate
from cinema_cli.inference.look import StudyLook
from cinema_cli.inference.orientation import DisplayStack, display_stack
from cinema_cli.inference.postprocess import corrected
from cinema_cli.inference.preprocess import Grid, normalise, source_window, to_grid


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Labels of a short axis, its ED and ES, and where the heart was looked for."""

    masks: NDArray[np.uint8]  # (frame, slice, row, column), source grid
    moments: Moments
    centre: HeartCentre
    prediction: Prediction | None = None  # of a published head


class Segmenter(Protocol):
    """Labels the short axis of a study."""

    @property
    def use(self) -> HeadUse:
        """Its name and the digest of its weights."""

    @property
    def cards(self) -> tuple[PublishedCard, ...]:
        """The published heads that measure, which have columns of their own among the predictions."""

    def segment(self, look: StudyLook) -> Segmentation:
        """Labels of every frame; they stay in `look`, with ED and ES.

        Raises StudyError `no_heart_found` where nothing looks like a left ventricle, KeyError without a short axis.
        """


class StackSegmenter:
    """The starter head, which refines a first guess of the heart's centre with its own looks."""

    def __init__(self, head: StackHead) -> None:
        """Use a head that is loaded already."""
        self._head, self.use = head, head.use
        self.cards: tuple[PublishedCard, ...] = ()

    def segment(self, look: StudyLook) -> Segmentation:
        """Labels of every frame, as `Segmenter` says."""
        sax = look.study.cines[View.SAX]
        others = [cine for view, cine in look.study.cines.items() if view is not View.SAX]
        stack = display_stack(sax)
        centre = locate(stack, head=self._head, guess=find_centre(sax, long_axes=others))
        masks, moments = segment_stack(stack, head=self._head, centre=centre.point, known=sax.known_frames)
        return kept(look, Segmentation(masks, moments, centre))


def kept(look: StudyLook, found: Segmentation) -> Segmentation:
    """What was found, left in `look`. Raises StudyError where it is too small for a left ventricle."""
    voxel_ml = look.study.cines[View.SAX].voxel_ml
    if volumes_per_frame_ml(found.masks, label=Label.LV, voxel_ml=voxel_ml).max() < MIN_LV_ML:
        raise nothing_found()
    look.keep_masks(View.SAX, found.masks, moments=found.moments)
    return found


def segment_stack(
    stack: DisplayStack, *, head: StackHead, centre: tuple[float, float], known: Mapping[str, int] | None = None
) -> tuple[NDArray[np.uint8], Moments]:
    """Labels (frame, slice, row, column) on the source grid from a crop of the head's size around `centre`.

    A first look at all frames says which are ED and ES, where these are not `known` ("ed", "es" -> frame). What is
    reported is measured on these two, so the head looks at them again, as well as it can.
    """
    grid = head.grid
    spacing = (stack.spacing_mm[0], grid.spacing_mm, grid.spacing_mm)
    crop = normalise(
        np.stack([to_grid(f, pixel_spacing_mm=stack.pixel_spacing_mm, centre=centre, grid=grid) for f in stack.images])
    )
    probabilities = head.probabilities(crop)
    cycle = find_frames(_lv_curve(corrected(probabilities, spacing)))
    told = {"ed": cycle.ed_frame, "es": cycle.es_frame, **(known or {})}
    chosen = [told["ed"], told["es"]]
    probabilities[chosen] = head.look_again(crop, probabilities, chosen)
    reach_px = math.ceil(2 * max(1.0, max(stack.pixel_spacing_mm) / grid.spacing_mm))  # of the grid, as the source sees
    masks = _on_source(corrected(probabilities, spacing, margin_px=reach_px), stack, centre, grid)
    return masks, Moments(View.SAX, *chosen)


def _lv_curve(seen: Labelled) -> NDArray[np.float64]:
    """How probable LV is in all of the ventricle together, (frame,): its volume, finer than voxels."""
    lv = np.where(seen.labels >= Label.MYO, seen.probabilities[Label.LV], 0.0)
    return np.asarray(lv.sum(axis=(1, 2, 3), dtype=np.float64))


def _on_source(seen: Labelled, stack: DisplayStack, centre: tuple[float, float], grid: Grid) -> NDArray[np.uint8]:
    """Labels (frame, slice, row, column) on the source grid of probabilities on the head's."""
    masks = np.zeros(stack.images.shape, np.uint8)
    window = source_window(
        source_shape=masks.shape, pixel_spacing_mm=stack.pixel_spacing_mm, centre=centre, grid=grid, box=seen.box
    )
    for frame, position in np.argwhere(seen.labels.any(axis=(2, 3))):
        masks[frame, position][window.where] = labels_of(window.bring(seen.probabilities[:, frame, position]))
    return np.ascontiguousarray(stack.turn.undo(masks))


def nothing_found() -> StudyError:
    """That no left ventricle was found."""
    return StudyError(
        "nothing in the short-axis cine looks like a left ventricle",
        stage="segment",
        code="no_heart_found",
        hint="Is this a short-axis cine, and is its pixel spacing right? Look at it; see `cinema scan --explain`.",
    )
