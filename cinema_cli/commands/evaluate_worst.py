"""The worst cases of an evaluation with their pictures and the addresses of their pages."""

import os
from collections.abc import Mapping

import polars as pl

from cinema_cli.analysis.evaluation.frames import compared_frames
from cinema_cli.analysis.evaluation.pairs import StudyMasks
from cinema_cli.analysis.evaluation.worst import worst_cases
from cinema_cli.commands.analysis_files import INDIVIDUAL
from cinema_cli.commands.evaluate_asked import EvaluationJob
from cinema_cli.commands.evaluate_inputs import Inputs
from cinema_cli.domain.errors import InputError
from cinema_cli.io.label_maps import LABEL_MAPS
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
        value = row["metric"] == "value"
        place = (*whose, row["frame"])
        if not value and place not in pictures:
            pictures[place] = _picture(job, studies, whose, row["frame"])
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


def _picture(job: EvaluationJob, studies: Mapping[Whose, StudyMasks], whose: Whose, frame: str) -> str | None:
    """Both masks of a frame where they differ most."""
    study = studies.get(whose)
    if study is None:
        return None
    try:
        frames = compared_frames(study, prediction_labels=LABEL_MAPS["cinema"], reference_labels=job.labels)
    except InputError:
        return None
    for one in frames:
        if one.frame == frame and not one.note:
            spacing = one.spacing_mm[1:]
            return comparison_picture(None, one.prediction, one.reference, pixel_spacing_mm=spacing)
    return None
