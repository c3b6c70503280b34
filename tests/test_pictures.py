"""Tiles and outlines against scipy and contourpy on the whole image; films within their limit."""

import io

import contourpy
import numpy as np
import pytest
from disk_hearts import disk_masks, disk_study
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from cinema_cli.domain.cine import Cine, View
from cinema_cli.reports.pictures import Crop, film_bytes, outlines, tile


def a_cine(masks: np.ndarray) -> Cine:
    return disk_study(masks).cines[View.SAX]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(-5.0, 40.0), st.floats(10.0, 90.0), st.integers(20, 70))
def test_a_tile_is_the_crop_by_cubic_splines(seed: int, row: float, side_mm: float, size: int) -> None:
    image = np.random.default_rng(seed).integers(0, 900, (40, 32)).astype(np.float32)
    cine, crop, low, high = a_cine(disk_masks(n_frames=1, n_slices=1)), Crop((row, 15.5), side_mm), 40.0, 750.0
    step = [side_mm / size / spacing for spacing in cine.pixel_spacing_mm]
    offset = [c - (size - 1) / 2 * s for c, s in zip(crop.centre, step, strict=True)]
    values = ndimage.affine_transform(
        image, np.array(step), offset=offset, output_shape=(size, size), order=3, mode="constant", cval=low
    )
    expected = (np.clip((values - low) / (high - low), 0, 1) * 255).round()
    np.testing.assert_array_equal(tile(image, cine, crop, window=(low, high), size_px=size), expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_outlines_are_those_of_the_whole_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = disk_masks(n_frames=1, n_slices=1)
    mask = masks[0, 0] * (rng.random(masks.shape[2:]) > 0.05)
    crop, size = Crop((60.3, 66.1), 110.0), 96.0
    found = outlines(mask, cine := a_cine(masks), crop, size_px=size)
    for name, region in {"rv": mask == 1, "epi": mask >= 2, "lv": mask == 3}.items():
        soft = ndimage.gaussian_filter(np.pad(region, 2).astype(np.float32), 0.5)
        lines = contourpy.contour_generator(z=soft, line_type=contourpy.LineType.Separate).lines(0.5)
        scale = np.array(cine.pixel_spacing_mm[::-1]) * size / crop.side_mm
        plain = [(line - 2.0 - crop.centre[::-1]) * scale + size / 2 for line in lines]
        assert len(found[name]) == len(plain)
        for line, whole in zip(found[name], plain, strict=True):
            np.testing.assert_allclose(line, whole, atol=1e-9)


@pytest.mark.parametrize("share", [2.0, 0.9, 0.6, 0.4, 0.0])
def test_a_film_has_the_best_quality_that_fits(share: float) -> None:
    rng = np.random.default_rng(3)
    frames = [Image.fromarray(rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)) for _ in range(9)]

    def made(quality: int) -> bytes:
        buffer = io.BytesIO()
        frames[0].save(
            buffer, "WEBP", save_all=True, append_images=frames[1:], duration=40, loop=0, quality=quality, method=1
        )
        return buffer.getvalue()

    films = [made(quality) for quality in (60, 42, 25, 10)]
    limit = int(share * len(films[0]))
    expected = next((film for film in films if len(film) <= limit), films[-1])
    assert film_bytes(frames, frame_ms=40, limit_bytes=limit) == expected
