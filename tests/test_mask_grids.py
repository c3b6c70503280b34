import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.analysis.evaluation.grids import OTHER_GRID, labels_on
from cinema_cli.domain.errors import InputError
from cinema_cli.domain.mask_stack import MaskStack

OBLIQUE = np.array(
    [
        [0.8 * 1.2, -0.36 * 1.4, -0.48 * 10, -90.0],
        [0.6 * 1.2, 0.48 * 1.4, 0.64 * 10, 12.0],
        [0, -0.8 * 1.4, 6.0, 33.0],
        [0, 0, 0, 1],
    ]
)
LABELS = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)  # (frame, slice, row, column)
REFERENCE = MaskStack(LABELS, OBLIQUE, {})


def stored(axes: tuple[int, ...], flips: tuple[bool, ...]) -> MaskStack:
    """The same masks with axes (column, row, slice) in another order, some reversed."""
    values, affine = LABELS.T, OBLIQUE
    for axis in np.flatnonzero(flips):
        turn = np.eye(4)
        turn[axis, axis], turn[axis, 3] = -1, values.shape[axis] - 1
        values, affine = np.flip(values, axis), affine @ turn
    return MaskStack(values.transpose(*axes, 3).T, affine[:, [*axes, 3]], {})


@settings(derandomize=True, max_examples=48, deadline=None)
@given(st.permutations((0, 1, 2)), st.tuples(*[st.booleans()] * 3), st.integers(0, 1000))
def test_order_and_direction_of_axes_are_put_right(axes: list[int], flips: tuple[bool, ...], seed: int) -> None:
    other = stored(tuple(axes), flips)
    dust = np.random.default_rng(seed).normal(scale=1e-5, size=(4, 4)) * [[1], [1], [1], [0]]
    moved = MaskStack(other.labels, other.affine_ras + dust, {})
    np.testing.assert_array_equal(labels_on(REFERENCE, moved), LABELS)


def of(labels: np.ndarray = LABELS, affine: np.ndarray = OBLIQUE) -> MaskStack:
    """Another stack."""
    return MaskStack(labels, affine, {})


def turned(degrees: float) -> np.ndarray:
    """The grid turned about the first pixel."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    turn[:2, :2] = [[c, -s], [s, c]]
    return OBLIQUE @ np.diag([1 / 1.2, 1 / 1.4, 1, 1]) @ turn @ np.diag([1.2, 1.4, 1, 1])


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        (of(LABELS[:, :2]), r"2 x 4 x 5 voxels .* the reference 3 x 4 x 5"),
        (of(affine=OBLIQUE @ np.diag([1, 1, 0.8, 1])), r"8 x 1\.4 x 1\.2 mm .* of the reference 10 x 1\.4 x 1\.2"),
        (of(affine=OBLIQUE + np.array([[0, 0, 0, 3.0]] + [[0] * 4] * 3)), r"elsewhere in space .* 3\.0 mm apart"),
        (of(affine=turned(20.0)), "elsewhere in space"),
        (of(affine=turned(45.0)), "elsewhere in space"),
    ],
)
def test_other_grids_are_refused_with_what_differs(stack: MaskStack, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        labels_on(REFERENCE, stack)
    assert refused.value.code == OTHER_GRID


@pytest.mark.parametrize("times", [0.3, 0.8, 1.1])
def test_a_single_slice_of_another_thickness_has_another_volume_and_is_refused(times: float) -> None:
    with pytest.raises(InputError, match="mm"):
        labels_on(of(LABELS[:, :1]), of(LABELS[:, :1], OBLIQUE @ np.diag([1, 1, times, 1])))
