"""Each quality check passes on a sound study and flags the fault it is named after."""

import dataclasses

import numpy as np
import pytest
from disk_hearts import disk_masks

from cinema_cli.domain.checks import CHECKS, Evidence, run_checks
from cinema_cli.domain.cine import Note
from cinema_cli.domain.result import Check, CheckStatus
from cinema_cli.inference.cycle import find_frames, volume_curves


def evidence(masks: np.ndarray | None = None, **changes: object) -> Evidence:
    if masks is None:
        masks = disk_masks(n_frames=20, n_slices=8)
        masks[:, 0] = 0  # the first slice lies in the atria
        masks[:, -1] = 0
        masks[:, 1:, :3] = 0
        rv, lv = (np.count_nonzero(masks == label, axis=(1, 2, 3)) for label in (1, 3))
        assert rv.max() > 0 and lv.max() > 0
    curves = volume_curves(masks, voxel_ml=0.018, times_ms=np.arange(len(masks)) * 40.0)
    curves = dataclasses.replace(curves, rv_ml=curves.lv_ml * 0.95)
    cycle = find_frames(curves.lv_ml)
    sound = Evidence(
        masks=masks, curves=curves, ed_frame=cycle.ed_frame, es_frame=cycle.es_frame, unimodality=cycle.unimodality,
        slice_positions_mm=np.arange(masks.shape[1]) * 8.0, base_first=True, ring_closed=0.95, centre_found=True,
        centre_sentence="where it beats",
    )  # fmt: skip
    return dataclasses.replace(sound, **changes)  # type: ignore[arg-type]


def by_name(e: Evidence) -> dict[str, Check]:
    return {check.name: check for check in run_checks(e)}


def test_a_sound_study_passes_everything_with_sentences() -> None:
    checks = run_checks(evidence())
    assert {c.status for c in checks} == {CheckStatus.PASS}, [c for c in checks if c.status != CheckStatus.PASS]
    assert [c.name for c in checks] == list(CHECKS)  # what the tables' columns are made from
    assert all(c.sentence.endswith(".") for c in checks)


def with_curve(curve: str, values: np.ndarray) -> Evidence:
    e = evidence()
    return dataclasses.replace(e, curves=dataclasses.replace(e.curves, **{curve: values}))


def cut_off_at_base() -> Evidence:
    return evidence(disk_masks(n_frames=20, n_slices=8))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("enough_frames", lambda: evidence(disk_masks(n_frames=6))),
        ("enough_slices", lambda: evidence(disk_masks(n_slices=3))),
        ("gap_in_stack", lambda: evidence(slice_positions_mm=np.array([0, 8, 16, 32, 40, 48, 56, 64.0]))),
        ("interpolated_frames", lambda: evidence(notes=(Note("interpolated_frames", "Frame 3 of slice 2."),))),
        ("centre_found", lambda: evidence(centre_found=False)),
        ("heart_cut_off", cut_off_at_base),
        ("myo_ring_closed", lambda: evidence(ring_closed=0.3)),
        ("volume_curve_unimodal", lambda: evidence(unimodality=0.5)),
        ("volume_curve_unimodal", lambda: evidence(disk_masks(n_frames=20, shortening=0.0))),
        ("lvef_plausible", lambda: evidence(disk_masks(n_frames=20, shortening=0.7))),
        ("lvef_plausible", lambda: evidence(disk_masks(n_frames=20, shortening=0.03))),
        ("stroke_volumes_agree", lambda: with_curve("rv_ml", evidence().curves.lv_ml * 0.5)),
        ("myocardium_constant", lambda: with_curve("myo_ml", evidence().curves.lv_ml)),
    ],
)
def test_each_fault_is_flagged(name: str, fault: object) -> None:
    check = by_name(fault())[name]  # type: ignore[operator]
    assert check.status is CheckStatus.FLAG and check.sentence


def test_a_heart_at_the_border_is_cut_off_and_an_unknown_base_is_judged_by_the_larger_end() -> None:
    e = evidence()
    masks = e.masks.copy()
    masks[3, 4, 0, 5] = 1
    assert by_name(dataclasses.replace(e, masks=masks))["heart_cut_off"].status is CheckStatus.FLAG
    flipped = dataclasses.replace(e, masks=e.masks[:, ::-1], base_first=None)
    assert by_name(flipped)["heart_cut_off"].status is CheckStatus.PASS


@pytest.mark.parametrize(
    ("positions", "status", "said"),
    [
        ([0, 10, 20, 30, 40, 50.2], "pass", "Slices are evenly spaced, 10.0 mm apart."),
        (
            [0, 10, 20, 30, 40, 54.5],
            "pass",
            "Slices are usually 10.0 mm apart, neighbours 10.0 to 14.5 mm. "
            "They fit no even grid: the mask file spaces them evenly all the same.",
        ),
        ([0, 10, 20, 30, 40, 51.5], "pass", "Slices are usually 10.0 mm apart, neighbours 10.0 to 11.5 mm."),
        ([0, 10, 20, 40, 50, 60], "flag", "Two neighbouring slices are 20.0 mm apart, the others 10.0 mm: "
                                          "a slice is missing."),
        (
            [60, 50, 34, 20, 10, 0],
            "flag",
            "Two neighbouring slices are 16.0 mm apart, the others 10.0 mm: a slice is missing. "
            "They fit no even grid: the mask file spaces them evenly all the same.",
        ),
    ],
)  # fmt: skip
def test_the_spacing_of_slices_is_said_as_it_is(positions: list[float], status: str, said: str) -> None:
    check = by_name(evidence(slice_positions_mm=np.array(positions)))["gap_in_stack"]
    assert (check.status, check.sentence) == (status, said)


def test_what_cannot_be_judged_is_not_run() -> None:
    single = evidence(disk_masks(n_slices=1), slice_positions_mm=np.zeros(1), ring_closed=None)
    statuses = {name: check.status for name, check in by_name(single).items()}
    assert statuses["gap_in_stack"] == statuses["myo_ring_closed"] == CheckStatus.NOT_RUN
