"""The volume curves of a cohort laid over each other: every left ventricle from its own end-diastole, in shares."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from markupsafe import Markup
from numpy.typing import NDArray

from cinema_cli.reports import charts
from cinema_cli.reports.outliers import Study
from cinema_cli.reports.render import count, number

LINES_UP_TO = 200  # studies with a line each; above, the median and a band
MARKED_UP_TO = 60  # flagged studies drawn over the band
MIN_FRAMES = 5
SHARES = np.linspace(0.0, 100.0, 51)

Beat = tuple[NDArray[np.float64], NDArray[np.float64]]


def beats_figure(curves: pl.DataFrame | None, everyone: Sequence[Study]) -> tuple[Markup, str] | None:
    """The figure and its caption; None where no study has a curve with a known end-diastole."""
    beats = {} if curves is None else beats_of(curves, {s.folder: s.ed_frame for s in everyone})
    flagged = {s.folder for s in everyone if s.flags}
    marked = [beat for folder, beat in beats.items() if folder in flagged]
    if not beats:
        return None
    n = count(len(beats), one="study", many="studies")
    n_flagged = number(len(marked), decimals=0)
    colour = f"the {n_flagged} with a quality flag in the colour of warnings" if marked else "none has a quality flag"
    if len(beats) <= LINES_UP_TO:
        lines = [beat for folder, beat in beats.items() if folder not in flagged]
        band, said = None, f"A line is one of {n}; {colour}."
    else:
        lines, at_shares = [], np.array([np.interp(SHARES, *beat) for beat in beats.values()])
        band = SHARES, np.percentile(at_shares, (5, 50, 95), axis=0)
        said = f"Line: median of {n}; band: 5th to 95th percentile; {colour}"
        said += f", the {MARKED_UP_TO} farthest from the median." if len(marked) > MARKED_UP_TO else "."
        marked = sorted(marked, key=lambda beat: -_distance(beat, band[1][1]))[:MARKED_UP_TO]
    title = "Left ventricular volume of every study over the cardiac cycle, in percent of its end-diastolic volume"
    return charts.cycles(lines, marked, band=band, title=title), said


def beats_of(curves: pl.DataFrame, ed_frames: Mapping[tuple[str, str], int | None]) -> dict[tuple[str, str], Beat]:
    """Each study's smoothed LV curve from its end-diastole on: share of the cycle (%), share of that volume (%).

    `ed_frames`: study -> frame of ED, counted from 0. Frames are taken as evenly spread over the cycle; the first is
    repeated at 100% to close it. Curves with fewer than five frames, gaps, no volume or no known ED are left out.
    """
    known = curves.sort("participant_id", "session_id", "frame")
    volumes = known.group_by("participant_id", "session_id", maintain_order=True).agg("lv_smooth_ml")
    beats = {}
    for participant, session, values in volumes.iter_rows():
        ml, ed = np.array(values, dtype=np.float64), ed_frames.get((participant, session))
        if ed is None or not MIN_FRAMES <= len(ml) > ed or not np.isfinite(ml).all() or ml[ed] <= 0:
            continue
        rolled = np.roll(ml, -ed)
        closed = np.append(rolled, rolled[0])
        beats[participant, session] = np.linspace(0.0, 100.0, len(closed)), 100.0 * closed / closed[0]
    return beats


def _distance(beat: Beat, median: NDArray[np.float64]) -> float:
    return float(np.abs(np.interp(SHARES, *beat) - median).max())
