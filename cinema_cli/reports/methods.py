"""What a run did, in words for the methods section, and the facts of the run that the page prints."""

from collections.abc import Sequence
from dataclasses import dataclass

from cinema_cli.domain.phenotypes import REFERENCE_AGES
from cinema_cli.domain.prediction import Task
from cinema_cli.reports.heads import HeadFacts
from cinema_cli.reports.render import count


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The run that a cohort page reports: who, with what, how long. All text is printed as it is; "" is left out."""

    version: str  # of cinema
    command: str = ""  # as typed, without paths that identify
    cohort_name: str = ""  # headline of the page; the input folder's name
    started: str = ""  # UTC, text
    finished: str = ""  # UTC, text
    seconds: float | None = None
    n_files: int | None = None  # DICOM files read in the scan
    device: str = ""
    versions: tuple[tuple[str, str], ...] = ()  # ("python", "3.11.2"), ("torch", ...), ("pydicom", ...)
    settings: tuple[tuple[str, str], ...] = ()  # resolved settings, name and value
    heads: tuple[HeadFacts, ...] = ()
    made_by: tuple[tuple[str, int], ...] = ()  # version and weights, and how many records they made
    doubts: tuple[str, ...] = ()  # what the input left open: sentences that name nobody
    left_out: str = ""  # records that belong to no study of the cohort, in words
    analyses: tuple[tuple[str, str], ...] = ()  # (address, title) of reports that were made of this cohort


def method_paragraphs(run: RunFacts) -> list[tuple[str, str]]:
    """(heading, text) for each step from DICOM to numbers."""
    others = [head for head in run.heads if head.task and not head.measures]
    return [
        ("Scan", _SCAN),
        ("Views", _VIEWS),
        *_segmentation([head for head in run.heads if head.measures]),
        ("End-diastole and end-systole", _MOMENTS),
        ("Volumes and mass", _VOLUMES),
        *([("Other published heads", _others(others))] if others else []),
        ("Reference ranges", _RANGES),
    ]


def _segmentation(heads: Sequence[HeadFacts]) -> list[tuple[str, str]]:
    """A paragraph for the starter head, one for published heads that took its place, as the records say."""
    own = ", ".join(head.call for head in heads if head.task is None)
    published = ", ".join(head.call for head in heads if head.task)
    if not published:
        return [("Segmentation", _STARTER.format(heads=own or "the head named in each study page"))]
    said = [("Segmentation by a published head", _PUBLISHED.format(heads=published))]
    return [("Segmentation by the starter head", _STARTER.format(heads=own)), *said] if own else said


def _others(heads: Sequence[HeadFacts]) -> str:
    """What the heads that do not measure were shown, and what their answers are made of."""
    tasks = {head.task for head in heads}
    said = [_SHOWN.format(n=count(len(heads), one="published head"), they="it" if len(heads) == 1 else "they")]
    said += [text for kinds, text in _BY_TASK if tasks & kinds]
    return " ".join([*said, _SEEDS])


_SCAN = (
    "The headers of every file below the input folder were read, whatever its name. Images were grouped into series "
    "and ordered by position along the slice normal and by time in the cardiac cycle, never by file name or instance "
    "number alone. Where one stack was acquired twice the most complete one is used, then the latest. Each series is "
    "used or rejected with a reason, listed in series.csv."
)
_VIEWS = (
    "The short axis is a stack of parallel cine slices across the long axis of the heart; long-axis views are told by "
    "the series description where there is one, else by how their plane cuts the short-axis stack. The rule that "
    "decided and its confidence are in series.csv."
)
_STARTER = (
    "The heart's centre is found in the images themselves. Every frame of the short-axis stack is labelled (right "
    "ventricle, left ventricular myocardium, left ventricular cavity) by {heads}. The end-diastolic and end-systolic "
    "frames are looked at again, turned as the head's card says, and the answers averaged. Labels outside the one "
    "connected heart are removed; papillary muscles and trabeculae count as cavity."
)
_PUBLISHED = (
    "Every frame of the short-axis stack is labelled once (right ventricle, left ventricular myocardium, left "
    "ventricular cavity) by {heads}. It is shown on a grid of 1 × 1 × 10 mm, cropped round the heart, whose centre is "
    "told by what moves over the cycle and by where the imaging planes of the study meet. The probabilities of the "
    "head's seeds are averaged, and the labels brought back to the grid of the source images; nothing is cleaned "
    "after that. Whether papillary muscles count as cavity is as in the head's training data."
)
_MOMENTS = (
    "The ends of filling and of ejection on the smoothed left ventricular volume curve: the middle of the frames "
    "within a tenth of the curve's range of its smallest value, and of the last of those within a tenth of its "
    "largest. The first frame is not assumed to be end-diastole. The right ventricle is measured at the same two "
    "frames."
)
_VOLUMES = (
    "Volume is the number of labelled voxels times the voxel's volume, from the pixel spacing and the distance between "
    "slice centres of the source images. Ejection fraction is 100 × (EDV − ESV) / EDV. Left ventricular mass is the "
    "myocardial volume at end-diastole times 1.05 g/ml. Indexed values are divided by body surface area (Mosteller "
    "1987) where height and weight are known."
)
_RANGES = (
    "Ranges are drawn for orientation. They come from one population, healthy Caucasian adults of the UK Biobank aged "
    f"{REFERENCE_AGES[0]}–{REFERENCE_AGES[1]} years, and are not corrected for age; sources stand below the "
    "distributions. Where a source gives the limits of an abnormal zone, a value inside may still be borderline. LV "
    "mass in grams and RV ejection fraction have no range here. A value outside is no diagnosis, and a cohort of "
    "patients is expected to lie outside."
)
_SHOWN = (
    "{n}, described below, measured nothing of the above: {they} answered beside it, wherever a study has the views. "
    "Short-axis stacks are shown at 1 × 1 × 10 mm, long-axis images at 1 × 1 mm, cropped round the left ventricle: the "
    "middle of its mask at end-diastole where the view was labelled before, else as motion and the imaging planes tell "
    "it."
)
_BY_TASK = (
    (
        frozenset({Task.SEGMENTATION}),
        "Segmentation sees every frame once; in a four-chamber view one wall and one cavity are kept, those beside the "
        "right ventricle, and areas are measured instead of volumes.",
    ),
    (
        frozenset({Task.HEAT_MAPS, Task.COORDINATES}),
        "Landmarks, the two ends of the mitral valve and the apex, are found in every frame once. MAPSE is how far the "
        "middle of the annulus moves towards the apex from end-diastole to end-systole, along the long axis at "
        "end-diastole; shortening is that of the straight length, not strain.",
    ),
    (
        frozenset({Task.CLASSIFICATION, Task.REGRESSION, Task.EMBEDDING}),
        "Classes, values and embeddings are of end-diastole and end-systole as the segmentation of the short axis "
        "tells them, or without one that of the four-chamber view; in other views the frames at the same share of the "
        "cycle are taken. Without either there is no answer. Probabilities are not calibrated.",
    ),
)
_SEEDS = (
    "Where a head has several seeds, networks that were trained from another start, their answers are averaged and "
    "their disagreement stands beside: the standard deviation of a value or probability, the share of labelled voxels "
    "on which not all agree, the root mean square distance of landmarks from their mean."
)
