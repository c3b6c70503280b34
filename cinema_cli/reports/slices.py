"""The pictures of one study: every slice at ED and ES, three levels in motion, the levels chosen from the masks."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from cinema_cli.domain.cine import Cine, Label
from cinema_cli.domain.result import StudyResult
from cinema_cli.reports import pictures
from cinema_cli.reports.render import data_uri

TILE_PX = 228
FILM_TILE_PX = 224
FILM_FRAMES = 30
FILM_LIMIT_BYTES = 280_000  # below 400 kB as base64, with the still


@dataclass(frozen=True, slots=True)
class SlicePair:
    """One position of the stack at ED and ES."""

    caption: str
    tiles: tuple[Markup, ...]


def masks_of(cine: Cine | None, result: StudyResult) -> NDArray[np.uint8] | None:
    """The masks (frame, slice, row, column) on the cine's grid; None where there are none or of another grid."""
    masks = None if cine is None else result.masks.get(cine.view)
    return masks if masks is not None and cine is not None and masks.shape == cine.pixels.shape else None


def levels(cine: Cine, masks: NDArray[np.uint8] | None) -> tuple[int, int, int]:
    """Basal, mid-ventricular and apical slice: at 15, 50 and 85% of the slices that show the LV."""
    shown = np.arange(cine.n_slices)
    if masks is not None:
        with_lv = np.flatnonzero((masks >= Label.MYO).any(axis=(0, 2, 3)))
        shown = with_lv if len(with_lv) else shown
    at = [int(shown[round(share * (len(shown) - 1))]) for share in (0.15, 0.5, 0.85)]
    return at[0], at[1], at[2]


def slice_pairs(cine: Cine, masks: NDArray[np.uint8] | None, result: StudyResult) -> list[SlicePair]:
    """Every slice at ED and ES; of the first frame where ED and ES are unknown."""
    crop = pictures.heart_crop(cine, masks)
    window = pictures.grey_window(cine, crop)
    moments = [("ED", result.ed_frame), ("ES", result.es_frame)]
    shown = [(name, f) for name, f in moments if f is not None and 0 <= f < cine.n_frames]
    shown = shown or [("first frame", 0)]
    pairs = []
    for s in range(cine.n_slices):
        tiles = []
        for name, f in shown:
            grey = pictures.tile(cine.pixels[f, s], cine, crop, window=window, size_px=TILE_PX)
            lines = {} if masks is None else pictures.outlines(masks[f, s], cine, crop, size_px=TILE_PX)
            alt = f"Short-axis slice {s + 1} of {cine.n_slices}, {name}, frame {f}"
            tiles.append(pictures.tile_svg(grey, lines, label=name, alt=alt))
        pairs.append(SlicePair(f"slice {s + 1}", tuple(tiles)))
    return pairs


def drawn(
    cine: Cine,
    masks: NDArray[np.uint8] | None,
    crop: pictures.Crop,
    window: tuple[float, float],
    *,
    frame: int,
    slice_index: int,
    size_px: int,
) -> Image.Image:
    """One image of the cine as a raster with its contours."""
    grey = pictures.tile(cine.pixels[frame, slice_index], cine, crop, window=window, size_px=size_px)
    mask = None if masks is None else masks[frame, slice_index]
    lines = {} if mask is None else pictures.outlines(mask, cine, crop, size_px=size_px)
    return pictures.draw(grey, lines)


def film(cine: Cine, masks: NDArray[np.uint8] | None) -> dict[str, object] | None:
    """Basal, mid and apical slices side by side over the cycle: moving, and as a still for those who ask for calm."""
    if cine.n_frames < 2:
        return None
    crop = pictures.heart_crop(cine, masks)
    window = pictures.grey_window(cine, crop)
    shown = list(dict.fromkeys(levels(cine, masks)))
    keep = np.unique(np.linspace(0, cine.n_frames - 1, min(FILM_FRAMES, cine.n_frames)).round().astype(int))
    frames = []
    for f in keep:
        sheet = Image.new("RGB", (FILM_TILE_PX * len(shown), FILM_TILE_PX))
        for k, s in enumerate(shown):
            part = drawn(cine, masks, crop, window, frame=int(f), slice_index=s, size_px=FILM_TILE_PX)
            sheet.paste(part, (k * FILM_TILE_PX, 0))
        frames.append(sheet)
    cycle = cine.cycle_ms or float(cine.times_ms[-1] - cine.times_ms[0]) * cine.n_frames / (cine.n_frames - 1)
    frame_ms = int(min(max(round(cycle / len(frames)), 20), 400))
    film = pictures.film_bytes(frames, frame_ms=frame_ms, limit_bytes=FILM_LIMIT_BYTES)
    return {
        "moving": data_uri(film, kind="image/webp"),
        "still": data_uri(pictures.jpeg_bytes(frames[0], quality=72), kind="image/jpeg"),
        "width": frames[0].width,
        "height": frames[0].height,
        "alt": "Slices " + ", ".join(str(s + 1) for s in shown) + " over the cardiac cycle, with contours",
        "levels": [f"slice {s + 1}" for s in shown],
    }
