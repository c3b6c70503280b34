"""The page of one study: pictures, curve, numbers against their reference, checks and where it all comes from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl
from markupsafe import Markup
from PIL import Image

from cinema_cli.domain.cine import Cine, CineStudy, StudyFacts, View
from cinema_cli.domain.result import Check, CheckStatus, HeadUse, StudyResult
from cinema_cli.reports import charts, pictures, planes, slices
from cinema_cli.reports.heads import HeadFacts
from cinema_cli.reports.landmarks import moments_in
from cinema_cli.reports.numbers import AGES, age_sentence, headline, number_rows
from cinema_cli.reports.outliers import flag_words
from cinema_cli.reports.render import count, number, render_page, words
from cinema_cli.reports.said import length_figures, said_rows, silent_rows

CHECK_WORDS = {CheckStatus.PASS: "passed", CheckStatus.FLAG: "flagged", CheckStatus.NOT_RUN: "not run"}


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One acquired series and what became of it, worded."""

    view: str
    size: str
    verdict: str
    reason: str
    css: str


def render_study(
    study: CineStudy,
    result: StudyResult,
    *,
    version: str,
    generated: str,
    series: pl.DataFrame | None = None,
    run: Sequence[tuple[str, str]] = (),
    heads: Sequence[HeadFacts] = (),
) -> str:
    """The self-contained HTML page of one study; also for a study without masks, curves or facts.

    `version` of cinema and `generated` (UTC, text) are printed as they are; `series` are the study's rows of
    the series table, used and rejected; `run` are (name, text) of what measured it, such as device and settings;
    `heads` are the cards of the heads in use.
    """
    sax = study.cines.get(View.SAX)
    masks = slices.masks_of(sax, result)
    flagged = [c for c in result.checks if c.status is CheckStatus.FLAG]
    rows, sources = number_rows(result)
    return render_page(
        "study.html",
        title=f"{study.participant_id} {study.session_id}",
        participant=study.participant_id,
        session=study.session_id,
        facts=_facts(result.facts),
        headline=headline(result),
        flagged=[c.sentence for c in flagged],
        status=_status(result, flagged),
        pairs=[] if sax is None else slices.slice_pairs(sax, masks, result),
        has_masks=masks is not None,
        film=None if sax is None else slices.film(sax, masks),
        has_sax=sax is not None,
        long_axes=planes.long_axes(study, result, masks, heads=heads),
        curve=_curve(result),
        frames_sentence=_frames_sentence(study, result),
        said=said_rows(result, heads),
        silent=silent_rows(result),
        axis_lengths=length_figures(study, result, heads),
        numbers=rows,
        sources=sources,
        ages=AGES,
        age_sentence=age_sentence(result.facts.age_years),
        checks=[_check_row(c) for c in result.checks],
        notes=_notes(study),
        provenance=_provenance(study, result, version=version, run=run),
        series=_series_rows(series),
        version=version,
        generated=generated,
        home="../../report.html",
    )


def thumbnail(study: CineStudy, result: StudyResult, *, size_px: int = 160) -> bytes:
    """JPEG of the mid-ventricular slice at ED with its contours, for the wall of the cohort page."""
    cine = study.cines.get(View.SAX) or next(iter(study.cines.values()), None)
    if cine is None:
        return pictures.jpeg_bytes(Image.new("RGB", (size_px, size_px)), quality=60)
    masks = slices.masks_of(cine, result)
    ed_frame, _ = moments_in(study, result, cine.view) or (0, 0)
    frame = min(ed_frame, cine.n_frames - 1)
    slice_index = slices.levels(cine, masks)[1]
    crop = pictures.heart_crop(cine, masks)
    window = pictures.grey_window(cine, crop)
    picture = slices.drawn(cine, masks, crop, window, frame=frame, slice_index=slice_index, size_px=size_px)
    return pictures.jpeg_bytes(picture, quality=78)


def _facts(facts: StudyFacts) -> str:
    sex = {"M": "man", "F": "woman"}.get(facts.sex or "", "sex unknown")
    said = [
        sex,
        "age unknown" if facts.age_years is None else f"{math.floor(facts.age_years)} years",
        None if facts.height_cm is None else f"{number(facts.height_cm, decimals=0)} cm",
        None if facts.weight_kg is None else f"{number(facts.weight_kg, decimals=0)} kg",
        facts.scanner or facts.vendor,
        None if facts.field_strength_t is None else f"{number(facts.field_strength_t, decimals=1)} T",
        facts.study_date,
    ]
    return " · ".join(s for s in said if s)


def _curve(result: StudyResult) -> Markup | None:
    if result.curves is None or len(result.curves.times_ms) < 2:
        return None
    return charts.volume_curve(result.curves, ed_frame=result.ed_frame, es_frame=result.es_frame)


