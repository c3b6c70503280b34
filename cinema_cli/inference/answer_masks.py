"""Heads that segment: labels of every frame, sizes of the chambers over the cycle, ED and ES from them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, CineStudy, Label, View
from cinema_cli.domain.moments import Moments, shown_moments
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.prediction import Floats, Prediction, PredictionColumn
from cinema_cli.domain.result import Measurement
from cinema_cli.domain.volumes import NO_FRAME, measure, volumes_per_frame_ml
from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.cycle import find_frames
from cinema_cli.inference.head import Head
from cinema_cli.inference.look import StudyLook
from cinema_cli.inference.published_run import SeenLabels, segment_view

CHAMBERS = (Label.LV, Label.MYO, Label.RV)
VOLUMES = ("lvedv_ml", "lvesv_ml", "lvef_pct", "lvm_g", "rvedv_ml", "rvesv_ml", "rvef_pct")  # of domain.phenotypes
AREAS = ("ed_cm2", "es_cm2", "fac_pct")
MM2_PER_CM2 = 100.0
MIN_LV = {"ml": 3.0, "cm2": 3.0}  # smaller than a newborn's ventricle at ED: nothing was found
NO_LV = "no left ventricle was found"
SAME_FRAME = "ED and ES are the same frame: the size does not change over the frames"


def mask_columns(card: PublishedCard) -> tuple[PredictionColumn, ...]:
    """Columns of a segmentation head: volumes of a short axis, areas of a long one."""
    name, is_sax = card.name, card.views == (View.SAX,)
    what, unit = ("Volume", "ml") if is_sax else ("Area", "cm2")
    units = {p.name: p.unit for p in PHENOTYPES}
    study = (
        [PredictionColumn(f"{name}_{p}", f"{p} of the phenotype table, by this head.", units[p]) for p in VOLUMES]
        if is_sax
        else [_area_column(name, side, kind) for side in ("lv", "rv") for kind in AREAS]
    )
    study += [
        PredictionColumn(f"{name}_{moment}_frame", f"Frame of the view at {moment.upper()}, from 0.")
        for moment in ("ed", "es")
    ]
    frames = [
        PredictionColumn(f"{name}_{c.name.lower()}_{unit}", f"{what} of {c.name} in the frame.", unit, per_frame=True)
        for c in CHAMBERS
    ]
    apart = "Share of the labelled voxels of the frame on which the seeds do not agree, 0 to 1; empty from one seed."
    return (*study, *frames, PredictionColumn(f"{name}_disagreement", apart, per_frame=True))


def masks_said(head: Head, look: StudyLook) -> Prediction:
    """Labels of every frame, which stay in `look` together with ED and ES, and the sizes they have."""
    (view,) = head.card.views
    seen = see_labels(head, look)
    if moments := moments_of(look.study.cines[view], seen.labels):
        look.keep_masks(view, seen.labels, moments=moments)
    return sizes_said(head, look, seen)


def see_labels(head: Head, look: StudyLook) -> SeenLabels:
    """Labels of every frame of a head's view, on the source grid."""
    (view,) = head.card.views
    networks = head.networks
    return segment_view(look.prepared(view), networks, device=str(head.device), frames_at_once=head.frames_at_once)


def moments_of(cine: Cine, masks: NDArray[np.uint8]) -> Moments | None:
    """ED and ES by the LV's volume, in a long axis its area, over the cycle; None where no LV was found."""
    lv = volumes_per_frame_ml(masks, label=Label.LV, voxel_ml=_unit_size(cine))
    if lv.max() < MIN_LV[_unit(cine)]:
        return None
    found = find_frames(lv)
    told = {"ed": found.ed_frame, "es": found.es_frame, **cine.known_frames}
    return Moments(cine.view, told["ed"], told["es"])


def sizes_said(head: Head, look: StudyLook, seen: SeenLabels) -> Prediction:
    """The sizes over the cycle of what a head labelled, and at ED and ES where `look` knows these."""
    (view,) = head.card.views
    cine, name = look.study.cines[view], head.name
    unit = _unit(cine)
    sizes = {c: volumes_per_frame_ml(seen.labels, label=c, voxel_ml=_unit_size(cine)) for c in CHAMBERS}
    frames = {f"{name}_{c.name.lower()}_{unit}": size for c, size in sizes.items()}
    frames[f"{name}_disagreement"] = seen.disagreement
    if look.moments is None or sizes[Label.LV].max() < MIN_LV[unit]:
        return Prediction(name, {}, view, frames, NO_LV)
    ed, es = look.moments.frames(look.study, view)
    told = shown_moments(cine, ed, es)
    values = _volumes(look.study, seen.labels, told) if view is View.SAX else _areas(sizes, told)
    values += [_frame_said(name, frame) for name, frame in zip(("ed", "es"), told, strict=True)]
    reasons = ", ".join(f"{m.name}: {m.reason}" for m in values if m.reason)
    return Prediction(name, {f"{name}_{m.name}": m.value for m in values}, view, frames, reasons)


def _area_column(name: str, side: str, kind: str) -> PredictionColumn:
    moments = {"ed_cm2": "at ED", "es_cm2": "at ES"}
    if kind in moments:
        return PredictionColumn(f"{name}_{side}_{kind}", f"Area of the {side.upper()} {moments[kind]}.", "cm2")
    change = f"Fractional area change of the {side.upper()}: 100 x (area at ED - area at ES) / area at ED."
    return PredictionColumn(f"{name}_{side}_{kind}", change, "%")


def _unit(cine: Cine) -> str:
    return "ml" if cine.view is View.SAX else "cm2"


def _unit_size(cine: Cine) -> float:
    """Millilitres of a short-axis voxel, square centimetres of a long-axis pixel."""
    return cine.voxel_ml if cine.view is View.SAX else float(np.prod(cine.pixel_spacing_mm)) / MM2_PER_CM2


def _frame_said(moment: str, frame: int | None) -> Measurement:
    if frame is None:
        return Measurement(f"{moment}_frame", None, NO_FRAME[moment])
    return Measurement(f"{moment}_frame", float(frame))


def _volumes(study: CineStudy, masks: NDArray[np.uint8], told: tuple[int | None, int | None]) -> list[Measurement]:
    cine = study.cines[View.SAX]
    measured = measure(
        masks, voxel_ml=cine.voxel_ml, ed_frame=told[0], es_frame=told[1], cycle_ms=cine.cycle_ms, facts=study.facts
    )
    return [m for m in measured if m.name in VOLUMES]


def _areas(sizes: Mapping[Label, Floats], told: tuple[int | None, int | None]) -> list[Measurement]:
    values = []
    for side in (Label.LV, Label.RV):
        names = [f"{side.name.lower()}_{kind}" for kind in AREAS]
        ed, es = told
        if ed is None or es is None:
            areas = [None if frame is None else float(sizes[side][frame]) for frame in told]
            why = NO_FRAME["ed" if ed is None else "es"]
            values += [Measurement(n, a, why if a is None else "") for n, a in zip(names, (*areas, None), strict=True)]
            continue
        at_ed, at_es = float(sizes[side][ed]), float(sizes[side][es])
        if not at_ed > 0:
            values += [Measurement(name, None, f"no {side.name} was found at ED") for name in names]
        elif ed == es:
            values += [Measurement(names[0], at_ed), *(Measurement(name, None, SAME_FRAME) for name in names[1:])]
        else:
            change = 100.0 * (at_ed - at_es) / at_ed
            values += [Measurement(n, value) for n, value in zip(names, (at_ed, at_es, change), strict=True)]
    return values
