"""The way of one study through the engine, with a head that reads grey values of painted hearts."""

import dataclasses

import numpy as np
import pytest
from disk_hearts import USUAL_COLUMN, USUAL_ROW, GreyHead, disk_masks, disk_study

from cinema_cli.domain.cine import Label, Refusal, StudyFacts, View
from cinema_cli.domain.errors import StudyError
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.inference.engine import Engine
from cinema_cli.inference.orientation import usual_display
from cinema_cli.inference.segmenters import StackSegmenter


def true_ml(masks: np.ndarray, label: Label, frame: int, voxel_ml: float) -> float:
    return float((masks[frame] == label).sum()) * voxel_ml


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_a_painted_heart_is_found_and_measured() -> None:
    masks = disk_masks(shape=(170, 190), centre_mm=(90.0, 160.0), ed_frame=7)
    study = disk_study(masks, facts=StudyFacts(height_cm=180.0, weight_kg=80.0))
    result = Engine(StackSegmenter(GreyHead())).analyse(study)
    found = result.masks[View.SAX]
    assert found.shape == masks.shape and found.dtype == np.uint8
    for label, first in ((Label.RV, 1), (Label.MYO, 0), (Label.LV, 0)):  # the painted base stays: above it is atrium
        assert dice(found[:, first:] == label, masks[:, first:] == label) > 0.95
    assert (result.ed_frame, result.es_frame) == (7, 17)
    voxel_ml = study.cines[View.SAX].voxel_ml
    assert result.value("lvedv_ml") == pytest.approx(true_ml(masks, Label.LV, 7, voxel_ml), rel=0.03)
    assert result.value("lvesv_ml") == pytest.approx(true_ml(masks, Label.LV, 17, voxel_ml), rel=0.05)
    assert result.value("heart_rate_bpm") == pytest.approx(60000 / 900)
    assert result.value("bsa_m2") == pytest.approx(2.0)
    assert [m.name for m in result.measurements] == [p.name for p in PHENOTYPES]
    assert all((m.value is None) == bool(m.reason) for m in result.measurements)
    assert result.seconds.keys() == {"segment", "predict", "measure"}


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.2, 1.9), (2.2, 2.2)])
def test_numbers_do_not_depend_on_the_voxels(spacing: tuple[float, float]) -> None:
    shape = (int(190 / spacing[0]), int(190 / spacing[1]))
    masks = disk_masks(n_frames=10, shape=shape, spacing_mm=spacing)
    reference = disk_masks(n_frames=10)
    result = Engine(StackSegmenter(GreyHead())).analyse(disk_study(masks, spacing_mm=spacing))
    edv = true_ml(reference, Label.LV, 0, 8 * 1.5 * 1.5 / 1000)
    esv = true_ml(reference, Label.LV, 5, 8 * 1.5 * 1.5 / 1000)
    assert result.value("lvedv_ml") == pytest.approx(edv, rel=0.04)
    assert result.value("lvef_pct") == pytest.approx(100 * (edv - esv) / edv, abs=2.0)


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_any_turn_of_the_image_gives_the_same_heart(quarter: int, mirrored: bool) -> None:
    masks = disk_masks(n_frames=8, n_slices=6)
    row, column, turned = USUAL_ROW, USUAL_COLUMN, masks
    for _ in range(quarter):
        turned = np.rot90(turned, axes=(2, 3))  # the first row becomes the first column, read upwards
        row, column = column, -row
    if mirrored:
        turned, row = turned[..., ::-1], -row
    study = disk_study(np.ascontiguousarray(turned), row_direction=row, column_direction=column)
    sax = study.cines[View.SAX]
    upright = usual_display(sax).apply(sax.pixels)
    np.testing.assert_array_equal(upright, disk_study(masks).cines[View.SAX].pixels)
    found = Engine(StackSegmenter(GreyHead())).analyse(study).masks[View.SAX]
    assert dice(found == Label.LV, turned == Label.LV) > 0.95
    assert dice(found == Label.RV, turned == Label.RV) > 0.9


def test_axes_that_no_short_axis_has_are_left_alone() -> None:
    study = disk_study(
        disk_masks(n_frames=4, n_slices=3),
        row_direction=np.array([-1.0, 0.0, 0.0]),
        column_direction=np.array([0.0, 0.70, 0.714]),
    )
    turn = usual_display(study.cines[View.SAX])
    assert not (turn.swap or turn.reverse_rows or turn.reverse_columns or turn.reverse_slices)


def test_two_frames_one_slice_and_no_rate_still_give_a_row() -> None:
    masks = disk_masks(n_frames=2, n_slices=1, shortening=0.4)
    result = Engine(StackSegmenter(GreyHead())).analyse(disk_study(masks, cycle_ms=None))
    assert (result.ed_frame, result.es_frame) == (0, 1)
    assert result.value("lvef_pct") == pytest.approx(100 * (1 - 0.6**2), abs=3)
    assert result.value("heart_rate_bpm") is None
    flags = {c.name for c in result.checks if c.status == "flag"}
    assert {"enough_frames", "enough_slices"} <= flags


def test_no_short_axis_and_no_heart_are_told_apart() -> None:
    study = disk_study(disk_masks(n_frames=2, n_slices=2))
    with pytest.raises(StudyError) as missing:
        Engine(StackSegmenter(GreyHead())).analyse(dataclasses.replace(study, cines={}))
    assert (missing.value.stage, missing.value.code) == ("segment", "no_sax")
    refused = {View.SAX: Refusal("missing_frames", "3 frames are missing", "Copy it again.")}
    with pytest.raises(StudyError, match=r"no usable short-axis cine.* rejected: 3 frames are missing") as rejected:
        Engine(StackSegmenter(GreyHead())).analyse(dataclasses.replace(study, cines={}, refused=refused))
    assert (rejected.value.code, rejected.value.hint) == ("missing_frames", "Copy it again.")
    empty = np.zeros((4, 3, 64, 64), np.uint8)
    with pytest.raises(StudyError) as nothing:
        Engine(StackSegmenter(GreyHead())).analyse(disk_study(empty))
    assert nothing.value.code == "no_heart_found" and nothing.value.hint
