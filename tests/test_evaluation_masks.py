from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import polars as pl
import pytest
from made_hearts import SPACING_MM, a_heart
from test_real_studies import SCD

from cinema_cli.analysis.evaluation.frames import compared_frames
from cinema_cli.analysis.evaluation.masks import MaskEvaluation, evaluate_masks
from cinema_cli.analysis.evaluation.pairs import find_predictions, find_references, paired
from cinema_cli.analysis.evaluation.table import Note, System
from cinema_cli.analysis.statistics.overlap import overlap
from cinema_cli.analysis.statistics.surface_distance import surface_distance
from cinema_cli.domain.cine import Label
from cinema_cli.domain.errors import InputError
from cinema_cli.io.label_maps import LABEL_MAPS, label_map

AFFINE = np.diag([*SPACING_MM[::-1], 1.0])
ED, ES = a_heart(), a_heart(size=0.8)
NOTHING = np.zeros_like(ED)
Files = Mapping[str, np.ndarray]


def written(folder: Path, files: Files, affine: np.ndarray = AFFINE) -> Path:
    """Labels ([frame,] slice, row, column) as NIfTI files NAME.nii."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, labels in files.items():
        nib.save(nib.Nifti1Image(labels.T, affine), folder / f"{name}.nii")
    return folder


def evaluated(tmp_path: Path, predictions: Files, references: Files, **options: object) -> MaskEvaluation:
    """Two folders of files compared."""
    ours, theirs = written(tmp_path / "ours", predictions), written(tmp_path / "theirs", references)
    return evaluate_masks(paired(find_predictions(ours), find_references(theirs)), **options)  # type: ignore[arg-type]


def told(evaluation: MaskEvaluation, metric: str = "dice") -> dict[tuple[str, str], tuple[float | None, str]]:
    """(frame, term) -> value and note of a metric."""
    rows = evaluation.table.filter(metric=metric).select("frame", "term", "value", "note").rows()
    assert len({row[:2] for row in rows}) == len(rows)
    return {(frame, term): (value, note) for frame, term, value, note in rows}


def test_rows_are_the_statistics_of_each_class_and_their_means(tmp_path: Path) -> None:
    found = a_heart(shift_mm=3.0, size=1.1)
    done = evaluated(tmp_path, {"p_ed": found}, {"p_ed_gt": ED}, system=System.AGAINST, threads=2)
    assert done.table.height == 3 * 5 + 4 and not done.refusals
    assert set(done.table["system"]) == {"against"} and set(done.table["kind"]) == {"mask"}
    values = {metric: told(done, metric) for metric in ("dice", "iou", "hd95_mm", "asd_mm", "volume_ml")}
    for label in (Label.RV, Label.MYO, Label.LV):
        pair = found == label, a_heart() == label
        over, apart = overlap(*pair, spacing_mm=SPACING_MM), surface_distance(*pair, spacing_mm=SPACING_MM)
        wanted = {"dice": over.dice, "iou": over.iou, "hd95_mm": apart.hd95_mm, "asd_mm": apart.asd_mm}
        for metric, value in (wanted | {"volume_ml": over.volume_error_ml}).items():
            assert values[metric]["ed", label.name.lower()] == (pytest.approx(value, rel=1e-6), "")
        (volumes,) = (
            done.table.filter(metric="volume_ml", term=label.name.lower()).select("prediction", "reference").rows()
        )
        assert volumes == pytest.approx((over.prediction_ml, over.reference_ml), rel=1e-6)
    for metric in ("dice", "iou", "hd95_mm", "asd_mm"):
        classes = [values[metric]["ed", term][0] for term in ("lv", "myo", "rv")]
        assert values[metric]["ed", "mean"][0] == pytest.approx(np.mean(classes))  # type: ignore[arg-type]


def test_empty_masks_have_notes_and_no_mean_where_a_class_has_no_value(tmp_path: Path) -> None:
    truth, found = ED.copy(), ED.copy()
    truth[truth == Label.RV] = 0
    found[found == Label.LV] = 0
    done = evaluated(tmp_path, {"p": found}, {"p_gt": truth})
    dice, far = told(done), told(done, "hd95_mm")
    assert dice["", "rv"] == (None, "empty_truth") and dice["", "lv"] == (0.0, "empty_prediction")
    assert dice["", "myo"] == (1.0, "") and dice["", "mean"] == (None, "empty_truth")
    assert far["", "lv"] == (None, "empty_prediction") and far["", "myo"] == (0.0, "")
    volume = told(done, "volume_ml")
    assert volume["", "rv"][1] == "empty_truth" and volume["", "rv"][0] > 0 > volume["", "lv"][0]  # type: ignore[operator]
    neither = evaluated(tmp_path / "neither", {"p": NOTHING}, {"p_gt": NOTHING})
    assert set(told(neither).values()) == {(None, "both_empty")}
    assert told(neither, "volume_ml")["", "lv"] == (0.0, "both_empty")


def test_a_missed_class_counts_as_none_in_the_mean(tmp_path: Path) -> None:
    done = evaluated(tmp_path, {"p": np.where(ED == Label.LV, 0, ED).astype(np.uint8)}, {"p_gt": ED})
    assert told(done)["", "mean"][0] == pytest.approx(2 / 3) and told(done)["", "mean"][1] == ""
    assert told(done, "asd_mm")["", "mean"] == (None, "empty_prediction")


def test_classes_that_one_side_does_not_know_are_not_compared(tmp_path: Path) -> None:
    lv = np.where(ED == Label.LV, 7, 0).astype(np.uint8)
    done = evaluated(tmp_path, {"p": ED}, {"p_gt": lv}, reference_labels=label_map("7=lv"))
    assert told(done) == {("", "lv"): (1.0, "")}
    swapped = np.array([0, 3, 2, 1], np.uint8)[ED]
    done = evaluated(tmp_path / "mnms", {"p": swapped}, {"p_gt": ED}, prediction_labels=LABEL_MAPS["mnms"])
    assert {value for value, _ in told(done).values()} == {1.0}


def test_labels_that_nobody_explained_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"p_gt\.nii has labels that `cinema` does not know: 4"):
        evaluated(tmp_path, {"p": ED}, {"p_gt": ED + 1})


def test_axes_in_another_order_are_put_right_and_other_grids_refused(tmp_path: Path) -> None:
    ours = written(tmp_path / "ours", {"flipped_ed": ED[:, ::-1], "other_ed": ED, "small_ed": ED[1:]})
    flip = AFFINE @ np.array([[1, 0, 0, 0], [0, -1, 0, ED.shape[1] - 1], [0, 0, 1, 0], [0, 0, 0, 1]])
    written(ours, {"flipped_ed": ED[:, ::-1]}, flip)
    written(ours, {"other_ed": ED}, AFFINE @ np.diag([1, 1, 0.8, 1]))
    theirs = written(tmp_path / "theirs", dict.fromkeys(("flipped_ed", "other_ed", "small_ed"), ED))
    done = evaluate_masks(paired(find_predictions(ours), find_references(theirs)))
    people = done.table.filter(metric="dice").select("participant_id", "term", "value", "note")
    assert set(people.filter(participant_id="sub-flipped")["value"]) == {1.0}
    refused = people.filter(pl.col("participant_id") != "sub-flipped")
    assert refused.height == 6 and set(refused["note"]) == {"other_grid"} and refused["value"].null_count() == 6
    reasons = {one.participant_id: one.reason for one in done.refusals}
    assert "8 x 1.4 x 1.2 mm" in reasons["sub-other"] and "7 x 48 x 56" in reasons["sub-small"]


def test_frames_without_a_partner_are_counted(tmp_path: Path) -> None:
    ours = {"both_ed": ED, "both_es": ES, "half_ed": ED, "late_es": ES, "alone_ed": ED}
    theirs = {"both_ed": ED, "both_es": ES, "half_ed": ED, "half_es": ES, "late_ed": ED, "none_ed": ED}
    done = evaluated(tmp_path, ours, theirs)
    notes = done.table.filter((pl.col("metric") == "dice") & (pl.col("term") == "lv"))
    assert notes.select("participant_id", "frame", "note").rows() == [
        ("sub-alone", "ed", "no_reference"),
        ("sub-both", "ed", ""),
        ("sub-both", "es", ""),
        ("sub-half", "ed", ""),
        ("sub-half", "es", "no_prediction"),
        ("sub-late", "ed", "no_prediction"),
        ("sub-late", "es", "no_reference"),
        ("sub-none", "ed", "no_prediction"),
    ]
    missing = done.table.filter(pl.col("note") != "")
    assert missing.height == 5 * 3 and set(missing["metric"]) == {"dice"} and missing["value"].null_count() == 15


def test_a_cine_beside_a_cine_with_two_labelled_frames(tmp_path: Path) -> None:
    """M&Ms: ED is where the true left ventricle is largest, whatever the prediction takes for it."""
    cine = np.stack([ES, ED, a_heart(size=0.9), ES, a_heart(size=1.2)])
    truth = np.stack([NOTHING, ED, NOTHING, ES, NOTHING])
    done = told(evaluated(tmp_path, {"p_sa": cine}, {"p_sa_gt": truth}))
    assert set(done) == {(frame, term) for frame in ("ed", "es") for term in ("rv", "myo", "lv", "mean")}
    assert {value for value, _ in done.values()} == {1.0}


def test_a_cine_whose_every_frame_is_labelled(tmp_path: Path) -> None:
    cine = np.stack([a_heart(size=size) for size in (0.9, 1.0, 0.8, 0.7)])
    done = told(evaluated(tmp_path, {"p": cine}, {"p_gt": cine}))
    assert {frame for frame, _ in done} == {"ed", "es", "0", "2"} and len(done) == 16


def test_a_cine_beside_frames_that_are_named(tmp_path: Path) -> None:
    cine = np.stack([a_heart(size=0.9), ED, ES])
    named = told(evaluated(tmp_path, {"p": cine}, {"p_ed_gt": ED, "p_es_gt": ES}))  # largest and smallest
    numbered = told(evaluated(tmp_path / "acdc", {"p": cine}, {"p_frame02_gt": ED, "p_frame03_gt": ES}))
    assert named == numbered and {value for value, _ in named.values()} == {1.0}
    beyond = told(evaluated(tmp_path / "beyond", {"p": cine}, {"p_frame09_gt": ED}))
    assert beyond["8", "lv"] == (None, "no_prediction")


def test_cines_of_two_lengths_are_refused(tmp_path: Path) -> None:
    done = evaluated(tmp_path, {"p": np.stack([ED, ES])}, {"p_gt": np.stack([ED, ES, ES])})
    assert {note for _, note in told(done).values()} == {"other_grid"}
    assert done.refusals[0].reason == "the prediction has 2 frames, the reference 3"


@pytest.mark.parametrize("broken", ["ours", "theirs"])
def test_a_file_that_cannot_be_read_is_a_row(tmp_path: Path, broken: str) -> None:
    ours, theirs = written(tmp_path / "ours", {"p_ed": ED}), written(tmp_path / "theirs", {"p_ed": ED})
    (tmp_path / broken / "p_ed.nii").write_bytes(b"nothing")
    done = evaluate_masks(paired(find_predictions(ours), find_references(theirs)))
    assert {note for _, note in told(done).values()} == {Note.UNREADABLE} and len(told(done)) == 3
    (refusal,) = done.refusals
    assert (refusal.frame, refusal.note) == ("ed", Note.UNREADABLE) and "cannot be read" in refusal.reason


def test_of_contours_only_their_slices_and_classes_count(tmp_path: Path) -> None:
    if not SCD.is_dir():
        pytest.skip("the Sunnybrook studies are not on this machine")
    references = find_references(SCD)
    nowhere = written(tmp_path / "ours", {"SCD0000101": np.zeros((20, 12, 256, 256), np.uint8)})
    first, second = paired(find_predictions(nowhere), references)
    frames = compared_frames(first, prediction_labels=LABEL_MAPS["acdc"], reference_labels=LABEL_MAPS["acdc"])
    assert [one.note for one in frames] == [Note.OTHER_GRID] * 2  # written without a place
    assert [sorted(one.known) for one in frames] == [[Label.LV], [Label.MYO, Label.LV]]
    done = evaluate_masks([second])
    assert told(done) == {("es", "lv"): (None, "no_prediction"), ("ed", "lv"): (None, "no_prediction")} | {
        ("ed", "myo"): (None, "no_prediction")
    }


def test_nobody_is_no_table_of_another_kind() -> None:
    assert evaluate_masks([]).table.height == 0
