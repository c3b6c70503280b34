"""A coarse pass of the network: look where the heart was guessed to be, search where it is not, move to its centre."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Label
from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.centre import HeartCentre, distance_mm
from cinema_cli.inference.orientation import DisplayStack
from cinema_cli.inference.postprocess import clean, enclosed
from cinema_cli.inference.preprocess import Grid, normalise, to_grid

MIN_LV_ML = 3.0  # smaller than a newborn's ventricle at ED: nothing was found
SURE_LV_ML = 20.0  # a first look that finds this much enclosed cavity needs no search elsewhere
MAX_DRIFT_MM = 70.0  # the heart beats: what the head finds further than its own width from the motion is not the heart
SETTLED_MM = 5.0
LOOKS = 2  # frames of the cycle on which the heart is looked for
SEARCH_STEP_MM = 50.0


class StackHead(Protocol):
    """A trained network that labels short-axis frames in the usual display."""

    @property
    def grid(self) -> Grid:
        """The images it expects."""

    @property
    def use(self) -> HeadUse:
        """Its name and the digest of its weights."""

    def probabilities(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalised frames (frame, slice, size, size) -> class probabilities (frame, slice, 4, size, size)."""

    def look_again(
        self, frames: NDArray[np.float32], first: NDArray[np.float32], chosen: Sequence[int]
    ) -> NDArray[np.float32]:
        """The same for the `chosen` frames only, (chosen, slice, 4, size, size), better than what it `first` found."""


def locate(stack: DisplayStack, *, head: StackHead, guess: HeartCentre) -> HeartCentre:
    """Improve a first guess (source pixels) by looking with the head: the centre of what it labels.

    Looks on a few frames; searches around where the first look finds too little. Returns turned coordinates.
    """
    rows, columns = stack.images.shape[2:]
    mm = stack.pixel_spacing_mm
    start = stack.turn.point(guess.point, shape=(rows, columns))
    looks = np.unique(np.linspace(0, len(stack.images), LOOKS, endpoint=False).astype(int))
    best = _look(stack, looks, head=head, centre=start)
    if best.enclosed_ml < SURE_LV_ML:
        places = [((rows - 1) / 2, (columns - 1) / 2), *_around(start, stack=stack)]
        sights = [best, *(_look(stack, looks, head=head, centre=place) for place in places)]
        near = [s for s in sights if not guess.found or distance_mm(s.centre, start, mm) < MAX_DRIFT_MM]
        best = max(near, key=lambda s: s.enclosed_ml * _trust(distance_mm(s.centre, start, mm)), default=best)
    for _ in range(3):
        drifted = guess.found and distance_mm(best.centre, start, mm) > MAX_DRIFT_MM
        if best.lv_ml < MIN_LV_ML or drifted or distance_mm(best.seen_from, best.centre, mm) < SETTLED_MM:
            break
        best = _look(stack, looks, head=head, centre=best.centre)
    if best.lv_ml < MIN_LV_ML or (guess.found and distance_mm(best.centre, start, mm) > MAX_DRIFT_MM):
        why = "the network does not see it {}" if guess.found else "{}, so the middle of the image is used"
        return HeartCentre(*start, False, why.format(guess.sentence))
    how = "{}, refined with the network" if guess.found else "by the network alone, as {}"
    return HeartCentre(*best.centre, True, how.format(guess.sentence))


def _trust(distance: float) -> float:
    """How much a place counts by its distance in mm from the guess: half at 70 mm."""
    return float(0.5 ** ((distance / MAX_DRIFT_MM) ** 2))


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a look at one place found: the heart's centre, its mean LV volume, and how much of that is enclosed."""

    seen_from: tuple[float, float]
    centre: tuple[float, float]
    lv_ml: float
    enclosed_ml: float


def _look(stack: DisplayStack, frames: NDArray[np.intp], *, head: StackHead, centre: tuple[float, float]) -> _Sight:
    grid, spacing = head.grid, stack.pixel_spacing_mm
    crop = np.stack([to_grid(stack.images[f], pixel_spacing_mm=spacing, centre=centre, grid=grid) for f in frames])
    volume_spacing = (stack.spacing_mm[0], grid.spacing_mm, grid.spacing_mm)
    steps = ("keep_heart", "keep_left_ventricle")
    labels = clean(head.probabilities(normalise(crop)), volume_spacing, steps=steps)
    heart = np.argwhere(labels > 0)
    if not len(heart):
        return _Sight(centre, centre, 0.0, 0.0)
    offset = (heart[:, 2:].mean(axis=0) - (grid.size_px - 1) / 2) * grid.spacing_mm
    found = (centre[0] + float(offset[0]) / spacing[0], centre[1] + float(offset[1]) / spacing[1])
    areas = np.count_nonzero(labels == Label.LV, axis=(2, 3)) * float(np.prod(volume_spacing)) / 1000.0 / len(frames)
    return _Sight(centre, found, float(areas.sum()), float(areas[enclosed(labels)].sum()))


def _around(start: tuple[float, float], *, stack: DisplayStack) -> Iterator[tuple[float, float]]:
    """Places a step away from the start in eight directions, inside the image."""
    rows, columns = stack.images.shape[2:]
    for d_row in (-SEARCH_STEP_MM, 0.0, SEARCH_STEP_MM):
        for d_column in (-SEARCH_STEP_MM, 0.0, SEARCH_STEP_MM):
            row = start[0] + d_row / stack.pixel_spacing_mm[0]
            column = start[1] + d_column / stack.pixel_spacing_mm[1]
            if (d_row or d_column) and 0 <= row < rows and 0 <= column < columns:
                yield (row, column)