def _frames_sentence(study: CineStudy, result: StudyResult) -> str:
    moments = result.moments
    if moments is None:
        return "End-diastole and end-systole were not found."
    where = "" if moments.view is View.SAX else f" of the {moments.view.words}"
    said = f"End-diastole is frame {moments.ed_frame}{where}, end-systole frame {moments.es_frame} (counted from 0)"
    cine = study.cines.get(moments.view)
    if cine is not None and max(moments.ed_frame, moments.es_frame) < len(cine.times_ms):
        ed_ms, es_ms = (float(cine.times_ms[f]) for f in (moments.ed_frame, moments.es_frame))
        said += f", at {number(ed_ms, decimals=0)} and {number(es_ms, decimals=0)} ms"
    curve = "LV curve" if moments.view is View.SAX else "curve of the LV's area"
    return f"{said}: the ends of filling and of ejection on the smoothed {curve}."


def _status(result: StudyResult, flagged: Sequence[Check]) -> tuple[str, str, str]:
    """(style, word, reason): the state of the study in one line."""
    if flagged:
        return "flagged", "Flagged", "; ".join(flag_words(c.name) for c in flagged)
    n = sum(c.status is CheckStatus.PASS for c in result.checks)
    return "fine", "Analysed", f"no flag raised, {count(n, one='check')} passed" if n else "no quality check was run"


def _check_row(check: Check) -> tuple[str, str, str]:
    return words(check.name.removeprefix("qc_")), CHECK_WORDS[check.status], check.sentence


def _notes(study: CineStudy) -> list[str]:
    notes = [n.sentence for n in study.notes]
    for cine in study.cines.values():
        notes += [f"{cine.view.words.capitalize()}: {n.sentence}" for n in cine.notes]
    return list(dict.fromkeys(notes))


def _provenance(
    study: CineStudy, result: StudyResult, *, version: str, run: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """What made the numbers, then what they were made from."""
    rows = [("Program", f"cinema {version}"), *run]
    rows += [(f"Head {h.name}", _weights(h)) for h in result.heads] or [("Head", "none was run")]
    rows += [(f"{view.words.capitalize()} cine", _cine_words(cine)) for view, cine in study.cines.items()]
    timings = ", ".join(f"{words(stage)} {number(s, decimals=1)} s" for stage, s in result.seconds.items())
    rows.append(("Sex, age, height, weight", "from the clinical file where it says them, else from the DICOM headers"))
    rows.append(("Scanner, date", "from the DICOM headers"))
    return [*rows, ("Time spent", timings or "not recorded")]


def _weights(head: HeadUse) -> str:
    """Which weights a head had: their digest, or where there are several files the digest of all."""
    n = len(head.weights)
    return f"weights sha256 {head.sha256}" if n < 2 else f"{n} files of weights, together sha256 {head.sha256}"


def _cine_words(cine: Cine) -> str:
    """Size, spacing, timing and origin of a cine."""
    depth, row, column = cine.spacing_mm
    spacing = " × ".join(number(v, decimals=2) for v in (row, column, depth))
    thickness = "" if cine.thickness_mm is None else f", slices {number(cine.thickness_mm, decimals=1)} mm thick"
    cycle = "R-R interval unknown" if cine.cycle_ms is None else f"R-R {number(cine.cycle_ms, decimals=0)} ms"
    origin = count(len(cine.series_uids), one="series", many="series")
    return (
        f"{count(cine.n_slices, one='slice')} × {count(cine.n_frames, one='frame')}, "
        f"{spacing} mm (row, column, slice){thickness}, {cycle}, from {origin}"
    )


def _series_rows(series: pl.DataFrame | None) -> list[SeriesRow]:
    if series is None:
        return []
    sizes: dict[SeriesRow, list[str]] = {}  # series of one verdict and reason share a row
    for row in series.iter_rows(named=True):
        verdict = str(row.get("verdict") or "")
        size = " × ".join(
            count(int(row[name]), one=noun)
            for name, noun in (("slices", "slice"), ("frames", "frame"))
            if row.get(name) is not None
        )
        view = str(row.get("view") or "–")
        rule = str(row.get("view_rule") or "")
        why = str(row.get("reason") or "") or (f"view by {words(rule)}" if rule else "")
        shown = View(view).words if view in set(View) else view
        css = "inside" if verdict == "used" else "muted"
        sizes.setdefault(SeriesRow(shown, "", verdict, why, css), []).append(size or "–")
    return [replace(row, size=_sizes_words(said)) for row, said in sizes.items()]


def _sizes_words(sizes: Sequence[str]) -> str:
    """`1 slice × 9 frames`, or of several series that share a row how many have each size."""
    if len(sizes) == 1:
        return sizes[0]
    return f"{len(sizes)} series of {' or '.join(dict.fromkeys(sizes))}"
