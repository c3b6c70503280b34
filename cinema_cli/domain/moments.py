"""End-diastole and end-systole of a study, and the frames of its other views that show the same moments."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, CineStudy, View

NO_MOMENTS = "ED and ES are unknown: the study has no short axis with a heart, and no head labels its 4-chamber view"


@dataclass(frozen=True, slots=True)
class Moments:
    """ED and ES as found on one view, frames from 0."""

    view: View
    ed_frame: int
    es_frame: int

    def frames(self, study: CineStudy, view: View) -> tuple[int, int]:
        """The frames of `view` nearest to ED and ES in their share of the cycle. KeyError where the view is lacking."""
        source, target = study.cines[self.view], study.cines[view]
        if view is self.view:
            return self.ed_frame, self.es_frame
        return (same_moment(source, self.ed_frame, target), same_moment(source, self.es_frame, target))


def shown_moments(cine: Cine, ed_frame: int, es_frame: int) -> tuple[int | None, int | None]:
    """ED and ES frame as volumes may be told of them: a single frame shows a moment only where its name says so."""
    if cine.n_frames > 1:
        return ed_frame, es_frame
    return (ed_frame if "ed" in cine.known_frames else None, es_frame if "es" in cine.known_frames else None)


def same_moment(source: Cine, frame: int, target: Cine) -> int:
    """The frame of `target` nearest to a frame of `source` in its share of the R-R interval, round the cycle.

    Shares, not milliseconds: the heart may beat at another rate when the next view is taken.
    """
    apart = np.abs(cycle_shares(target) - cycle_shares(source)[frame])
    return int(np.minimum(apart, 1.0 - apart).argmin())


def cycle_shares(cine: Cine) -> NDArray[np.float64]:
    """Share (frame,) of the cycle, 0..1, at which each frame lies.

    Where the R-R interval is unknown or shorter than the cine, the frames count as one cycle, evenly spread.
    """
    n, times = cine.n_frames, cine.times_ms - cine.times_ms[0]
    if cine.cycle_ms is None or not 0 < times[-1] < cine.cycle_ms:
        return np.arange(n) / n
    return np.asarray(times / cine.cycle_ms)
