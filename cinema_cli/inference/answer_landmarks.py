"""Heads that find landmarks: mitral points and apex of every frame in mm and pixels, and the function they show."""

from cinema_cli.domain.long_axis import LongAxisPoints
from cinema_cli.domain.moments import NO_MOMENTS
from cinema_cli.domain.prediction import Cell, Floats, Prediction, PredictionColumn, Task
from cinema_cli.inference.answer_masks import SAME_FRAME
from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.head import Head
from cinema_cli.inference.look import StudyLook
from cinema_cli.inference.published_run import SeenLandmarks, coordinate_landmarks, heat_map_landmarks
from cinema_cli.inference.way_back import pixels_of

MM_AXES = {"x_mm": "to the left", "y_mm": "to the back", "z_mm": "to the head"}  # DICOM patient coordinates (LPS)
PX_AXES = ("row_px", "column_px")


def landmark_columns(card: PublishedCard) -> tuple[PredictionColumn, ...]:
    """Columns of a landmark head."""
    name = card.name
    study = [
        PredictionColumn(f"{name}_length_ed_mm", "From the middle of the mitral annulus to the apex, at ED.", "mm"),
        PredictionColumn(f"{name}_length_es_mm", "The same at ES.", "mm"),
        PredictionColumn(f"{name}_shortening_pct", "Shortening of that length from ED to ES; not strain.", "%"),
        PredictionColumn(f"{name}_mapse_mm", "Way of the mitral annulus towards the apex from ED to ES.", "mm"),
    ]
    frames = []
    for point in card.answers:
        words = point.replace("_", " ")
        frames += [
            PredictionColumn(f"{name}_{point}_{axis}", f"Place of {words}, {way} (DICOM LPS).", "mm", per_frame=True)
            for axis, way in MM_AXES.items()
        ]
        frames += [
            PredictionColumn(
                f"{name}_{point}_{axis}", f"The same as the image's {axis.removesuffix('_px')}, from 0.", "pixel",
                per_frame=True,
            )
            for axis in PX_AXES
        ]  # fmt: skip
        if card.task is Task.HEAT_MAPS:
            peak = f"Greatest probability in the heat map of {words}, 0 to 1."
            frames.append(PredictionColumn(f"{name}_{point}_peak", peak, per_frame=True))
        apart = f"Root mean square distance of the seeds' {words} from their mean; empty from one seed."
        frames.append(PredictionColumn(f"{name}_{point}_disagreement_mm", apart, "mm", per_frame=True))
    return (*study, *frames)


def landmarks_said(head: Head, look: StudyLook) -> Prediction:
    """The points of every frame, and the long-axis function from ED to ES where a segmentation told these.

    The reference takes the longest and the shortest ventricle for ED and ES: noise alone would then be function.
    """
    (view,) = head.card.views
    networks = head.networks
    run = heat_map_landmarks if head.card.task is Task.HEAT_MAPS else coordinate_landmarks
    seen = run(look.prepared(view), networks, device=str(head.device), frames_at_once=head.frames_at_once)
    pixels = pixels_of(look.study.cines[view], seen.points_mm)[..., 1:]  # (frame, point, 2)
    frames = _by_column(head, seen, pixels)
    if look.moments is None:
        return Prediction(head.name, {}, view, frames, NO_MOMENTS)
    ed, es = look.moments.frames(look.study, view)
    if ed == es:
        return Prediction(head.name, {}, view, frames, SAME_FRAME)
    axis = LongAxisPoints(seen.points_mm)
    study: dict[str, Cell] = {
        f"{head.name}_length_ed_mm": float(axis.lengths_mm[ed]),
        f"{head.name}_length_es_mm": float(axis.lengths_mm[es]),
        f"{head.name}_shortening_pct": axis.shortening_pct(ed_frame=ed, es_frame=es),
        f"{head.name}_mapse_mm": axis.mapse_mm(ed_frame=ed, es_frame=es),
    }
    return Prediction(head.name, study, view, frames)


def _by_column(head: Head, seen: SeenLandmarks, pixels: Floats) -> dict[str, Floats]:
    frames: dict[str, Floats] = {}
    for k, point in enumerate(head.card.answers):
        prefix = f"{head.name}_{point}"
        frames |= {f"{prefix}_{axis}": seen.points_mm[:, k, i] for i, axis in enumerate(MM_AXES)}
        frames |= {f"{prefix}_{axis}": pixels[:, k, i] for i, axis in enumerate(PX_AXES)}
        frames |= {f"{prefix}_peak": seen.peaks[:, k]} if head.card.task is Task.HEAT_MAPS else {}
        frames[f"{prefix}_disagreement_mm"] = seen.spread_mm[:, k]
    return frames
