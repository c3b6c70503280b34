"""The worst cases of an evaluation with their pictures and the addresses of their pages."""

import os

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli.analysis.evaluation.frames import compared_frames
from cinema_cli.analysis.evaluation.pairs import StudyMasks
from cinema_cli.analysis.evaluation.worst import worst_cases
from cinema_cli.commands.analysis_files import INDIVIDUAL
from cinema_cli.commands.evaluate_asked import EvaluationJob
from cinema_cli.commands.evaluate_inputs import Inputs
from cinema_cli.domain.errors import InputError
from cinema_cli.io.label_maps import LABEL_MAPS
from cinema_cli.io.mask_images import frame_pixels, image_beside
from cinema_cli.reports.evaluation import WorstCase, comparison_picture

_STUDY_PAGE = "study.html"
Whose = tuple[str, str]  # participant and session


def worst_of(job: EvaluationJob, inputs: Inputs, table: pl.DataFrame) -> tuple[WorstCase, ...]:
    """Cases of a table (EVALUATION), with a picture where both masks are there."""
    studies = {(study.participant_id, study.session_id): study for study in inputs.studies}
    rows = worst_cases(table).rows(named=True)
    several = table.select(pl.struct("participant_id", "session_id").n_unique() > pl.col("participant_id").n_unique())
    pictures: dict[tuple[str, str, str], str | None] = {}
    cases = []
    for row in rows:
        whose = row["participant_id"], row["session_id"]
        place = (*whose, _shown_frame(row["metric"], row["term"], row["frame"]))
        if place not in pictures:
            pictures[place] = _picture(job, studies.get(whose), place[-1])
        cases.append(
            WorstCase(
                participant=" ".join(whose) if several.item() else whose[0],
                metric=row["metric"],
                term=row["term"],
                frame=row["frame"],
                value=row["value"],
                link=_link(job, whose),
                picture=pictures.get(place),
            )
        )
    return tuple(cases)


def _link(job: EvaluationJob, whose: Whose) -> str:
    page = job.source.joinpath(*whose, _STUDY_PAGE) if all(whose) else None
    if page is None or not page.is_file():
        return ""
    return os.path.relpath(page.resolve(), (job.out / INDIVIDUAL).resolve()).replace(os.path.sep, "/")


def _shown_frame(metric: str, term: str, frame: str) -> str:
    """The frame to look at: of numbers the moment at which most of them is decided."""
    if metric != "value":
        return frame
    return "es" if "esv" in term or "ef_" in term else "ed"


def _picture(job: EvaluationJob, study: StudyMasks | None, frame: str) -> str | None:
    """Both masks of a frame where they differ most, on the image where that lies beside the reference."""
    if study is None:
        return None
    try:
        frames = compared_frames(study, prediction_labels=LABEL_MAPS["cinema"], reference_labels=job.labels)
    except InputError:
        return None
    for one in frames:
        if one.frame == frame and not one.note:
            pixels = _pixels(study, frame)
            fits = pixels is not None and pixels.shape == one.reference.shape
            return comparison_picture(
                pixels if fits else None, one.prediction, one.reference, pixel_spacing_mm=one.spacing_mm[1:]
            )
    return None


def _pixels(study: StudyMasks, frame: str) -> NDArray[np.float32] | None:
    drawn = [one.path for one in study.references if one.moment and one.moment == frame]
    image = image_beside(drawn[0]) if len(drawn) == 1 else None
    return frame_pixels(image) if image else None
