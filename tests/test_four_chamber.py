"""Four-chamber labels: what the reference means (its golden file shows what it does), and no crash without RV."""

import numpy as np
from functions_golden import arrays, needs_golden, said
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as any_array

from cinema_cli.inference.four_chamber import keep_beside_rv


def painted(*blocks: tuple[int, slice, slice]) -> np.ndarray:
    image = np.zeros((40, 40), np.uint8)
    for label, rows, columns in blocks:
        image[rows, columns] = label
    return image


@needs_golden
def test_the_part_beside_the_right_ventricle_is_kept_where_the_reference_keeps_the_last() -> None:
    gold, told = arrays("lax_postprocess"), said("lax_postprocess")
    labels = gold["labels"].astype(np.uint8)
    assert np.bincount(labels.ravel()).tolist() == told["in_counts"]
    kept = keep_beside_rv(labels)
    np.testing.assert_array_equal(kept == 1, gold["out"] == 1)
    assert np.bincount(kept.ravel()).tolist() == [1600 - 25 - 20 - 20, 25, 20, 20]  # the near ones: 20 of 84, 20 of 28
    assert told["kept_far_component_class2"] and np.count_nonzero(gold["out"] == 2) == 64  # as coded: the far one
    for label in (2, 3):  # nothing of the far parts is left, nothing of the near ones is lost
        assert np.argwhere(kept == label).max() < 30
        np.testing.assert_array_equal((kept == label) & (labels != label), False)


def test_parts_equally_near_the_larger_stays_and_specks_never() -> None:
    rv = (1, slice(10, 20), slice(10, 20))
    wall, other = (2, slice(10, 20), slice(21, 25)), (2, slice(5, 9), slice(10, 12))
    kept = keep_beside_rv(painted(rv, wall, other))
    assert np.count_nonzero(kept == 2) == 40 and not kept[5:9, 10:12].any()
    speck = (2, slice(20, 21), slice(15, 16))  # touches the RV
    far_wall = (2, slice(10, 20), slice(23, 28))
    assert np.count_nonzero(keep_beside_rv(painted(rv, far_wall, speck)) == 2) == 50


def test_without_right_ventricle_the_largest_stays() -> None:
    small, large = (2, slice(0, 4), slice(0, 4)), (2, slice(10, 20), slice(10, 20))
    kept = keep_beside_rv(painted(small, large, (3, slice(30, 33), slice(1, 4))))
    assert np.count_nonzero(kept == 2) == 100 and np.count_nonzero(kept == 3) == 9
    np.testing.assert_array_equal(keep_beside_rv(np.zeros((2, 1, 8, 8), np.uint8)), 0)


def test_corners_hold_parts_together() -> None:
    image = painted((1, slice(0, 3), slice(0, 3)), (3, slice(5, 8), slice(5, 8)), (3, slice(8, 11), slice(8, 11)))
    np.testing.assert_array_equal(keep_beside_rv(image), image)


@given(any_array(np.uint8, (2, 1, 7, 9), elements=st.integers(0, 3)))
def test_nothing_is_added_and_twice_is_once(labels: np.ndarray) -> None:
    kept = keep_beside_rv(labels)
    assert ((kept == labels) | (kept == 0)).all()
    np.testing.assert_array_equal(kept == 1, labels == 1)
    np.testing.assert_array_equal(keep_beside_rv(kept), kept)
    for label in (2, 3):
        np.testing.assert_array_equal((kept == label).any(axis=(2, 3)), (labels == label).any(axis=(2, 3)))
