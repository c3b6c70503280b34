"""Which view a stack shows: words, geometry, both against each other, and the user's own list."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from instance_rows import AXIS, LATERAL, UP, lax, sax, series, table

from cinema_cli.domain.cine import View
from cinema_cli.domain.errors import ConfigError
from cinema_cli.io.assembly import Verdict, assemble
from cinema_cli.io.keywords import keyword, read_views_file, unused_overrides
from cinema_cli.io.views import cut_angle_deg

Rows = list[dict[str, Any]]


def verdicts(rows: Rows, overrides: dict[str, str] | None = None) -> dict[str, Verdict]:
    """Verdict by series uid."""
    assembly = assemble(table(rows), overrides=overrides or {}, allow_missing_frames=0)
    return {part.series_uid: assembly.verdicts[part.index] for part in assembly.parts}


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("CINE_segmented_SAX_b3", "sax"),
        ("CINE_segmented_SAX", "sax"),
        ("CINE_segmented_LAX_2Ch", "lax_2c"),
        ("CINE_segmented_LAX_3Ch", "lax_3c"),
        ("CINE_segmented_LAX_4Ch", "lax_4c"),
        ("CINE_segmented_LVOT", "lvot"),
        ("FIESTA SA", "sax"),
        ("sBTFE Short Axis", "sax"),
        ("cine tfi 4-Kammerblick", "lax_4c"),
        ("Vierkammerblick", "lax_4c"),
        ("Zweikammerblick", "lax_2c"),
        ("Kurzachse Cine", "sax"),
        ("cine kurze Achse", "sax"),
        ("CINE 4 CAVITES", "lax_4c"),
        ("ciné petit axe", "sax"),
        ("ciné 2 cavités", "lax_2c"),
        ("HLA", "lax_4c"),
        ("trufi VLA", "lax_2c"),
        ("apical long axis", "lax_3c"),
        ("2CH RV", "rvot"),
        ("RVOT", "rvot"),
        ("CINE_segmented_Ao_dist", "aorta"),
        ("aorta sagittal", "aorta"),
        ("Pulmonary hypertension cine", "aorta"),
        ("CINE SAX Pulmonary hypertension", "sax"),
        ("cine 3CH LVOT AO", "lax_3c"),
        ("CINE 4CH PULM VEINS", "lax_4c"),
        ("LAX 3C", "lax_3c"),
        ("cine_4C", "lax_4c"),
        ("2C", "lax_2c"),
        ("cine 2C 3C 4C", "cine"),
        ("3C RV", "rvot"),
        ("flow_250_tp_AoV_bh_ePAT@c_P", "flow"),
        ("ShMOLLI_192i_SAX_b2s_SAX_b2s_T1MAP", "t1_map"),
        ("T2_map_SAX", "t2_map"),
        ("PSIR sax LGE", "lge"),
        ("Stress perfusion SAX", "perfusion"),
        ("cine_tagging_3sl_SAX_b2s", "tagging"),
        ("localizer", "localizer"),
        ("Uebersicht", "localizer"),
        ("cine trufi", "cine"),
        ("t1_fl2d_tra", "axial"),
        ("CINE 2CH 3CH 4CH", "cine"),
        ("2_3_4 CH", "cine"),
        ("cine 2, 3 and 4 chamber", "cine"),
        ("Cine 4CH 2", "lax_4c"),
        ("", None),
        (None, None),
        ("Smith^John", None),
    ],
)
def test_words_of_three_languages_and_of_uk_biobank(text: str | None, meaning: str | None) -> None:
    assert keyword(text) == meaning


@pytest.mark.parametrize(
    ("angle", "view"),
    [
        (20, "lax_4c"),
        (40, "lax_4c"),
        (175, "lax_4c"),
        (75, "lax_2c"),
        (105, "lax_2c"),
        (135, "lax_3c"),
        (155, "lax_3c"),
    ],
)
def test_a_plane_is_named_by_its_angle_round_the_long_axis(angle: float, view: str) -> None:
    assert verdicts(sax() + lax(angle, uid="9"))["9"].view == view


def test_three_planes_get_three_views_even_when_all_are_turned() -> None:
    rows = sax() + lax(50, uid="4", number=1) + lax(100, uid="2", number=2) + lax(170, uid="3", number=3)
    found = {uid: v.view for uid, v in verdicts(rows).items()}
    assert found == {"1.2.3": "sax", "4": "lax_4c", "2": "lax_2c", "3": "lax_3c"}


def test_the_reference_angles_are_those_of_the_aha_circle() -> None:
    for angle in (0.0, 30.0, 90.0, 150.0):
        line = np.cos(np.radians(angle)) * LATERAL + np.sin(np.radians(angle)) * UP
        assert cut_angle_deg(np.cross(AXIS, line), AXIS) == pytest.approx(angle, abs=1e-6)


def test_an_axial_stack_that_is_called_short_axis_gives_angles_too() -> None:
    x, y, z = np.eye(3)
    assert cut_angle_deg(x, z) == pytest.approx(90.0)  # a sagittal plane cuts it from front to back
    axial = series(row=x, column=y, along=z, offsets=range(0, 80, 10), series_description="SAX")
    assert "nan" not in verdicts(axial + lax(90, uid="9", number=9))["9"].rule


def test_geometry_works_alone_without_a_short_axis_but_is_less_sure() -> None:
    alone = verdicts(lax(90, uid="9"))["9"]
    beside = verdicts(sax() + lax(90, uid="9"))["9"]
    assert alone.view == beside.view == "lax_2c"
    assert alone.confidence is not None and beside.confidence is not None
    assert alone.confidence < beside.confidence


def test_a_description_that_geometry_contradicts_is_doubted_and_said() -> None:
    right = verdicts(sax() + lax(90, uid="9", series_description="cine 2CH"))["9"]
    wrong = verdicts(sax() + lax(20, uid="9", series_description="cine 2CH"))["9"]
    assert right.view == wrong.view == "lax_2c"
    assert (right.confidence, wrong.confidence) == (0.95, 0.5)
    assert "geometry speaks against it" in wrong.rule
    assert "view_doubt" in wrong.flags


def test_a_plane_beside_the_heart_or_across_it_is_no_view() -> None:
    beside = lax(90, uid="9")
    shift = np.cross(AXIS, UP) * 90
    moved = [
        r | {f"position_{c}": r[f"position_{c}"] + float(d) for c, d in zip("xyz", shift, strict=True)} for r in beside
    ]
    assert verdicts(sax() + moved)["9"].code == "unknown_view"


@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (0, 2)])
def test_stacks_along_the_body_axes_are_not_the_short_axis(axes: tuple[int, int]) -> None:
    row, column = np.eye(3)[axes[0]], np.eye(3)[axes[1]]
    found = verdicts(series(row=row, column=column, along=np.cross(row, column), offsets=range(0, 80, 10)))
    assert found["1.2.3"].code == "body_axis_stack"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"velocity_encoded": True}, "flow"),
        ({"image_type": "ORIGINAL\\PRIMARY\\P\\ND"}, "flow"),
        ({"series_description": "MOLLI sax"}, "t1_map"),
        ({"image_type": "DERIVED\\PRIMARY\\MPR"}, "derived"),
        ({"image_type": "DERIVED\\SECONDARY"}, "derived"),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"}, "secondary_capture"),
        ({"image_type": "ORIGINAL\\PRIMARY\\LOCALIZER"}, "localizer"),
        ({"series_description": "cine tagging"}, "tagging"),
        ({"series_description": "cine rv 3ch"}, "rvot"),
        ({"step_ms": 800.0}, "not_one_cycle"),
    ],
)
def test_what_is_no_cine_of_the_walls_has_its_reason(values: dict[str, Any], code: str) -> None:
    found = verdicts(sax(6, **values))["1.2.3"]
    assert (found.used, found.code) == (False, code)


@pytest.mark.parametrize("triggers", ["distinct", "three values", "evenly one step a beat"])
def test_first_pass_images_are_no_cycle_whatever_their_trigger_times(triggers: str) -> None:
    rows = series(offsets=(-20, 0, 20), frames=40)
    for i, r in enumerate(rows):
        s, beat = divmod(i, 40)
        jitter = {"distinct": 0.5 * (17 * beat % 40), "three values": 2.5 * (beat % 3), "evenly one step a beat": beat}
        times = {"trigger_time_ms": 100.0 + 200 * s + jitter[triggers]}
        rows[i] = r | times | {"acquisition_time_s": 36000.0 + 0.2 * s + 0.9 * beat}
    verdict = verdicts(rows)["1.2.3"]
    assert verdict.code == "not_one_cycle"
    assert "900 ms apart" in verdict.sentence


@pytest.mark.parametrize("tick_s", [0.0, 0.04, 0.25])
def test_acquisition_times_that_tick_within_a_breath_hold_are_a_cine(tick_s: float) -> None:
    rows = [r | {"acquisition_time_s": r["acquisition_time_s"] + tick_s * (i % 10)} for i, r in enumerate(sax(6))]
    assert verdicts(rows)["1.2.3"].used


def test_inversion_times_that_vary_are_a_map_source() -> None:
    rows = [r | {"inversion_time_ms": 100.0 + 80 * (i % 10)} for i, r in enumerate(sax(5))]
    assert verdicts(rows)["1.2.3"].code == "t1_map"


def test_the_magnitude_beside_phase_images_is_flow_too() -> None:
    plane = lax(90, uid="9", number=9)
    phase = [
        r | {"series_uid": "8", "series_number": 8, "image_type": "ORIGINAL\\PRIMARY\\P", "sop_uid": "p" + r["sop_uid"]}
        for r in plane
    ]
    assert {uid: v.code for uid, v in verdicts(sax() + plane + phase).items()} == {
        "1.2.3": "",
        "9": "flow",
        "8": "flow",
    }


def test_the_users_list_decides(tmp_path: Path) -> None:
    file = tmp_path / "views.csv"
    file.write_text("series_description,view\nMy odd plane,lax_3c\ncine 2ch,ignore\n")
    rows = (
        sax()
        + lax(20, uid="9", number=9, series_description="my ODD plane")
        + lax(90, uid="8", number=8, series_description="cine 2ch")
    )
    found = verdicts(rows, read_views_file(file))
    assert (found["9"].view, found["9"].confidence) == ("lax_3c", 1.0)
    assert found["8"].code == "ignored"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"series_uid,view\n1.2,sideways\n", "line 2 of views.csv has the unknown view sideways"),
        (b"uid,plane\n1,sax\n", "has columns"),
        (b"series_uid,view\n1.2,\n", "unknown view (empty)"),
        (b"series_uid,view\n,sax\n", "line 2 of views.csv names no series"),
        (b"series_uid,view\n1.2,sax\n1.2,lax_2c\n", "line 3 of views.csv says lax_2c of '1.2', a line above it sax"),
        (b"", "views.csv is empty"),
        (b" \n\n", "views.csv is empty"),
        ("series_description,view\nÜbung,sax".encode("latin-1"), "is not UTF-8 text"),
        (None, "cannot read the views file views.csv"),
    ],
)
def test_a_views_file_that_is_wrong_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "views.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_views_file(file)
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_views_files_of_any_spreadsheet_are_read(tmp_path: Path, delimiter: str) -> None:
    file = tmp_path / "views.csv"
    lines = ["Series_UID,view,series_description", "1.2 ,SAX,same", "1.3,ignore,same", ",lax_2c,My plane", "1.2,sax,"]
    file.write_text("\r\n".join(lines).replace(",", delimiter), encoding="utf-8-sig")
    overrides = read_views_file(file)
    assert overrides == {"1.2": "sax", "1.3": "ignore", "my plane": "lax_2c"}
    rows = table(sax(3, uid="1.2") + lax(90.0, uid="7", series_description="MY plane "))
    assert unused_overrides(overrides, rows) == ("1.3",)


def test_of_several_parallel_long_axis_slices_the_middle_is_used() -> None:
    rows = lax(20, uid="9", number=9, offsets=(-8, 0, 8), along=np.cross(AXIS, UP), series_description="cine 4CH")
    assembly = assemble(table(sax() + rows), overrides={}, allow_missing_frames=0)
    chosen = assembly.chosen[View.LAX_4C]
    assert {assembly.table["sop_uid"][r] for r in chosen.plan.rows.ravel()} == {f"9.9.1.{f}" for f in range(10)}
    assert [note.code for note in chosen.notes] == ["middle_slice"]


def test_a_view_planned_again_beside_itself_is_a_repeat_not_a_stack() -> None:
    side = np.cross(AXIS, UP)
    rows = [
        r
        for k in range(3)
        for r in lax(90, uid=f"9{k}", number=9 + k, offsets=(4.0 * k,), along=side, start_s=40000.0 + k)
    ]
    found = verdicts(sax() + rows)
    assert [found[f"9{k}"].code for k in range(3)] == ["repeated", "repeated", ""]


@pytest.mark.parametrize(("places", "moved"), [((0.0, 4.0, 6.0), 0.0), ((0.0, 5.0, 0.0), 20.0)])
def test_a_view_planned_again_off_any_grid_is_a_repeat_too(places: tuple[float, ...], moved: float) -> None:
    side = np.cross(AXIS, UP)
    again = [lax(90, uid=f"9{k}", number=9 + k, offsets=(mm,), along=side) for k, mm in enumerate(places)]
    again[2] = [
        r
        | {"acquisition_time_s": 50000.0}
        | {f"position_{c}": r[f"position_{c}"] + moved * AXIS[i] for i, c in enumerate("xyz")}
        for r in again[2]
    ]
    found = verdicts(sax() + again[0] + again[1] + again[2])
    assert [found[f"9{k}"].code for k in range(3)] == ["repeated", "repeated", ""]
    assert all(found[f"9{k}"].sentence.endswith("it is the latest") for k in range(2))


def test_a_series_that_the_user_names_wins_over_one_that_was_recognised() -> None:
    mine = lax(20, uid="3", number=3)
    later = lax(145, uid="4", number=4, start_s=50000.0, series_description="cine 3CH")
    found = verdicts(sax() + mine + later, {"3": "lax_3c"})
    assert (found["3"].used, found["3"].view) == (True, "lax_3c")
    assert found["4"].code == "repeated"
    assert found["4"].sentence.endswith("was used (1 slice x 10 frames, series number 3): the views file names it")


def test_a_stack_that_the_user_names_wins_slice_by_slice() -> None:
    later = sax(8, uid="4", number=4, start_s=50000.0)
    found = verdicts(sax(5, uid="3", number=3) + later, {"3": "sax"})
    assert found["3"].used
    assembly = assemble(table(sax(8, uid="3") + later), overrides={"3": "sax"}, allow_missing_frames=0)
    assert {assembly.table["series_uid"][r] for r in assembly.chosen[View.SAX].plan.rows.ravel()} == {"3"}


def test_one_described_series_of_three_planes_gives_three_views() -> None:
    planes = [
        image | {"sop_uid": f"{angle}.{image['sop_uid']}"}
        for angle in (20, 90, 145)
        for image in lax(angle, uid="9", number=9, series_description="CINE 2CH 3CH 4CH")
    ]
    assembly = assemble(table(sax() + planes), overrides={}, allow_missing_frames=0)
    assert set(assembly.chosen) == set(View)
    assert all(v.used for v in assembly.verdicts.values())


@pytest.mark.parametrize("apart", [False, True])
def test_a_short_axis_stack_under_another_name_is_the_short_axis(apart: bool) -> None:
    rows = sax(8, series_description="4CH")
    if apart:
        rows = [r | {"series_uid": f"1.2.3.{i // 10}", "series_number": i // 10} for i, r in enumerate(rows)]
    assembly = assemble(table(rows), overrides={}, allow_missing_frames=0)
    assert set(assembly.chosen) == {View.SAX}
    assert len(assembly.chosen[View.SAX].stack.runs) == 8
    assert "but its description says lax_4c" in assembly.verdicts[0].rule


@pytest.mark.parametrize(
    "words",
    ["cine_sax_post_perfusion", "SAX cine post LGE", "SAX no flow artefact", "cine flow comp"],
)
def test_words_of_a_contrast_alone_do_not_reject_a_gated_cine(words: str) -> None:
    verdict = verdicts(sax(8, series_description=words))["1.2.3"]
    assert (verdict.used, verdict.view) == (True, "sax")
    assert "its description speaks of" in verdict.rule


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("words", ["CINE SAX Pulmonary hypertension", "Pulmonary hypertension cine"])
def test_a_vessel_in_the_name_of_a_disease_rejects_no_stack(words: str, apart: bool) -> None:
    rows = sax(8, protocol_name=words)
    if apart:
        rows = [r | {"series_uid": f"1.2.3.{i // 10}", "series_number": i // 10} for i, r in enumerate(rows)]
    found = verdicts(rows).values()
    assert all(v.used and v.view == "sax" for v in found)
    assert all(("its description speaks of aorta" in v.rule) != ("SAX" in words) for v in found)


@pytest.mark.parametrize(
    ("angle", "words", "view"),
    [(145, "cine 3CH LVOT AO", "lax_3c"), (20, "CINE 4CH PULM VEINS", "lax_4c"), (145, "3C", "lax_3c")],
)
def test_a_vessel_that_is_seen_in_a_view_rejects_none(angle: float, words: str, view: str) -> None:
    found = verdicts(sax() + lax(angle, uid="9", number=9, series_description=words))["9"]
    assert (found.used, found.view, found.confidence) == (True, view, 0.95)


@pytest.mark.parametrize("words", ["cine Ao", "CINE_segmented_Ao_dist", "pulm art", "aorta sag"])
def test_planes_of_the_vessels_are_still_rejected(words: str) -> None:
    assert verdicts(sax() + lax(60, uid="9", number=9, series_description=words))["9"].code == "aorta"
    across = {"row": UP, "column": AXIS, "along": np.cross(UP, AXIS), "offsets": range(0, 40, 10)}
    assert verdicts(sax() + series(uid="9", number=9, series_description=words, **across))["9"].code == "aorta"


def test_a_mentioned_contrast_is_outdone_by_a_plain_description() -> None:
    plain = lax(20, uid="3", number=3, series_description="cine 4ch")
    later = lax(20, uid="4", number=4, start_s=50000.0, series_description="cine 4ch flow comp")
    assert verdicts(sax() + later)["4"].view == "lax_4c"
    assert [verdicts(sax() + plain + later)[uid].used for uid in ("3", "4")] == [True, False]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"series_description": "cine sax LGE", "inversion_time_ms": 300.0}, "lge"),
        ({"series_description": "sax LGE", "scanning_sequence": "GR\\IR"}, "lge"),
        ({"series_description": "sax perfusion", "step_ms": 2.0}, "perfusion"),
        ({"series_description": "sax perfusion", "trigger_time_ms": None}, "perfusion"),
        ({"series_description": "through plane"}, "flow"),
        ({"series_description": "sax flow", "velocity_encoded": True}, "flow"),
        ({"series_description": "PSIR sax", "image_type": "ORIGINAL\\PRIMARY\\P", "velocity_encoded": True}, "lge"),
    ],
)
def test_words_of_a_contrast_count_with_a_sign_of_it(values: dict[str, Any], code: str) -> None:
    assert verdicts(sax(6, **values))["1.2.3"].code == code


def test_a_protocol_name_of_the_whole_exam_says_nothing_of_a_series() -> None:
    exam = {"protocol_name": "CARDIAC MPR VIABILITY"}
    rows = sax(**exam) + lax(20, uid="4", number=4, **exam) + lax(90, uid="2", number=2, **exam)
    assert {uid: v.view for uid, v in verdicts(rows).items()} == {"1.2.3": "sax", "4": "lax_4c", "2": "lax_2c"}
    assert verdicts(sax(protocol_name="CARDIAC VIABILITY"))["1.2.3"].used
    own = lax(90, uid="2", number=2, protocol_name="cine rv 3ch")
    assert verdicts(sax(protocol_name="sax") + own)["2"].code == "rvot"


def test_a_cine_where_a_flow_measurement_lies_is_no_part_of_it() -> None:
    cine = lax(145, uid="9", number=9, series_description="cine 3CH")
    flow = {"series_description": "LVOT flow_P", "image_type": "ORIGINAL\\PRIMARY\\P"}
    rows = sax() + cine + lax(145, uid="8", number=8, **flow) + lax(145, uid="7", number=7)
    found = verdicts(rows)
    assert {uid: v.code for uid, v in found.items()} == {"1.2.3": "", "9": "", "8": "flow", "7": "flow"}
