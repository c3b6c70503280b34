"""What a run did, in words for the methods section, and the facts of the run that the page prints."""

from dataclasses import dataclass

from cinema_cli.domain.phenotypes import REFERENCE_AGES
from cinema_cli.reports.heads import HeadFacts


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


def method_paragraphs(run: RunFacts) -> list[tuple[str, str]]:
    """(heading, text) for each step from DICOM to numbers."""
    heads = ", ".join(f"{h.title or h.name} ({h.name}, weights sha256 {h.sha256[:12]}…)" for h in run.heads)
    return [
        (
            "Scan",
            "The headers of every file below the input folder were read, whatever its name. Images were grouped "
            "into series "
            "and ordered by position along the slice normal and by time in the cardiac cycle, never by file name or "
            "instance number alone. Where one stack was acquired twice the most complete one is used, then the "
            "latest. "
            "Each series is used or rejected with a reason, listed in series.csv.",
        ),
        (
            "Views",
            "The short axis is a stack of parallel cine slices across the long axis of the heart; long-axis "
            "views are told by the "
            "series description where there is one, else by how their plane cuts the short-axis stack. The rule that "
            "decided and its confidence are in series.csv.",
        ),
        (
            "Segmentation",
            f"The heart's centre is found in the images themselves. Every frame of the short-axis stack is "
            "labelled (right "
            f"ventricle, left ventricular myocardium, left ventricular cavity) by "
            f"{heads or 'the head named in each study page'}. "
            "The end-diastolic and end-systolic frames are looked at again, turned as the head's card says, and the "
            "answers averaged. "
            "Labels outside the one connected heart are removed; papillary muscles and trabeculae count as cavity.",
        ),
        (
            "End-diastole and end-systole",
            "The ends of filling and of ejection on the smoothed left ventricular volume curve: the middle of the "
            "frames within a tenth of the curve's range of its smallest value, and of the last of those within a tenth "
            "of its largest. The first frame is not assumed to be end-diastole. The right ventricle is measured at the "
            "same two frames.",
        ),
        (
            "Volumes and mass",
            "Volume is the number of labelled voxels times the voxel's volume, from the pixel spacing and the "
            "distance between slice "
            "centres of the source images. Ejection fraction is 100 × (EDV − ESV) / EDV. Left ventricular mass "
            "is the "
            "myocardial volume at end-diastole times 1.05 g/ml. Indexed values are divided by body surface area "
            "(Mosteller 1987) where height and weight are known.",
        ),
        (
            "Reference ranges",
            "Ranges are drawn for orientation. They come from one population, healthy Caucasian adults of the UK "
            f"Biobank aged {REFERENCE_AGES[0]}–{REFERENCE_AGES[1]} years, and are not corrected for age; sources stand "
            "below the distributions. Where a source gives the limits of an abnormal zone, a value inside may still be "
            "borderline. LV mass in grams and RV ejection fraction have no range here. A value outside is no "
            "diagnosis, and a cohort of patients is expected to lie outside.",
        ),
    ]
