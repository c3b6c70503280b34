"""The worst cases of an evaluation with their pictures and the addresses of their pages."""

import os
from collections.abc import Iterator

import polars as pl

from cinema_cli.analysis.evaluation.frames import ED, ES, ComparedFrame, compared_frames
from cinema_cli.analysis.evaluation.masks import DICE, HD95
from cinema_cli.analysis.evaluation.pairs import StudyMasks
from cinema_cli.analysis.evaluation.table import System
from cinema_cli.analysis.evaluation.worst import worst_cases
from cinema_cli.commands.analysis_job import INDIVIDUAL
from cinema_cli.commands.evaluate_asked import EvaluationJob
from cinema_cli.commands.evaluate_inputs import Inputs
from cinema_cli.commands.worst_images import Images
from cinema_cli.domain.errors import InputError
from cinema_cli.io.label_maps import LABEL_MAPS
from cinema_cli.reports.evaluation import Score, WorstCase, WorstStudy, WorstView, comparison

_STUDY_PAGE = "study.html"
_FIRST = {ED: 0, ES: 1}
Whose = tuple[str, str]  # participant and session


def worst_of(job: EvaluationJob, inputs: Inputs, table: pl.DataFrame) -> tuple[WorstStudy, ...]:
    """Studies of a table (EVALUATION) with what they are here for, their scores, and pictures where both masks are."""
    masks = {(study.participant_id, study.session_id): study for study in inputs.studies}
    several = table.select(pl.struct("participant_id", "session_id").n_unique() > pl.col("participant_id").n_unique())
    cases: dict[Whose, list[WorstCase]] = {}
    for row in worst_cases(table).rows(named=True):
        case = WorstCase(row["metric"], row["term"], row["frame"], row["value"])
        cases.setdefault((row["participant_id"], row["session_id"]), []).append(case)
    images = Images(job.source)
    return tuple(
        WorstStudy(
            participant=" ".join(whose) if several.item() else whose[0],
            link=_link(job, whose),
            cases=tuple(some),
            views=tuple(_views(job, masks.get(whose), _scores(table, whose), some, images)),
        )
        for whose, some in cases.items()
    )


def _link(job: EvaluationJob, whose: Whose) -> str:
    page = job.source.joinpath(*whose, _STUDY_PAGE) if all(whose) else None
    if page is None or not page.is_file():
        return ""
    return os.path.relpath(page.resolve(), (job.out / INDIVIDUAL).resolve()).replace(os.path.sep, "/")


def _scores(table: pl.DataFrame, whose: Whose) -> dict[str, list[Score]]:
    """Dice and surface distance of every structure, by frame."""
    own = table.filter(
        pl.col("participant_id") == whose[0], pl.col("session_id") == whose[1], pl.col("system") == System.THIS
    )
    wide = own.filter(pl.col("metric").is_in([DICE, HD95])).select("frame", "term", "metric", "value")
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for frame, term, metric, value in wide.iter_rows():
        found.setdefault(frame, {}).setdefault(term, {})[metric] = value
    return {
        frame: [Score(term, by_metric.get(DICE), by_metric.get(HD95)) for term, by_metric in terms.items()]
        for frame, terms in found.items()
    }


def _views(
    job: EvaluationJob, study: StudyMasks | None, scores: dict[str, list[Score]], cases: list[WorstCase], images: Images
) -> Iterator[WorstView]:
    """ED and ES, and other frames that the study is here for."""
    if study is None:
        return
    try:
        frames = compared_frames(study, prediction_labels=LABEL_MAPS["cinema"], reference_labels=job.labels)
    except InputError:
        return
    shown = {ED, ES, *(case.frame for case in cases)}
    for frame in sorted(frames, key=lambda one: _FIRST.get(one.frame, len(_FIRST))):
        if frame.frame in shown and not frame.note:
            yield _view(frame, scores.get(frame.frame, []), images)


def _view(frame: ComparedFrame, scores: list[Score], images: Images) -> WorstView:
    pixels, why = images.of(frame)
    pictures, at = comparison(
        pixels, frame.prediction, frame.reference, known=frame.known, pixel_spacing_mm=frame.spacing_mm[1:]
    )
    place, note = f"slice {at + 1} of {len(frame.reference)}", f"No image: {why}." if why else ""
    return WorstView(frame.frame, place, pictures, tuple(scores), note)
