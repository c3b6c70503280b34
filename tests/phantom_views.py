"""Where a synthetic heart's planes and landmarks lie, without drawing an image."""

import numpy as np

from cinema_cli.domain.cine import Cine, CineStudy, View
from cinema_cli.phantom.study import Setup


def blank_study(setup: Setup) -> CineStudy:
    """The study's cines on their planes, one frame of nothing."""
    place, protocol = setup.body.place, setup.protocol
    cines = {}
    for view, planes in setup.planes.items():
        origins = np.stack([plane.origin(shape=protocol.shape, pixel_mm=protocol.pixel_mm) for plane in planes])
        cines[view] = Cine(
            view=view, pixels=np.zeros((1, len(planes), *protocol.shape), np.float32),
            pixel_spacing_mm=(protocol.pixel_mm,) * 2, slice_spacing_mm=protocol.step_mm,
            thickness_mm=protocol.thickness_mm, origins_mm=place.to_patient(origins),
            row_direction=place.turn(planes[0].row), column_direction=place.turn(planes[0].column),
            times_ms=np.zeros(1), cycle_ms=None, series_uids=("1.2",),
        )  # fmt: skip
    return CineStudy("sub-1", "ses-1", "1.2", cines)


def true_points(setup: Setup, view: View) -> np.ndarray:
    """Two mitral points and the endocardial apex (2, 3, 3) of a long-axis view at ED and ES, patient mm."""
    short = view.value.removeprefix("lax_")
    wanted = (f"mitral_{short}_1", f"mitral_{short}_2", "apex_endo")
    at = {(mark.moment, mark.name): mark.point_mm for mark in setup.landmarks}
    return np.array([[at[moment, name] for name in wanted] for moment in ("ed", "es")])
