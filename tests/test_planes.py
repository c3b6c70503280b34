"""Where planes meet (golden: shared/golden/models/functions) and centres found from that in synthetic studies."""

import dataclasses

import numpy as np
import pytest
from disk_hearts import disk_masks, disk_study
from functions_golden import needs_golden, said
from phantom_views import blank_study

from cinema_cli.domain.cine import CineStudy, View
from cinema_cli.inference.lattice import lattice_of
from cinema_cli.inference.planes import (
    Plane,
    heart_point_mm,
    meeting_line,
    meeting_point,
    pixel_mm,
    pixel_of,
    plane_of,
    projected,
    view_centre,
)
from cinema_cli.inference.published import prepare
from cinema_cli.phantom.acquisition import acquire_cine, phases
from cinema_cli.phantom.study import Settings, set_up


def golden_plane(name: str) -> Plane:
    gold = said("planes")
    rotation = "plane_rot" if name == "plane" else f"rot_{name}"
    origin = "plane_origin" if name == "plane" else f"origin_{name}"
    return Plane(np.array(gold[origin], float), np.array(gold[rotation])[:, 2])


@needs_golden
def test_planes_meet_where_the_reference_says() -> None:
    gold = said("planes")
    line = meeting_line(golden_plane("a"), golden_plane("b"))
    assert line is not None
    np.testing.assert_allclose(np.abs(line.direction @ np.array(gold["line_vec"])), 1.0, atol=1e-12)
    away = np.array(gold["line_point"]) - line.point_mm
    np.testing.assert_allclose(away - (away @ line.direction) * line.direction, 0.0, atol=1e-9)
    np.testing.assert_allclose(meeting_point(line, golden_plane("plane")), gold["intersection"], atol=1e-9)


def test_a_steep_line_meets_a_plane_and_parallel_planes_do_not_meet() -> None:
    floor = Plane(np.array([3.0, 4.0, 10.0]), np.array([0.0, 0.0, 1.0]))
    across = Plane(np.array([5.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    line = meeting_line(across, Plane(np.array([0.0, 7.0, 0.0]), np.array([0.0, 1.0, 0.0])))
    assert line is not None
    np.testing.assert_allclose(meeting_point(line, floor), [5.0, 7.0, 10.0])
    assert meeting_line(floor, floor) is None and meeting_point(line, across) is None
    np.testing.assert_allclose(projected(np.array([1.0, 2.0, 99.0]), floor), [1.0, 2.0, 10.0])


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_synthetic_hearts_lie_where_their_planes_meet(number: int) -> None:
    """Blank images: only the planes tell. Within 20 mm of the long axis, and inside every view's image."""
    setup = set_up(number, Settings(seed=5))
    study = blank_study(setup)
    place = setup.body.place

    def in_heart(mm: np.ndarray) -> np.ndarray:
        return (mm - place.apex_mm) @ place.axes.T

    point = heart_point_mm(study)
    assert point is not None
    x, y, height = in_heart(point)
    assert np.hypot(x, y) < 20 and 0 < height < setup.person.heart.length
    basal = heart_point_mm(study, sax_slice=0)
    assert basal is not None and in_heart(basal)[2] > height + 20  # as UK Biobank was cropped
    for view in (View.LAX_2C, View.LAX_3C, View.LAX_4C):
        found = view_centre(study, view)
        assert found.found
        cine = study.cines[view]
        mm = pixel_mm(cine, found.point, slice_index=0)
        np.testing.assert_allclose(pixel_of(cine, mm), found.point, atol=1e-9)
        np.testing.assert_allclose(mm, projected(point, plane_of(cine)), atol=1e-9)
        if view is not View.LAX_3C:
            np.testing.assert_allclose(mm, point, atol=1e-6)  # on these planes already
    assert view_centre(study, View.SAX).found


def test_planes_close_to_parallel_are_not_trusted() -> None:
    study = blank_study(set_up(1, Settings(seed=5)))
    alike = dataclasses.replace(study.cines[View.LAX_4C], view=View.LAX_2C)
    twins = dataclasses.replace(study, cines={**study.cines, View.LAX_2C: alike})
    del twins.cines[View.LAX_3C]  # type: ignore[attr-defined]
    assert heart_point_mm(twins) is None and not view_centre(twins, View.LAX_4C).found


def test_without_the_other_planes_the_short_axis_motion_tells() -> None:
    study = disk_study(disk_masks())
    sax = study.cines[View.SAX]
    four = dataclasses.replace(
        sax, view=View.LAX_4C, pixels=sax.pixels[:, :1], row_direction=sax.row_direction, column_direction=sax.normal,
        origins_mm=(pixel_mm(sax, (63.0, 63.0), slice_index=4) - 90 * sax.row_direction - 90 * sax.normal)[None],
    )  # fmt: skip
    both = CineStudy("sub-1", "ses-1", "1.2", {View.SAX: sax, View.LAX_4C: four})
    found = view_centre(both, View.LAX_4C)
    assert found.found
    heart = pixel_mm(sax, (95.0 / 1.5, 95.0 / 1.5), slice_index=4)
    assert np.linalg.norm(pixel_mm(four, found.point, slice_index=0) - heart) < 20


def test_a_view_alone_is_centred_by_its_own_motion_and_a_still_one_in_its_middle() -> None:
    sax = disk_study(disk_masks(centre_mm=(60.0, 110.0))).cines[View.SAX]
    alone = dataclasses.replace(sax, view=View.LAX_4C, pixels=sax.pixels[:, 3:4], origins_mm=sax.origins_mm[3:4])
    found = view_centre(CineStudy("sub-1", "ses-1", "1.2", {View.LAX_4C: alone}), View.LAX_4C)
    assert found.found and np.hypot(found.row * 1.5 - 60.0, found.column * 1.5 - 110.0) < 20
    still = dataclasses.replace(alone, pixels=alone.pixels[:1])
    middle = view_centre(CineStudy("sub-1", "ses-1", "1.2", {View.LAX_4C: still}), View.LAX_4C)
    assert not middle.found and middle.point == (63.5, 63.5)
    nothing = CineStudy("sub-1", "ses-1", "1.2", {View.SAX: dataclasses.replace(sax, pixels=sax.pixels[:1])})
    assert heart_point_mm(nothing) is None


@pytest.mark.parametrize(("number", "view"), [(2, View.LAX_2C), (2, View.LAX_4C)])
def test_a_synthetic_long_axis_view_alone_is_whole_in_its_window(number: int, view: View) -> None:
    """Only its motion tells, within some 70 mm: the window of 256 mm still holds both ventricles."""
    setup = set_up(number, Settings(seed=11, frames=10))
    moments = phases(setup.protocol)
    drawn = acquire_cine(setup.body, setup.planes[view][0], setup.protocol, setup.look, setup.rng(99), moments=moments)
    cine = dataclasses.replace(blank_study(setup).cines[view], pixels=1000 * drawn.signal[:, None])
    found = view_centre(CineStudy("sub-1", "ses-1", "1.2", {view: cine}), view)
    assert found.found
    where = np.argwhere(drawn.labels.max(axis=0) > 0)[:, ::-1].astype(float)  # (column, row)
    network = prepare(cine, centre=found.point, frames=(0,))
    at = network.lattice.index(lattice_of(cine).point_mm(np.pad(where, ((0, 0), (0, 1)))))[:, :2]
    assert ((at >= 0) & (at <= 255)).all()
