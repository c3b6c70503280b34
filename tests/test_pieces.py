"""Pieces of masks: what works on all images at once against plain loops over images."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import ConvexHull

from cinema_cli.inference.pieces import (
    all_but_heaviest,
    all_but_heaviest_each,
    followed,
    grown,
    holes,
    hull,
    inner,
    mostly,
)

Mask = np.ndarray


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """Masks (frame, slice, row, column) of a few pieces an image, some images empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 14)), draw(st.integers(1, 14)))
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), (0, 0, *[draw(st.sampled_from((0.0, 1.0)))] * 2))
    mask = smooth > np.quantile(smooth, draw(st.sampled_from((0.2, 0.5, 0.8))))
    return np.asarray(mask & (rng.random((*shape[:2], 1, 1)) > 0.2))


def images(mask: Mask) -> np.ndarray:
    return mask.reshape(-1, *mask.shape[2:])


def stray(image: Mask, weight: np.ndarray) -> Mask:
    """Pixels outside the heaviest piece of an image."""
    pieces, n = ndimage.label(image)
    totals = ndimage.sum(weight, pieces, np.arange(1, n + 1))
    return image & (pieces != 1 + int(np.argmax(totals))) if n else image


@settings(max_examples=40, deadline=None)
@given(masks())
def test_the_heaviest_piece_of_each_image(mask: Mask) -> None:
    weight = np.random.default_rng(0).integers(1, 9, mask.shape).astype(float)
    each = all_but_heaviest_each(mask, weight[mask])
    expected = [stray(image, w) for image, w in zip(images(mask), images(weight), strict=True)]
    np.testing.assert_array_equal(images(each), expected)
    np.testing.assert_array_equal(all_but_heaviest(mask, weight[mask]), stray(mask, weight))
    np.testing.assert_array_equal(all_but_heaviest(mask), stray(mask, np.ones(mask.shape)))


def plainly_followed(frame: Mask) -> Mask:
    """The same of one frame (slice, row, column), slice by slice."""
    kept = np.zeros_like(frame)
    shown = np.flatnonzero(frame.any(axis=(1, 2)))
    if not len(shown):
        return kept
    start = shown[len(shown) // 3]
    kept[start] = frame[start] & ~stray(frame[start], np.ones(frame[start].shape))
    for way in (shown[shown > start], shown[shown < start][::-1]):
        before = kept[start]
        for position in way:
            near = ndimage.binary_dilation(before, iterations=2)
            if (frame[position] & near).any():
                before = kept[position] = frame[position] & ~stray(frame[position], near.astype(float))
    return kept


@settings(max_examples=40, deadline=None)
@given(masks())
def test_pieces_are_followed_from_slice_to_slice(mask: Mask) -> None:
    np.testing.assert_array_equal(followed(mask), [plainly_followed(frame) for frame in mask])


@settings(max_examples=40, deadline=None)
@given(masks(), st.sampled_from((0.2, 0.5, 1.0)))
def test_pieces_that_lie_mostly_inside(mask: Mask, share: float) -> None:
    inside = np.random.default_rng(1).random(mask.shape) < 0.6
    expected = []
    for image, within in zip(images(mask), images(inside), strict=True):
        pieces, n = ndimage.label(image)
        expected.append(np.isin(pieces, [k for k in range(1, n + 1) if within[pieces == k].mean() >= share]))
    np.testing.assert_array_equal(images(mostly(mask, inside, share)), expected)


@settings(max_examples=40, deadline=None)
@given(masks(), st.sampled_from((0.5, 1.0, 3.5)))
def test_small_holes(mask: Mask, largest: float) -> None:
    expected = []
    for image in images(mask):
        pieces, n = ndimage.label(ndimage.binary_fill_holes(image) & ~image)
        expected.append(np.isin(pieces, [k for k in range(1, n + 1) if (pieces == k).sum() <= largest]))
    np.testing.assert_array_equal(images(holes(mask, largest_px=largest)), expected)


@settings(max_examples=40, deadline=None)
@given(masks())
def test_growing_and_shrinking_in_the_image(mask: Mask) -> None:
    for changed, plain in ((grown, ndimage.binary_dilation), (inner, ndimage.binary_erosion)):
        np.testing.assert_array_equal(images(changed(mask)), [plain(image) for image in images(mask)])


@settings(max_examples=150, deadline=None)
@given(masks())
def test_the_convex_hull_of_each_image(mask: Mask) -> None:
    for image in images(mask):
        points = np.argwhere(image)
        if not len(points):
            continue
        expected = image
        if np.linalg.matrix_rank(points - points[0]) == 2:
            rows, columns = np.indices(image.shape)
            sides = ConvexHull(points).equations[:, :, None, None]  # outward normal and offset of each
            expected = (sides[:, 0] * rows + sides[:, 1] * columns + sides[:, 2] < 1e-6).all(axis=0)
        np.testing.assert_array_equal(hull(image), expected)
