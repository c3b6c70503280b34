"""The worst cases: a page of its own among the data of single people, with pictures and links to study pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cinema_cli.domain.cine import Cine, View
from cinema_cli.reports import pictures
from cinema_cli.reports.analysis.metrics import at_frame, metric_of, unit_words_of
from cinema_cli.reports.evaluation.facts import EvaluationFacts, WorstCase
from cinema_cli.reports.render import data_uri, number, render_page

TILE_PX, GAP_PX = 220, 4
GREY = 0.3  # of white: the other mask below the contours where there is no image


@dataclass(frozen=True, slots=True)
class Card:
    """A worst case, worded."""

    name: str
    link: str
    picture: str
    alt: str
    what: str
    value: str


def comparison_picture(
    pixels: NDArray[np.float32] | None,
    prediction: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    *,
    pixel_spacing_mm: tuple[float, float],
) -> str:
    """Data URI of the slice where two masks of one frame differ most: prediction left, reference right.

    All are (slice, row, column) of one grid. Without pixels the contours lie on the other mask's area, dark grey.
    Labels: 1 RV, 2 MYO, 3 LV.
    """
    at = int(np.argmax((prediction != reference).sum(axis=(1, 2))))
    drawn = [mask.astype(np.float32) for mask in (reference > 0, prediction > 0)]
    below = drawn if pixels is None else [np.asarray(pixels, np.float32)] * 2
    cine = _still(below[0], pixel_spacing_mm)
    crop = pictures.heart_crop(cine, np.maximum(prediction, reference)[None].astype(np.uint8))
    window = (0.0, 1.0 / GREY) if pixels is None else pictures.grey_window(cine, crop)
    sheet = Image.new("RGB", (2 * TILE_PX + GAP_PX, TILE_PX), (255, 255, 255))
    for k, mask in enumerate((prediction, reference)):
        tile = pictures.tile(below[k][at], cine, crop, window=window, size_px=TILE_PX)
        lines = pictures.outlines(mask[at], cine, crop, size_px=TILE_PX)
        sheet.paste(pictures.draw(tile, lines), (k * (TILE_PX + GAP_PX), 0))
    return str(data_uri(pictures.jpeg_bytes(sheet, quality=72), kind="image/jpeg"))


def _still(pixels: NDArray[np.float32], pixel_spacing_mm: tuple[float, float]) -> Cine:
    """One frame as a cine, for the drawing only: its place in the body does not matter there."""
    return Cine(
        view=View.SAX,
        pixels=pixels[None],
        pixel_spacing_mm=pixel_spacing_mm,
        slice_spacing_mm=1.0,
        thickness_mm=None,
        origins_mm=np.zeros((len(pixels), 3)),
        row_direction=np.array([1.0, 0.0, 0.0]),
        column_direction=np.array([0.0, 1.0, 0.0]),
        times_ms=np.zeros(1),
        cycle_ms=None,
        series_uids=(),
    )


def render_worst(worst: Sequence[WorstCase], facts: EvaluationFacts) -> str:
    """The page `individual/worst.html`: cases in the order given, never to be released."""
    return render_page(
        "worst.html",
        title=f"Worst cases{f': {facts.cohort_name}' if facts.cohort_name else ''}",
        facts=facts,
        cards=[_card(case) for case in worst if case.picture],
        others=[_card(case) for case in worst if not case.picture],
        version=facts.version,
        generated=facts.finished,
    )


def _card(case: WorstCase) -> Card:
    metric = metric_of(case.metric)
    scale = 100.0 if metric.share else 1.0
    known = None if case.value is None else scale * case.value
    unit = unit_words_of(metric, case.term)
    where = at_frame(case.term, case.frame)
    return Card(
        name=case.participant,
        link=quote(case.link, safe="/-_.~%"),
        picture=case.picture or "",
        alt=f"Prediction and reference of {case.participant}, {where}",
        what=f"{metric.title}, {where}",
        value="" if known is None else f"{number(known, decimals=metric.decimals)} {unit}".rstrip(),
    )
