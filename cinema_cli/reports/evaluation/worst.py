"""The worst cases: a page of its own among the data of single people, with pictures and links to study pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, Label, View
from cinema_cli.reports import pictures
from cinema_cli.reports.analysis.metrics import at_frame, frame_of, metric_of, unit_words_of
from cinema_cli.reports.analysis.rows import in_order
from cinema_cli.reports.analysis.tables import Cell, Told, told
from cinema_cli.reports.evaluation.facts import EvaluationFacts, Score, WorstCase, WorstStudy
from cinema_cli.reports.render import number, render_page

TILE_PX = 240
_BORDERS = {"lv": Label.LV, "epi": Label.MYO, "rv": Label.RV}  # outline -> class that must be known for it
Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame in pictures, worded."""

    title: str
    pictures: tuple[Markup, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Card:
    """A study, worded: what it is here for, its pictures, its scores."""

    name: str
    link: str
    why: str
    views: tuple[Shown, ...]
    scores: Told | None


def comparison(
    pixels: NDArray[np.float32] | None,
    prediction: Mask,
    reference: Mask,
    *,
    known: Mapping[Label, NDArray[np.bool_]],
    pixel_spacing_mm: tuple[float, float],
) -> tuple[tuple[Markup, ...], int]:
    """The slice in which two masks of one frame differ most: the image, and both outlines on it; and its place.

    Masks and pixels are (slice, row, column) of one grid; `known`: class -> (slice,), what the reference was drawn of:
    nothing else counts or is outlined. Without pixels there is one picture, outlines on black.
    """
    at = int(np.argmax(_differing(prediction, reference, known)))
    below = np.zeros(reference.shape, np.float32) if pixels is None else np.asarray(pixels, np.float32)
    cine = _still(below, pixel_spacing_mm)
    crop = pictures.heart_crop(cine, np.maximum(prediction, reference)[None].astype(np.uint8))
    window = (0.0, 1.0) if pixels is None else pictures.grey_window(cine, crop)
    grey = pictures.tile(below[at], cine, crop, window=window, size_px=TILE_PX)
    names = [name for name, label in _BORDERS.items() if label in known and known[label][at]]
    lines = {}
    for who, mask in (("prediction", prediction), ("reference", reference)):
        found = pictures.outlines(mask[at], cine, crop, size_px=TILE_PX)
        lines[who] = [line for name in names for line in found[name]]
    alt = "Outlines of prediction and reference"
    if missing := [who for who, drawn in lines.items() if not drawn]:
        alt = f"Outlines, none of them of the {' and the '.join(missing)}"
    outlined = pictures.tile_svg(grey, lines, label="", alt=alt)
    if pixels is None:
        return (outlined,), at
    return (pictures.tile_svg(grey, {}, label="", alt="The same slice without outlines"), outlined), at


def _differing(prediction: Mask, reference: Mask, known: Mapping[Label, NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Voxels of known classes that one mask has and the other has not, in each slice."""
    found = np.zeros(len(reference), np.int64)
    for label, slices in known.items():
        found += slices * ((prediction == label) != (reference == label)).sum(axis=(1, 2))
    return found


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


def render_worst(worst: Sequence[WorstStudy], facts: EvaluationFacts) -> str:
    """The page `individual/worst.html`: studies in the order given, never to be released."""
    return render_page(
        "worst.html",
        title=f"Worst cases{f': {facts.cohort_name}' if facts.cohort_name else ''}",
        facts=facts,
        cards=[_card(study) for study in worst],
        has_pictures=any(study.views for study in worst),
        version=facts.version,
        generated=facts.finished,
    )


def _card(study: WorstStudy) -> Card:
    return Card(
        name=study.participant,
        link=quote(study.link, safe="/-_.~%"),
        why=f"Among the worst in: {'; '.join(_why(case) for case in study.cases)}." if study.cases else "",
        views=tuple(
            Shown(", ".join(w for w in (frame_of(view.frame), view.place) if w), view.pictures, view.note)
            for view in study.views
        ),
        scores=_scores(study),
    )


def _why(case: WorstCase) -> str:
    """`Dice, RV cavity, ES: 0.410`."""
    metric = metric_of(case.metric)
    target = at_frame(case.term, case.frame)
    of = f"error of {target}" if case.metric == "value" else f"{metric.title}, {target}"
    if case.value is None:
        return of
    unit = unit_words_of(metric, case.term)
    value = number(case.value * (100.0 if metric.share else 1.0), decimals=metric.decimals)
    return f"{of}: {value}{unit if unit in ('', '%') else f' {unit}'}"


def _scores(study: WorstStudy) -> Told | None:
    """Structures down, frames across."""
    terms = in_order(score.term for view in study.views for score in view.scores)
    if not terms:
        return None
    heads = [f"{frame_of(view.frame)} {what}".strip() for view in study.views for what in ("Dice", "HD95, mm")]
    return told(("Structure", *heads), [[at_frame(term, ""), *_line(study, term)] for term in terms])


def _line(study: WorstStudy, term: str) -> Iterator[str | Cell]:
    for view in study.views:
        score = next((one for one in view.scores if one.term == term), Score(term, None, None))
        yield number(score.dice, decimals=3)
        yield number(score.hd95_mm, decimals=1)
