"""From image rows to cines: what is one stack, in which order, and what is refused with which reason."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from instance_rows import AXIS, LATERAL, UP, lax, sax, series, table

from cinema_cli.domain.cine import View
from cinema_cli.io.assembly import Assembly, Verdict, assemble
from cinema_cli.io.instances import INSTANCE_SCHEMA
from cinema_cli.io.parts import Part
from cinema_cli.io.stack import missing_slices

Rows = list[dict[str, Any]]


def study(rows: Rows, allow: int = 0) -> Assembly:
    return assemble(table(rows), overrides={}, allow_missing_frames=allow)


def only_verdict(assembly: Assembly) -> Verdict:
    (verdict,) = assembly.verdicts.values()
    return verdict


def plan_of(assembly: Assembly, view: View = View.SAX) -> list[list[str]]:
    """SOP instance of each slice and frame of the chosen stack, '' where it is missing."""
    uids = assembly.table["sop_uid"]
    return [["" if r < 0 else str(uids[r]) for r in row] for row in assembly.chosen[view].plan.rows]


def test_a_stack_in_one_series_is_sorted_by_place_and_time() -> None:
    assembly = study(sax(8, frames=10))
    assert plan_of(assembly) == [[f"1.2.3.5.{s}.{f}" for f in range(10)] for s in range(8)]
    assert only_verdict(assembly).used
    assert assembly.chosen[View.SAX].stack.spacing_mm == pytest.approx(10.0)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_file_order_paths_and_instance_numbers_do_not_matter(random: Any) -> None:
    rows = sax(5, frames=9) + lax(90.0, uid="1.2.9", number=9, frames=9)
    expected = study(rows)
    numbers = list(range(len(rows)))
    random.shuffle(numbers)
    mixed = [r | {"path": f"x{n}", "instance_number": n} for r, n in zip(rows, numbers, strict=True)]
    random.shuffle(mixed)
    got = study(mixed)
    for view in (View.SAX, View.LAX_2C):
        assert plan_of(got, view) == plan_of(expected, view)
    assert [v.sentence for v in got.verdicts.values()] == [v.sentence for v in expected.verdicts.values()]


def test_one_series_a_slice_becomes_one_stack() -> None:
    whole = sax(6)
    rows = [r | {"series_uid": f"1.2.3.{i // 10}", "series_number": 20 - i // 10} for i, r in enumerate(whole)]
    assembly = study(rows)
    assert plan_of(assembly) == plan_of(study(whole))
    assert all(v.used and "joined_series" in v.flags for v in assembly.verdicts.values())


def test_frame_of_reference_may_differ_in_every_file() -> None:
    assert "frame_of_reference_uid" not in INSTANCE_SCHEMA  # it is not even read


def test_a_localizer_in_the_series_of_the_stack_is_told_apart() -> None:
    x, y, z = np.eye(3)
    still: dict[str, Any] = {"frames": 1, "number": 1, "offsets": (-18, 0, 18), "trigger_time_ms": None}
    planes = [(x, y, z), (y, -z, -x), (x, -z, y)]
    scouts = [
        image | {"sop_uid": f"{k}.{image['path']}"}
        for k, (row, column, along) in enumerate(planes)
        for image in series(row=row, column=column, along=along, **still)
    ]
    assembly = study(sax(6) + scouts)
    codes = sorted(v.code for v in assembly.verdicts.values())
    assert codes == ["", "localizer", "localizer", "localizer"]
    assert all("several_stacks_in_series" in v.flags for v in assembly.verdicts.values())


@pytest.mark.parametrize("flip", [False, True])
def test_trigger_times_unequal_between_slices_and_absent(flip: bool) -> None:
    rows = [
        r | {"trigger_time_ms": None, "content_time_s": 36000 + (i % 10) * 0.01 + i // 10} for i, r in enumerate(sax(5))
    ]
    rows = [r | {"instance_number": 500 - r["instance_number"] if flip else r["instance_number"]} for r in rows]
    assembly = study(rows)
    assert plan_of(assembly) == plan_of(study(sax(5)))
    assert "sorted_by_content_time_s" in only_verdict(assembly).flags


def test_times_of_day_that_tick_within_a_breath_hold_do_not_split() -> None:
    rows = [r | {"acquisition_time_s": 36000.0 + (r["instance_number"] % 10 > 7)} for r in sax(5)]
    assert only_verdict(study(rows)).used


def test_instance_number_orders_frames_only_as_the_last_resort() -> None:
    rows = [r | {"trigger_time_ms": 0.0} for r in sax(5)]
    assembly = study(rows)
    assert plan_of(assembly) == plan_of(study(sax(5)))
    assert "sorted_by_instance_number" in only_verdict(assembly).flags


@pytest.mark.parametrize("lost", [0, 4, 9])
def test_a_missing_frame_is_named_refused_and_on_request_interpolated(lost: int) -> None:
    rows = [r for r in sax(6) if r["sop_uid"] != f"1.2.3.5.2.{lost}"]
    verdict = only_verdict(study(rows))
    assert (verdict.used, verdict.code) == (False, "missing_frames")
    assert f"slice 3 frame {lost + 1}" in verdict.sentence
    allowed = study(rows, allow=1)
    assert allowed.chosen[View.SAX].plan.missing == ((2, lost),)
    assert "interpolated_frames" in only_verdict(allowed).flags


def test_a_hole_in_a_single_slice_shows_in_regular_trigger_times() -> None:
    rows = sax(5) + [r for r in lax(90.0, uid="1.2.9", number=9, frames=20) if not r["sop_uid"].endswith(".7")]
    assembly = study(rows)
    assert [v.code for v in assembly.verdicts.values()] == ["", "missing_frames"]


def test_the_last_frame_missing_everywhere_shows_by_the_number_of_cardiac_images() -> None:
    rows = [r | {"n_cardiac_images": 10, "nominal_interval_ms": 400.0} for r in lax(90.0, frames=9)]
    assert only_verdict(study(rows)).code == "missing_frames"


def test_duplicates_are_refused_and_copies_of_a_file_ignored() -> None:
    rows = sax(5)
    copy = rows[13] | {"path": "again.dcm"}
    assembly = study([*rows, copy])
    assert "copies_ignored" in only_verdict(assembly).flags
    assert plan_of(assembly) == plan_of(study(rows))
    double = rows[13] | {"path": "other.dcm", "sop_uid": "7.7"}
    assert only_verdict(study([*rows, double])).code == "duplicate_frames"
    assert only_verdict(study([*rows, double], allow=1)).used


def test_a_slice_acquired_again_gives_the_latest_that_is_complete() -> None:
    whole = [r | {"series_uid": f"1.2.3.{i // 10}", "series_number": i // 10} for i, r in enumerate(sax(6))]
    new = {"series_uid": "1.2.8", "acquisition_time_s": 40000.0, "series_number": 30}
    again = [r | new | {"sop_uid": "again" + r["sop_uid"]} for r in whole[20:30]]
    assembly = study(whole + again)
    assert all(uid.startswith("again") for uid in plan_of(assembly)[2])
    loser = [v for v in assembly.verdicts.values() if not v.used]
    assert [v.code for v in loser] == ["repeated"]
    cut = study(whole + again[:-1])
    assert plan_of(cut) == plan_of(study(whole))


def test_a_whole_stack_acquired_again_in_the_same_series() -> None:
    second = [
        r | {"sop_uid": "second" + r["sop_uid"], "acquisition_time_s": r["acquisition_time_s"] + 500} for r in sax(5)
    ]
    assembly = study(sax(5) + second)
    assert all(uid.startswith("second") for row in plan_of(assembly) for uid in row)
    assert "repeats_ignored" in only_verdict(assembly).flags


def test_interleaved_series_join_and_two_shifted_stacks_do_not() -> None:
    offsets = np.arange(8) * 10.0
    odd = series(offsets=offsets[1::2], uid="1.2.7", number=7)
    assert len(plan_of(study(series(offsets=offsets[::2]) + odd))) == 8
    shifted = series(offsets=offsets + 3.0, uid="1.2.7", number=7, start_s=50000.0)
    assert len(plan_of(study(series(offsets=offsets) + shifted))) == 8


SLICES = [(s - 3.5) * 10.0 for s in range(8)]  # positions of `sax(8)`, mm


def a_series_each(rows: Rows) -> Rows:
    """The rows with every ten images in a series of their own."""
    return [r | {"series_uid": f"{r['series_uid']}.{i // 10}", "series_number": i // 10} for i, r in enumerate(rows)]


def repeated_off(mm: float, *, layout: str) -> Rows:
    """A stack of 8 slices, acquired again `mm` farther along: as two series, one, or one a slice."""
    second = series(offsets=[o + mm for o in SLICES], uid="1.9", number=9, start_s=50000.0)
    if layout == "one series":
        second = [r | {"series_uid": "1.2.3", "series_number": 5, "acquisition_number": 2} for r in second]
    return a_series_each(sax(8) + second) if layout == "one a slice" else sax(8) + second


@pytest.mark.parametrize("layout", ["two series", "one series", "one a slice"])
@pytest.mark.parametrize("mm", [0.0, 2.0, 3.0, 4.0, -3.0, 10.0])
def test_a_stack_acquired_again_a_little_farther_is_not_mixed_with_the_first(mm: float, layout: str) -> None:
    assembly = study(repeated_off(mm, layout=layout))
    stack = assembly.chosen[View.SAX].stack
    more = mm == 10.0  # the first has one position that the second lacks
    assert (len(stack.runs), stack.spacing_mm) == (8 + more, pytest.approx(10.0))
    assert {uid[:3] for row in plan_of(assembly)[more:] for uid in row} == {"1.9"}
    used = [v for v in assembly.verdicts.values() if v.used]
    assert all("repeats_ignored" in v.flags and "uneven_slices" not in v.flags for v in used)
    assert {v.code for v in assembly.verdicts.values() if not v.used} <= {"repeated"}


def test_two_stacks_half_a_spacing_apart_are_two_where_their_slices_overlap() -> None:
    assert len(plan_of(study(repeated_off(5.0, layout="two series")))) == 8
    thin = [r | {"thickness_mm": 5.0} for r in repeated_off(5.0, layout="two series")]
    assert len(plan_of(study(thin))) == 16


def test_an_earlier_stack_that_is_more_complete_keeps_its_place() -> None:
    cut = [r for r in repeated_off(3.0, layout="one series") if r["sop_uid"] != "1.9.9.2.4"]
    assert {uid[:5] for row in plan_of(study(cut)) for uid in row} == {"1.2.3"}


def test_of_two_interleaved_stacks_that_each_lack_a_frame_none_is_mixed() -> None:
    lost = ("1.9.9.2.4", "1.2.3.5.5.4")
    cut = [r for r in repeated_off(3.0, layout="two series") if r["sop_uid"] not in lost]
    chosen = study(cut, allow=1).chosen[View.SAX]
    assert (len(chosen.stack.runs), chosen.stack.spacing_mm, len(chosen.plan.missing)) == (8, pytest.approx(10.0), 1)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("offset", [0.0, 29.0, 2.5])
def test_a_slice_between_the_others_is_left_out_and_said(offset: float, apart: bool) -> None:
    rows = a_series_each(sax(8)) if apart else sax(8)
    assembly = study(rows + series(offsets=[offset], uid="1.9", number=99, start_s=50000.0))
    chosen = assembly.chosen[View.SAX]
    assert (len(chosen.stack.runs), chosen.stack.spacing_mm) == (8, pytest.approx(10.0))
    left = [v for v in assembly.verdicts.values() if not v.used]
    assert [v.code for v in left] == ["off_grid"] and "10.0 mm apart" in left[0].sentence
    said = "1 slice was left out: it lies between the others, which are 10.0 mm apart"
    assert said in [note.sentence for note in chosen.notes if note.code == "off_grid_ignored"]


def test_slices_that_overlap_unevenly_are_refused() -> None:
    uneven = series(offsets=np.cumsum([0, 3, 4, 3, 6, 3, 4, 7, 3]).tolist())
    verdict = only_verdict(study(uneven))
    assert (verdict.used, verdict.code) == (False, "overlapping_slices")
    assert verdict.sentence.startswith("slices of 8 mm lie 3.0 to ")
    even = only_verdict(study(series(offsets=range(0, 40, 4))))
    assert even.used and "10 slices" in even.sentence


def beside(rows: Rows, mm: float) -> Rows:
    """The rows with their field of view moved along the image rows."""
    return [r | {f"position_{c}": r[f"position_{c}"] + mm * LATERAL[k] for k, c in enumerate("xyz")} for r in rows]


@pytest.mark.parametrize(("moved", "mm"), [(range(5, 8), 40.0), (range(4, 8), 40.0), (range(3, 4), -4.0)])
def test_a_field_of_view_that_moves_between_slices_is_refused(moved: range, mm: float) -> None:
    rows = [r for s in range(8) for r in beside(sax(8)[10 * s : 10 * s + 10], mm if s in moved else 0.0)]
    verdict = only_verdict(study(rows))
    assert (verdict.used, verdict.code) == (False, "moved_slices")
    names = ", ".join(str(s + 1) for s in moved)
    lies = f"slice {names} lies" if len(moved) == 1 else f"slices {names} lie"
    assert verdict.sentence.startswith(f"{lies} up to {abs(mm):.0f} mm beside the others in the plane")


def test_a_stack_of_another_field_of_view_is_never_mixed_in() -> None:
    first = [r for r in beside(sax(9), 20.0) if r["sop_uid"] != "1.2.3.5.2.4"]  # one slice more, but lacks a frame
    later = series(offsets=[o - 5.0 for o in SLICES], uid="1.9", number=9, start_s=50000.0)
    assembly = study(first + later)
    assert {uid[:3] for row in plan_of(assembly) for uid in row} == {"1.9"}
    assert [v.code for v in assembly.verdicts.values()] == ["repeated", ""]


def test_a_stack_of_which_slices_are_missing_keeps_all_others() -> None:
    for lost in ((1,), (3, 6), (1, 3), (2, 3)):
        offsets = [mm for s, mm in enumerate(SLICES) if s not in lost]
        for rows in (series(offsets=offsets), a_series_each(series(offsets=offsets))):
            assert len(plan_of(study(rows))) == len(offsets)


def test_origins_of_an_oblique_stack_may_drift_along_a_line() -> None:
    steady = [r for s in range(8) for r in beside(sax(8)[10 * s : 10 * s + 10], 6.0 * s + 0.5 * (s % 3))]
    assert only_verdict(study(steady)).used


def test_a_slice_elsewhere_in_the_plane_is_no_repeat() -> None:
    late = series(offsets=[5.0], uid="1.9", number=99, start_s=50000.0)
    for mm in (80.0, 5.0):
        assembly = study(a_series_each(sax(8)) + beside(late, mm))
        left = [v for v in assembly.verdicts.values() if not v.used]
        assert [v.code for v in left] == ["beside"]
        assert plan_of(assembly) == plan_of(study(sax(8)))
        assert [note.code for note in assembly.chosen[View.SAX].notes] == ["beside_ignored"]


def test_a_gap_between_slices_is_flagged() -> None:
    assembly = study(series(offsets=[0, 10, 20, 40, 50]))
    assert missing_slices(assembly.chosen[View.SAX].stack) == 1
    assert "slice_gap" in only_verdict(assembly).flags


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (sax(1), "too_few_slices"),
        (sax(8, frames=3), "too_few_frames"),
        (sax(8, frames=1), "single_frame"),
        (sax(5, modality="CT"), "not_mr"),
        (sax(5, row_spacing_mm=0.0), "bad_spacing"),
        (sax(5, column_spacing_mm=None), "bad_spacing"),
        (sax(5, position_x=None), "no_geometry"),
        (sax(5, row_x=0.0, row_y=0.0, row_z=0.0), "no_geometry"),
        (sax(5, has_pixels=False), "no_pixels"),
    ],
)
def test_bad_input_has_its_reason(rows: Rows, code: str) -> None:
    verdict = only_verdict(study(rows))
    assert (verdict.used, verdict.code) == (False, code)
    assert verdict.sentence


def test_a_slice_with_more_frames_than_the_others_is_refused() -> None:
    rows = series(offsets=[0, 10, 20, 30]) + series(offsets=[40], frames=14)
    assert study(rows).chosen == {}


def of_own_counts(*counts: int, told: bool = True) -> Rows:
    """A stack of one series a slice, each with its own number of frames over one cycle of the same length."""
    return [
        image | {"n_cardiac_images": n if told else None}
        for s, n in enumerate(counts)
        for image in series(offsets=[10.0 * s], frames=n, uid=f"1.{s}", number=s + 1, step_ms=1000.0 / n)
    ]


def test_slices_with_their_own_numbers_of_frames_are_brought_onto_the_usual_one() -> None:
    assembly = study(of_own_counts(24, 25, 24, 25, 26, 25, 25, 24))
    assert all(v.used and "resampled_frames" in v.flags for v in assembly.verdicts.values())
    chosen = assembly.chosen[View.SAX]
    assert (chosen.plan.rows.shape, chosen.plan.missing) == ((8, 25), ())
    assert [n.sentence for n in chosen.notes if n.code == "resampled_frames"] == [
        "slices 1, 3, 5, 8 have 24 to 26 frames by their headers: "
        "the 25 usual moments of the cycle were interpolated between them"
    ]
    plan, moments = chosen.plan, np.arange(25) * 40.0
    before, after = (assembly.table["trigger_time_ms"][rows].astype(float) for rows in (plan.rows, plan.later))
    later = (after - before) % 1000.0  # the first frame follows the last
    shown = np.where(plan.later < 0, before, before + plan.share * later)
    np.testing.assert_allclose(shown, np.tile(moments, (8, 1)), atol=1e-6)
    assert (plan.later[[1, 3, 5, 6]] < 0).all() and later[plan.later >= 0].max() <= 1000.0 / 24 + 1e-6
    np.testing.assert_allclose(assembly.timings[View.SAX].times_ms, np.arange(25) * 40.0)


def test_one_slice_with_fewer_frames_lacks_none_where_its_header_says_so() -> None:
    assert all(v.used for v in study(of_own_counts(25, 25, 25, 24, 25, 25)).verdicts.values())
    assert {v.code for v in study(of_own_counts(25, 25, 25, 24, 25, 25, told=False)).verdicts.values()} == {
        "missing_frames"
    }


@pytest.mark.parametrize(("odd", "said"), [(31, "slice 4 has 31 frames"), (19, "slice 4 has 19 frames")])
def test_a_slice_with_a_cycle_too_different_is_refused_with_the_true_reason(odd: int, said: str) -> None:
    verdicts = study(of_own_counts(25, 25, 25, odd, 25, 25)).verdicts.values()
    assert {v.code for v in verdicts} == {"unequal_frames"}
    sentence = f"{said} by its headers, the others 25: too different to be brought onto one cycle"
    assert all(v.sentence == sentence for v in verdicts)


def test_one_slice_of_another_matrix_is_no_part_of_the_stack() -> None:
    rows = sax(6) + series(offsets=[45], uid="1.2.7", number=7, rows=64)
    assembly = study(rows)
    assert [v.used for v in assembly.verdicts.values()] == [True, False]


def test_directions_survive_rounding_in_the_headers() -> None:
    rows = [r | {"row_x": r["row_x"] + 1e-6 * (i % 2)} for i, r in enumerate(sax(6))]
    stack = study(rows).chosen[View.SAX].stack
    assert len(stack.parts) == 1
    np.testing.assert_allclose(stack.lead.normal, np.cross(LATERAL, -UP), atol=1e-4)
    assert abs(stack.lead.normal @ AXIS) > 0.999
    assert replace(stack, spares=()).n_frames == 10


def test_a_slice_cut_short_in_its_own_series_is_no_silent_loss() -> None:
    whole = [r | {"series_uid": f"1.2.3.{i // 10}", "series_number": i // 10} for i, r in enumerate(sax(6))]
    assembly = study(whole[:54], allow=9)
    assert assembly.chosen == {}
    assert {v.code for v in assembly.verdicts.values()} == {"missing_frames"}
    assert "slice 6 has only 4 of 10 frames" in assembly.verdicts[0].sentence


def test_one_file_without_place_or_pixels_is_a_missing_frame() -> None:
    for values, code in (({"position_y": None}, "no_geometry"), ({"has_pixels": False}, "no_pixels")):
        rows = [r | values if r["sop_uid"].endswith(".2.4") else r for r in sax(5)]
        assert sorted(v.code for v in study(rows).verdicts.values()) == ["missing_frames", code]
        assert study(rows, allow=1).chosen[View.SAX].plan.missing == ((2, 4),)


def test_a_broken_off_try_at_a_slice_is_a_repeat() -> None:
    tried = series(offsets=[5.0], uid="1.2.7", number=7, frames=4)
    assert sorted(v.code for v in study(sax(8) + tried).verdicts.values()) == ["", "repeated"]


def test_sparse_slices_are_flagged() -> None:
    assert "sparse_slices" in only_verdict(study(sax(4, spacing=20.0))).flags


def renumbered(rows: Rows, random_seed: int = 3) -> Rows:
    """The rows with InstanceNumbers in no order."""
    numbers = np.random.default_rng(random_seed).permutation(len(rows)) + 1
    return [r | {"instance_number": int(n)} for r, n in zip(rows, numbers, strict=True)]


def untimed(rows: Rows, *, clock: bool = False) -> Rows:
    """The rows without trigger times; with `clock`, each image has its own acquisition time."""
    own = [
        {"acquisition_time_s": 36000.0 + 20 * (i // 10) + 0.04 * (i % 10)} if clock else {} for i in range(len(rows))
    ]
    return [r | {"trigger_time_ms": None} | time for r, time in zip(rows, own, strict=True)]


@pytest.mark.parametrize("clock", [False, True])
@pytest.mark.parametrize("lost", [1, 5, 8])
def test_a_gap_in_numbers_or_times_of_day_places_a_missing_frame(clock: bool, lost: int) -> None:
    rows = [r for r in untimed(sax(6), clock=clock) if r["sop_uid"] != f"1.2.3.5.2.{lost}"]
    assert f"(slice 3 frame {lost + 1})" in only_verdict(study(rows)).sentence
    allowed = study(rows, allow=1)
    assert allowed.chosen[View.SAX].plan.missing == ((2, lost),)
    assert plan_of(allowed)[2] == ["" if f == lost else f"1.2.3.5.2.{f}" for f in range(10)]


@pytest.mark.parametrize("lost", [0, 9])
def test_a_frame_that_may_lack_at_either_end_is_not_interpolated(lost: int) -> None:
    rows = [r for r in untimed(sax(6)) if r["sop_uid"] != f"1.2.3.5.2.{lost}"]
    assembly = study(rows, allow=1)
    assert (assembly.chosen, only_verdict(assembly).code) == ({}, "missing_frames")
    assert "1 frame is missing (slice 3, position unknown)" in only_verdict(assembly).sentence


def test_a_missing_frame_of_uneven_trigger_times_has_no_known_place() -> None:
    times = np.cumsum([0, 20, 70, 30, 60, 20, 80, 40, 25, 75])
    rows = [r | {"trigger_time_ms": float(times[i % 10])} for i, r in enumerate(sax(5))]
    assert only_verdict(study(rows)).used
    assert "position unknown" in only_verdict(study(rows[:14] + rows[15:], allow=1)).sentence


def test_one_image_without_trigger_time_is_a_missing_frame_and_never_sorted_by_number() -> None:
    rows = [r | ({"trigger_time_ms": None} if r["sop_uid"].endswith(".2.4") else {}) for r in renumbered(sax(8))]
    verdict = only_verdict(study(rows))
    assert (verdict.used, verdict.code) == (False, "missing_frames")
    assert "(slice 3 frame 5)" in verdict.sentence
    assert "1 image lacks the time that orders the others" in verdict.sentence
    plan = plan_of(study(rows, allow=1))
    assert plan == [["" if (s, f) == (2, 4) else f"1.2.3.5.{s}.{f}" for f in range(10)] for s in range(8)]


def test_a_slice_without_trigger_times_is_not_ordered_by_numbers_that_order_no_other() -> None:
    rows = renumbered(sax(8))
    rows = [r | ({"trigger_time_ms": None} if ".5.2." in r["sop_uid"] else {}) for r in rows]
    verdict = only_verdict(study(rows, allow=80))
    assert (verdict.used, verdict.code) == (False, "unordered_frames")
    assert verdict.sentence.startswith("slice 3: nothing orders the frames")


def test_only_the_series_without_trigger_times_is_said_to_be_sorted_by_number() -> None:
    rows = [r | {"series_uid": f"1.2.3.{i // 10}", "series_number": i // 10} for i, r in enumerate(sax(6))]
    rows = [r | ({"trigger_time_ms": None} if r["series_number"] == 2 else {}) for r in rows]
    assembly = study(rows)
    assert plan_of(assembly) == plan_of(study(sax(6)))
    said = [part.series_number for part in assembly.parts if "sorted_by_instance_number" in flags_of(assembly, part)]
    assert said == [2]


def flags_of(assembly: Assembly, part: Part) -> tuple[str, ...]:
    return assembly.verdicts[part.index].flags


def test_images_that_nothing_orders_are_not_one_image() -> None:
    rows = [r | {"trigger_time_ms": None, "instance_number": None} for r in sax(6)]
    assembly = study(rows)
    assert (only_verdict(assembly).code, assembly.parts[0].n_frames) == ("unordered_frames", 10)
    assert "nothing orders the frames" in only_verdict(assembly).sentence


def test_slices_of_another_spacing_are_said_and_flagged_on_the_stack() -> None:
    wider = {"row_spacing_mm": 3.1, "column_spacing_mm": 3.1}
    rows = [r | (wider if i >= 60 else {}) for i, r in enumerate(sax(8))]
    used, left = study(rows).verdicts.values()
    assert (used.used, left.used, left.code) == (True, False, "another_grid")
    assert left.sentence == (
        "parallel to the short-axis stack but of another matrix or spacing: "
        "32 x 32 pixels of 3.1 x 3.1 mm, not 32 x 32 of 3 x 3 mm"
    )
    assert "slices_left_out" in used.flags
    three = [r | (wider if i >= 50 else {}) for i, r in enumerate(sax(8))]
    assert [v.code for v in study(three).verdicts.values()] == ["", "another_grid"]


def test_of_two_whole_stacks_the_complete_one_wins_as_a_whole() -> None:
    later = sax(8, uid="1.2.7", number=20, start_s=50000.0)
    assert {uid[:5] for row in plan_of(study(sax(8) + later)) for uid in row} == {"1.2.7"}
    cut = [r for r in later if not r["sop_uid"].endswith(".2.4")]
    assembly = study(sax(8, number=10) + cut)
    assert {uid[:5] for row in plan_of(assembly) for uid in row} == {"1.2.3"}
    used, repeated = assembly.verdicts.values()
    assert used.sentence == "used as sax: 8 slices x 10 frames, series number 10"
    assert repeated.code == "repeated" and repeated.sentence.endswith("was used (series number 10)")


TILTED = np.cos(np.radians(3)) * LATERAL + np.sin(np.radians(3)) * AXIS  # image rows of another prescription


def prescribed_anew(n_slices: int, **values: Any) -> Rows:
    """A whole stack that cannot join `sax()`: it is turned by three degrees."""
    offsets = [(s - (n_slices - 1) / 2) * 10.0 for s in range(n_slices)]
    return series(row=TILTED, along=np.cross(TILTED, -UP), offsets=offsets, uid="1.9", number=9, **values)


@pytest.mark.parametrize(
    ("first", "second", "used", "why"),
    [
        ({"n_slices": 8, "series_description": "cine sax"}, {"n_slices": 10}, "1.9", "it has more slices"),
        ({"n_slices": 8}, {"n_slices": 4, "series_description": "cine sax"}, "1.2.3", "it has more slices"),
        ({"frames": 12}, {"n_slices": 8, "series_description": "cine sax"}, "1.2.3", "it has more frames"),
        ({"series_description": "cine sax"}, {"n_slices": 8, "start_s": 50000.0}, "1.2.3", "its view is surer"),
        ({"start_s": 30000.0}, {"n_slices": 8}, "1.9", "it is the latest"),
        ({"start_s": 36000.0}, {"n_slices": 8}, "1.9", "it has the higher series number"),
    ],
)
def test_of_two_prescriptions_the_most_complete_is_used_and_what_decided_is_said(
    first: dict[str, Any], second: dict[str, Any], used: str, why: str
) -> None:
    assembly = study(sax(**first) + prescribed_anew(**second))
    verdicts = {part.series_uid: assembly.verdicts[part.index] for part in assembly.parts}
    (loser,) = verdicts.keys() - {used}
    assert (verdicts[used].used, verdicts[loser].code) == (True, "repeated")
    assert verdicts[loser].sentence.endswith(f": {why}")


def test_a_doubtful_stack_is_used_only_where_nothing_compares() -> None:
    normal = np.cos(np.radians(48)) * AXIS + np.sin(np.radians(48)) * UP  # too far off the usual axis to be sure
    down = np.cross(normal, LATERAL)
    doubtful = series(column=down, along=normal, offsets=range(-40, 50, 10), uid="1.9", number=9)
    alone, beside = study(doubtful), study(sax(8) + doubtful)
    assert [v.used for v in alone.verdicts.values()] == [True]
    assert [v.used for v in beside.verdicts.values()] == [True, False]
    assert list(beside.verdicts.values())[1].sentence.endswith(": its view is not doubtful")


def test_where_each_of_two_stacks_lacks_a_frame_every_slice_is_the_best_there_is() -> None:
    first = [r for r in sax(8) if not r["sop_uid"].endswith(".5.4")]
    later = sax(8, uid="1.2.7", number=20, start_s=50000.0)
    later = [r for r in later if not r["sop_uid"].endswith(".2.4")]
    assembly = study(first + later)
    assert [row[0][:5] for row in plan_of(assembly)] == ["1.2.7" if s != 2 else "1.2.3" for s in range(8)]


def test_a_repeat_after_midnight_is_the_later() -> None:
    before = sax(5, start_s=86100.0)
    after = sax(5, uid="1.2.7", number=2, start_s=300.0)
    assert {uid[:5] for row in plan_of(study(before + after)) for uid in row} == {"1.2.7"}


def test_refused_stacks_do_not_say_what_was_done_to_their_frames() -> None:
    rows = [r for r in sax(6) if r["sop_uid"] != "1.2.3.5.2.4"]
    assert "interpolated_frames" not in only_verdict(study(rows)).flags
    double = sax(6)[13] | {"path": "other.dcm", "sop_uid": "7.7"}
    lost = [r for r in lax(90.0, uid="8", number=8, frames=20) if not r["sop_uid"].endswith(".7")]
    repeated = study(sax(6) + lost + lax(90.0, uid="9", number=9, frames=20), allow=1)
    assert [v.code for v in repeated.verdicts.values()] == ["", "repeated", ""]
    assert not any("interpolated_frames" in v.flags for v in repeated.verdicts.values())
    refused = only_verdict(study([*sax(6), double]))
    assert "duplicates_dropped" not in refused.flags
    assert refused.sentence.startswith("1 image shows a slice and moment")


def test_numbers_and_nouns_agree() -> None:
    assert only_verdict(study(sax(6)[:-1])).sentence.startswith("1 frame is missing")
    assert only_verdict(study(sax(6)[:-2])).sentence.startswith("2 frames are missing")
    assert "1 slice x 10 frames" in only_verdict(study(lax(90.0))).sentence


def test_a_spacing_of_zero_is_said_without_nonsense() -> None:
    assert "nan" not in only_verdict(study(sax(5, row_spacing_mm=0.0, column_spacing_mm=0.0))).sentence
