"""A study as the published networks see it: each view prepared once, round the ventricle once that is known."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import CineStudy, Label, View
from cinema_cli.domain.moments import Moments
from cinema_cli.inference.centre import HeartCentre
from cinema_cli.inference.planes import view_centre
from cinema_cli.inference.published import NetworkView, prepare


class StudyLook:
    """What heads share of one study: prepared views, its masks so far, ED and ES once they are known."""

    def __init__(self, study: CineStudy) -> None:
        """Begin without masks."""
        self.study = study
        self.moments: Moments | None = None
        self._masks: dict[View, NDArray[np.uint8]] = {}
        self._centres: dict[View, HeartCentre] = {}
        self._prepared: dict[tuple[View, tuple[int, ...]], NetworkView] = {}

    @property
    def masks(self) -> Mapping[View, NDArray[np.uint8]]:
        """Labels (frame, slice, row, column) on the source grid of the views that were segmented."""
        return self._masks

    def keep_masks(self, view: View, masks: NDArray[np.uint8], *, moments: Moments | None = None) -> None:
        """Remember the masks of a view, the first ones only; and ED and ES, if these were not known."""
        self.moments = self.moments or moments
        if view in self._masks:
            return
        self._masks[view] = masks
        self._centres.pop(view, None)
        self._prepared = {key: seen for key, seen in self._prepared.items() if key[0] is not view}

    def missing(self, views: Sequence[View]) -> str:
        """Why a head of `views` cannot answer; empty where it can."""
        lacking = [view for view in views if view not in self.study.cines]
        return f"the study has no cine of the {' and of the '.join(v.words for v in lacking)}" if lacking else ""

    def centre(self, view: View) -> HeartCentre:
        """Middle of the heart in a view: of the left ventricle's box at ED, as in the training data (spec 10.1).

        Without masks of the view, by motion and planes.
        """
        if view not in self._centres:
            self._centres[view] = self._from_masks(view) or view_centre(self.study, view)
        return self._centres[view]

    def prepared(self, view: View, *, frames: Sequence[int] | None = None) -> NetworkView:
        """A view on the networks' grid: all its frames, or at least `frames`. KeyError where the study lacks it."""
        cine = self.study.cines[view]
        every = tuple(range(cine.n_frames))
        wanted = every if frames is None else tuple(sorted(set(frames)))
        for key in ((view, every), (view, wanted)):
            if key in self._prepared:
                return self._prepared[key]
        self._prepared[view, wanted] = prepare(cine, centre=self.centre(view).point, frames=wanted)
        return self._prepared[view, wanted]

    def _from_masks(self, view: View) -> HeartCentre | None:
        if view not in self._masks or self.moments is None:
            return None
        ed_frame, _ = self.moments.frames(self.study, view)
        places = np.argwhere(self._masks[view][ed_frame] == Label.LV)  # (voxel, 3): slice, row, column
        if not len(places):
            return None
        row, column = (places.min(axis=0) + places.max(axis=0))[1:] / 2
        return HeartCentre(float(row), float(column), True, "in the middle of the left ventricle's mask")
