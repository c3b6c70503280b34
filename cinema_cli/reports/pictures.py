"""Slices of a cine with their contours: vector overlays for paper, small rasters for the wall and the moving cine."""

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import contourpy
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from cinema_cli.domain.cine import Cine, Label

MARGIN_MM = 14.0
SMOOTHING_PX = 0.5  # rounds the stairs of a binary mask and keeps single pixels visible
OVERLAY_COLOURS = {"lv": (255, 92, 92), "epi": (88, 214, 141), "rv": (255, 208, 64)}


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of the plane: centre in pixels (row, column), side in mm."""

    centre: tuple[float, float]
    side_mm: float


def heart_crop(cine: Cine, masks: NDArray[np.uint8] | None) -> Crop:
    """The square round every labelled pixel of all frames, with a margin; the whole field where nothing is labelled."""
    row_mm, column_mm = cine.pixel_spacing_mm
    seen = None if masks is None else np.asarray((masks > 0).max(axis=(0, 1)))
    if seen is None or not seen.any():
        rows, columns = cine.pixels.shape[2:]
        return Crop(((rows - 1) / 2, (columns - 1) / 2), max(rows * row_mm, columns * column_mm))
    at_rows, at_columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    height = (at_rows[-1] - at_rows[0] + 1) * row_mm
    width = (at_columns[-1] - at_columns[0] + 1) * column_mm
    centre = (float(at_rows[0] + at_rows[-1]) / 2, float(at_columns[0] + at_columns[-1]) / 2)
    return Crop(centre, float(max(height, width)) + 2 * MARGIN_MM)


def grey_window(cine: Cine, crop: Crop) -> tuple[float, float]:
    """Darkest and brightest value to show, from the crop over all frames (1st and 99.5th percentile)."""
    rows, columns = (_span(cine, crop, axis) for axis in (0, 1))
    pixels = cine.pixels[:, :, rows, columns]
    low, high = np.percentile(pixels[:: max(1, len(pixels) // 8)], (1.0, 99.5))
    return float(low), float(max(high, low + 1e-6))


def _span(cine: Cine, crop: Crop, axis: int) -> slice:
    half = crop.side_mm / cine.pixel_spacing_mm[axis] / 2
    size = cine.pixels.shape[2 + axis]
    return slice(max(0, int(crop.centre[axis] - half)), min(size, int(crop.centre[axis] + half) + 1))


def tile(
    image: NDArray[np.float32], cine: Cine, crop: Crop, *, window: tuple[float, float], size_px: int
) -> NDArray[np.uint8]:
    """The crop of one (row, column) image as size_px x size_px grey values, cubic interpolation."""
    step = [crop.side_mm / size_px / spacing for spacing in cine.pixel_spacing_mm]  # source pixels a tile pixel
    offset = [c - (size_px - 1) / 2 * s for c, s in zip(crop.centre, step, strict=True)]
    values = ndimage.affine_transform(
        image, np.array(step), offset=offset, output_shape=(size_px, size_px), order=3, mode="constant", cval=window[0]
    )
    low, high = window
    grey: NDArray[np.uint8] = (np.clip((values - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)
    return grey


def outlines(
    mask: NDArray[np.uint8], cine: Cine, crop: Crop, *, size_px: float
) -> dict[str, list[NDArray[np.float64]]]:
    """Contours of one (row, column) mask as (point, xy) lines in tile pixels, by name: `rv`, `epi`, `lv`."""
    regions = {
        "rv": mask == Label.RV,
        "epi": (mask == Label.MYO) | (mask == Label.LV),
        "lv": mask == Label.LV,
    }
    return {name: _lines(region, cine, crop, size_px=size_px) for name, region in regions.items()}


def _lines(region: NDArray[np.bool_], cine: Cine, crop: Crop, *, size_px: float) -> list[NDArray[np.float64]]:
    if not region.any():
        return []
    soft = ndimage.gaussian_filter(np.pad(region, 2).astype(np.float32), SMOOTHING_PX)
    lines = contourpy.contour_generator(z=soft, line_type=contourpy.LineType.Separate).lines(0.5)
    scale = np.array([spacing * size_px / crop.side_mm for spacing in cine.pixel_spacing_mm[::-1]])
    centre = np.array(crop.centre[::-1])
    return [(np.asarray(line, dtype=np.float64) - 2.0 - centre) * scale + size_px / 2 for line in lines]


def tile_svg(grey: NDArray[np.uint8], lines: dict[str, list[NDArray[np.float64]]], *, label: str, alt: str) -> Markup:
    """One slice as SVG: the image embedded, the contours as vectors over it, crisp at any size and on paper."""
    size = grey.shape[0]
    jpeg = b64encode(jpeg_bytes(Image.fromarray(grey), quality=70)).decode("ascii")
    paths = "".join(
        f'<path class="c-{name}" d="{_path(line)}"/>' for name, several in lines.items() for line in several
    )
    return Markup(
        '<svg class="tile" viewBox="0 0 {0} {0}" role="img" aria-label="{1}"><image width="{0}" height="{0}" '
        'href="data:image/jpeg;base64,{2}"/>{3}<text x="9" y="25" class="tile-label">{4}</text></svg>'
    ).format(size, alt, Markup(jpeg), Markup(paths), label)


def _path(line: NDArray[np.float64]) -> str:
    points = line[:-1] if np.allclose(line[0], line[-1]) else line
    points = points[::2] if len(points) > 40 else points  # a contour has two points a pixel: one is enough to see
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"


def draw(grey: NDArray[np.uint8], lines: dict[str, list[NDArray[np.float64]]], *, width_px: float = 1.4) -> Image.Image:
    """A tile with its contours burnt in; lines are drawn at three times the size and reduced, which smooths them."""
    size = grey.shape[0]
    picture = Image.fromarray(grey).convert("RGB")
    for name, several in lines.items():
        if not several:
            continue
        ink = Image.new("L", (3 * size, 3 * size))
        pen = ImageDraw.Draw(ink)
        for line in several:
            flat = [(x, y) for x, y in (3 * np.vstack([line, line[:2]])).tolist()]
            pen.line(flat, fill=255, width=round(3 * width_px), joint="curve")
        picture.paste(OVERLAY_COLOURS[name], mask=ink.reduce(3))
    return picture


def jpeg_bytes(image: Image.Image, *, quality: int) -> bytes:
    """JPEG without metadata: the same pixels give the same bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def film_bytes(frames: Sequence[Image.Image], *, frame_ms: int, limit_bytes: int) -> bytes:
    """An endless animated WebP of `frames`, its quality lowered until it fits `limit_bytes`."""
    content = b""
    for quality in (60, 42, 25, 10):
        buffer = io.BytesIO()
        frames[0].save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=list(frames[1:]),
            duration=frame_ms,
            loop=0,
            quality=quality,
            method=1,
        )
        content = buffer.getvalue()
        if len(content) <= limit_bytes:
            break
    return content
