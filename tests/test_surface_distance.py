import numpy as np
import pytest
import SimpleITK as sitk
from functions_golden import arrays, masks_of, needs_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as made
from made_hearts import SPACING_MM, a_heart

from cinema_cli.analysis.statistics.surface_distance import SurfaceDistance, bounds, surface, surface_distance

SHAPE = (3, 6, 5)
PAIRS = st.tuples(*[made.arrays(np.bool_, SHAPE)] * 2).filter(lambda pair: all(m.any() for m in pair))
SPACINGS = st.tuples(*[st.floats(0.5, 12.0)] * 3)
SINGLE = 1e-5  # precision of ITK's distance maps
LAWS = settings(derandomize=True, max_examples=40, deadline=None)


def by_simpleitk(prediction: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, ...]) -> SurfaceDistance:
    """The same distances by ITK: its contours, its distance maps, its Hausdorff distance."""
    contours = []
    for mask in (prediction, reference):
        image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))  # beyond the edge is outside
        image.SetSpacing(spacing_mm[::-1])
        contours.append(sitk.LabelContour(image, fullyConnected=False))
    maps = [
        sitk.Abs(sitk.SignedMaurerDistanceMap(one, squaredDistance=False, useImageSpacing=True)) for one in contours
    ]
    far, on = [sitk.GetArrayFromImage(one) for one in maps], [sitk.GetArrayFromImage(one) > 0 for one in contours]
    here, there = far[1][on[0]], far[0][on[1]]
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(*contours)
    hd95 = max(np.percentile(here, 95), np.percentile(there, 95))
    return SurfaceDistance(float(hd95), float(np.concatenate([here, there]).mean()), hausdorff.GetHausdorffDistance())


def assert_same(a: SurfaceDistance, b: SurfaceDistance, *, to: float = 1e-9) -> None:
    """Both have the same distances."""
    for name in ("hd95_mm", "asd_mm", "hd_mm"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=to, abs=to), name


@needs_golden
@pytest.mark.parametrize("case", [0, 1])  # in the second, class 1 is not in the truth
def test_hausdorff_is_that_of_the_paper(case: int) -> None:
    entry = arrays("seg_metrics")
    found, truth = masks_of("seg_metrics")
    of_classes = []
    for label in (1, 2, 3):
        apart = surface_distance(found[case] == label, truth[case] == label, spacing_mm=entry["spacing"][::-1])
        theirs = entry[f"out/class_{label}_hausdorff_distance_95"][case]
        assert apart.hd95_mm == pytest.approx(theirs, rel=1e-6, nan_ok=True)
        of_classes.append(apart.hd95_mm)
    theirs = entry["out/mean_hausdorff_distance_95"][case]
    assert np.mean(of_classes) == pytest.approx(theirs, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("label", [1, 2, 3])
def test_simpleitk_finds_the_same_distances_of_hearts(label: int) -> None:
    prediction, reference = a_heart(shift_mm=4.0, size=1.1) == label, a_heart() == label
    ours = surface_distance(prediction, reference, spacing_mm=SPACING_MM)
    assert_same(ours, by_simpleitk(prediction, reference, SPACING_MM), to=SINGLE)
    assert ours.asd_mm < ours.hd95_mm <= ours.hd_mm


@LAWS
@given(PAIRS, SPACINGS)
def test_simpleitk_finds_the_same_distances_of_any_masks(
    pair: tuple[np.ndarray, np.ndarray], spacing_mm: tuple[float, float, float]
) -> None:
    assert_same(surface_distance(*pair, spacing_mm=spacing_mm), by_simpleitk(*pair, spacing_mm), to=SINGLE)


@LAWS
@given(PAIRS, SPACINGS, st.floats(0.1, 10.0))
def test_laws(pair: tuple[np.ndarray, np.ndarray], spacing_mm: tuple[float, float, float], times: float) -> None:
    a, b = pair
    apart = surface_distance(a, b, spacing_mm=spacing_mm)
    assert_same(apart, surface_distance(b, a, spacing_mm=spacing_mm))
    assert surface_distance(a, a, spacing_mm=spacing_mm) == SurfaceDistance(0.0, 0.0, 0.0)
    moved = (np.pad(mask, ((2, 0), (0, 3), (1, 4))) for mask in pair)  # elsewhere in a larger image
    assert_same(apart, surface_distance(*moved, spacing_mm=spacing_mm))
    flipped = (mask.transpose(2, 0, 1)[::-1] for mask in pair)
    assert_same(apart, surface_distance(*flipped, spacing_mm=(spacing_mm[2], spacing_mm[0], spacing_mm[1])))
    larger = surface_distance(a, b, spacing_mm=tuple(mm * times for mm in spacing_mm))
    assert_same(larger, SurfaceDistance(*(times * mm for mm in (apart.hd95_mm, apart.asd_mm, apart.hd_mm))))


def test_planes_lie_as_far_apart_as_they_are_drawn() -> None:
    a, b = np.zeros((6, 5, 5), bool), np.zeros((6, 5, 5), bool)
    a[1], b[4] = True, True
    assert_same(surface_distance(a, b, spacing_mm=(10, 1, 1)), SurfaceDistance(30.0, 30.0, 30.0))


def test_a_surface_is_what_has_a_neighbour_outside_also_beyond_the_edge() -> None:
    block = np.ones((3, 3, 3), bool)
    assert surface(block).sum() == 26 and not surface(block)[1, 1, 1]
    assert surface(np.ones((1, 3, 3), bool)).all()
    assert bounds(np.pad(block, 2)) == (slice(2, 5),) * 3 and bounds(np.zeros((2, 2), bool)) == (slice(0, 0),) * 2


@pytest.mark.parametrize("empty", [(0,), (1,), (0, 1)])
def test_an_empty_mask_has_no_surface(empty: tuple[int, ...]) -> None:
    masks = [np.zeros(SHAPE, bool) if k in empty else np.ones(SHAPE, bool) for k in (0, 1)]
    apart = surface_distance(*masks, spacing_mm=(1, 1, 1))
    assert np.isnan([apart.hd95_mm, apart.asd_mm, apart.hd_mm]).all()


def test_masks_of_two_shapes_are_a_fault() -> None:
    with pytest.raises(ValueError, match="spacing"):
        surface_distance(np.ones((1, 2, 2), bool), np.ones((2, 2, 2), bool), spacing_mm=(1, 1, 1))
