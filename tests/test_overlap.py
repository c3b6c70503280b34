import math

import numpy as np
import pytest
import SimpleITK as sitk
from functions_golden import arrays, masks_of, needs_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as made
from made_hearts import SPACING_MM, a_heart

from cinema_cli.analysis.statistics.overlap import EMIDEC, MYOPS, Overlap, overlap, overlaps
from cinema_cli.analysis.statistics.surface_distance import surface_distance

HEART = {"class_1": (1,), "class_2": (2,), "class_3": (3,)}
MASKS = made.arrays(np.bool_, st.tuples(*[st.integers(1, 4)] * 3))


@needs_golden
@pytest.mark.parametrize("case", [0, 1])  # in the second, class 1 is not in the truth
def test_dice_iou_and_volumes_are_those_of_the_paper(case: int) -> None:
    entry = arrays("seg_metrics")
    found, truth = masks_of("seg_metrics")
    spacing = tuple(entry["spacing"][::-1])
    of_classes = overlaps(found[case], truth[case], classes=HEART, spacing_mm=spacing)
    for score in ("dice", "iou"):  # no mean where a class has none
        mean = np.mean([getattr(over, score) for over in of_classes.values()])
        assert mean == pytest.approx(entry[f"out/mean_{score}_score"][case], rel=1e-6, nan_ok=True)
    for name, over in of_classes.items():
        for ours, theirs in (
            (over.dice, "dice_score"),
            (over.iou, "iou_score"),
            (over.reference_ml, "true_volume"),
            (over.prediction_ml, "pred_volume"),
        ):
            assert ours == pytest.approx(entry[f"out/{name}_{theirs}"][case], rel=1e-6, nan_ok=True)


@needs_golden
@pytest.mark.parametrize(
    ("data", "classes", "spacing_mm"), [("emidec", EMIDEC, (10.0, 1.458, 1.458)), ("myops", MYOPS, (10.0, 1.0, 1.0))]
)
def test_nested_regions_are_those_of_the_paper(
    data: str, classes: dict[str, tuple[int, ...]], spacing_mm: tuple[float, float, float]
) -> None:
    entry = arrays("seg_metrics_nested")
    (found,), (truth,) = masks_of("seg_metrics_nested", f"{data}_")
    means: dict[str, list[float]] = {"dice_score": [], "iou_score": [], "hausdorff_distance_95": []}
    for number, (name, over) in enumerate(overlaps(found, truth, classes=classes, spacing_mm=spacing_mm).items(), 1):
        theirs = {key: float(entry[f"{data}/class_{number}_{key}"][0]) for key in ("dice_score", "iou_score")}
        assert over.dice == pytest.approx(theirs["dice_score"], rel=1e-6)
        assert over.iou == pytest.approx(theirs["iou_score"], rel=1e-6)
        assert over.prediction_ml == pytest.approx(entry[f"{data}/class_{number}_pred_volume"][0], rel=1e-6)
        assert over.reference_ml == pytest.approx(entry[f"{data}/class_{number}_true_volume"][0], rel=1e-6)
        region = (np.isin(one, classes[name]) for one in (found, truth))
        apart = surface_distance(*region, spacing_mm=spacing_mm)
        assert apart.hd95_mm == pytest.approx(entry[f"{data}/class_{number}_hausdorff_distance_95"][0], rel=1e-6)
        for of_classes, value in zip(means.values(), (over.dice, over.iou, apart.hd95_mm), strict=True):
            of_classes.append(value)
    for name, of_classes in means.items():
        assert np.mean(of_classes) == pytest.approx(entry[f"{data}/mean_{name}"][0], rel=1e-6)


def test_simpleitk_finds_the_same_overlap() -> None:
    prediction, reference = a_heart(shift_mm=3.0, size=1.1), a_heart()
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(sitk.GetImageFromArray(reference), sitk.GetImageFromArray(prediction))
    for label in (1, 2, 3):
        over = overlap(prediction == label, reference == label, spacing_mm=SPACING_MM)
        assert over.dice == pytest.approx(measures.GetDiceCoefficient(label), abs=1e-12)
        assert over.iou == pytest.approx(measures.GetJaccardCoefficient(label), abs=1e-12)


def test_empty_masks() -> None:
    some, none = np.ones((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    missed = overlap(none, some, spacing_mm=(10, 2, 2))
    assert (missed.dice, missed.iou, missed.volume_error_ml) == (0.0, 0.0, pytest.approx(-0.32))
    for prediction, error in ((some, 0.32), (none, 0.0)):  # without a truth there is nothing to find
        over = overlap(prediction, none, spacing_mm=(10, 2, 2))
        assert math.isnan(over.dice) and math.isnan(over.iou) and over.volume_error_ml == pytest.approx(error)


def test_masks_of_two_shapes_are_a_fault() -> None:
    with pytest.raises(ValueError, match="spacing"):
        overlap(np.ones((1, 2, 2), bool), np.ones((2, 2, 2), bool), spacing_mm=(1, 1, 1))


@settings(derandomize=True, max_examples=50, deadline=None)
@given(MASKS)
def test_overlap_is_symmetric_and_dice_follows_from_iou(mask: np.ndarray) -> None:
    other = np.random.default_rng(mask.size).random(mask.shape) < 0.5
    over: Overlap = overlap(mask, other, spacing_mm=(1, 1, 1))
    back = overlap(other, mask, spacing_mm=(1, 1, 1))
    if mask.any() and other.any():
        assert over.dice == back.dice and over.iou == back.iou
        assert over.dice == pytest.approx(2 * over.iou / (1 + over.iou))
    assert over.volume_error_ml == -back.volume_error_ml
