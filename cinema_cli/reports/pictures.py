"""Slices of a cine with their contours: vector overlays for paper, small rasters for the wall and the moving cine."""

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import contourpy
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from cinema_cli.domain.cine import Cine, Label

MARGIN_MM = 14.0
SMOOTHING_PX = 0.5  # rounds the stairs of a binary mask and keeps single pixels visible
NOTHING = 1e-15  # weight below which a pixel changes no grey value
INK_MARGIN_PX = 3  # more than a line is wide
FILM_QUALITIES = (60, 42, 25, 10)
FAR_TOO_LARGE = 1.25  # times the limit, by a sample: frames that look alike share more, the more of them there are
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
    """The crop of one (row, column) image as size_px x size_px grey values, cubic interpolation; black outside."""
    low, high = window
    (rows, top, bottom), (columns, left, right) = (
        _cubic(
            image.shape[axis],
            step=crop.side_mm / size_px / cine.pixel_spacing_mm[axis],
            middle=crop.centre[axis],
            size_px=size_px,
        )
        for axis in (0, 1)
    )
    values = (rows @ image[top:bottom, left:right].astype(np.float64) @ columns.T).astype(np.float32)
    grey: NDArray[np.uint8] = (np.clip((values - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)
    return np.where(np.outer(rows.any(axis=1), columns.any(axis=1)), grey, np.uint8(0))


@lru_cache(maxsize=32)
def _cubic(n: int, *, step: float, middle: float, size_px: int) -> tuple[NDArray[np.float64], int, int]:
    """What a tile's pixels take from each of an image's `n` rows or columns: (tile pixel, n), cubic spline.

    The tile's middle lies at `middle` of these, its pixels `step` of them apart; zeros outside the image. Only those
    that count are given, with their first and end: a stack has the same weights for all of its images.
    """
    offset = middle - (size_px - 1) / 2 * step
    weights = ndimage.affine_transform(
        np.eye(n), np.array([step, 1.0]), offset=[offset, 0.0], output_shape=(size_px, n), order=3, mode="constant"
    )
    used = np.flatnonzero((np.abs(weights) > NOTHING).any(axis=0))
    first, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
    return weights[:, first:end], first, end


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
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    part = np.pad(region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 2)
    soft = ndimage.gaussian_filter(part.astype(np.float32), SMOOTHING_PX)
    y, x = (at[0] + np.arange(n) for at, n in zip((rows, columns), soft.shape, strict=True))  # pixels, and the padding
    lines = contourpy.contour_generator(x, y, soft, line_type=contourpy.LineType.Separate).lines(0.5)
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
    picture = Image.fromarray(grey).convert("RGB")
    for name, several in lines.items():
        if not several:
            continue
        points = np.concatenate(several)  # (point, xy)
        first = np.maximum(np.floor(points.min(axis=0)) - INK_MARGIN_PX, 0).astype(int)
        end = np.minimum(np.ceil(points.max(axis=0)) + INK_MARGIN_PX + 1, grey.shape[::-1]).astype(int)
        if (end <= first).any():
            continue
        ink = Image.new("L", tuple((3 * (end - first)).tolist()))
        pen = ImageDraw.Draw(ink)
        for line in several:
            flat = [(x, y) for x, y in (3 * np.vstack([line, line[:2]]) - 3 * first).tolist()]
            pen.line(flat, fill=255, width=round(3 * width_px), joint="curve")
        picture.paste(OVERLAY_COLOURS[name], tuple(first.tolist()), mask=ink.reduce(3))
    return picture


def jpeg_bytes(image: Image.Image, *, quality: int) -> bytes:
    """JPEG without metadata: the same pixels give the same bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def film_bytes(frames: Sequence[Image.Image], *, frame_ms: int, limit_bytes: int) -> bytes:
    """An endless animated WebP of `frames`, its quality lowered until it fits `limit_bytes`.

    What three of the frames say to be far too large is not made.
    """
    some = frames[:: max(1, len(frames) // 3)]
    content = b""
    for quality in FILM_QUALITIES:
        last, share = quality == FILM_QUALITIES[-1], len(some) / len(frames)
        if not last and len(_webp(some, frame_ms=frame_ms, quality=quality)) > FAR_TOO_LARGE * share * limit_bytes:
            continue
        content = _webp(frames, frame_ms=frame_ms, quality=quality)
        if len(content) <= limit_bytes:
            break
    return content


def _webp(frames: Sequence[Image.Image], *, frame_ms: int, quality: int) -> bytes:
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
    return buffer.getvalue()
