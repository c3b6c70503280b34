from pathlib import Path

import pytest

from cinema_cli.analysis.evaluation.pairs import (
    MaskSource,
    StudyMasks,
    find_predictions,
    find_references,
    paired,
    with_ids_of,
)
from cinema_cli.domain.cine import Cine, View
from cinema_cli.domain.errors import InputError
from cinema_cli.domain.result import StudyResult
from cinema_cli.io.ledger import record
from cinema_cli.io.nifti import mask_path, write_mask


def touched(folder: Path, *names: str) -> Path:
    """A folder with files of these names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def said(sources: tuple[MaskSource, ...]) -> list[tuple[str, str, str, int | None]]:
    """Participant, session, moment and frame of each."""
    return [(s.participant_id, s.session_id, s.moment, s.frame) for s in sources]


def test_an_output_folder_of_a_cohort(tmp_path: Path, oblique_cine: Cine, result: StudyResult) -> None:
    record(tmp_path, result, "digest", version="1")
    write_mask(mask_path(tmp_path, result, "sax"), result.masks[View.SAX], cine=oblique_cine)
    touched(tmp_path, "sub-0001/ses-1/sub-0001_ses-1_lax_4c_dseg.nii.gz", "sub-0001/ses-1/figures/x.nii.gz", "y.nii")
    (sax,) = find_predictions(tmp_path)
    assert (sax.participant_id, sax.session_id, sax.moment) == ("sub-0001", "ses-1", "")
    assert (sax.ed_frame, sax.es_frame) == (0, 3) and sax.path.name == "sub-0001_ses-1_sax_dseg.nii.gz"
    (long_axis,) = find_predictions(tmp_path, view=View.LAX_4C)
    assert long_axis.path.name == "sub-0001_ses-1_lax_4c_dseg.nii.gz"


def test_an_output_folder_of_nifti_names_files_after_their_sources(tmp_path: Path) -> None:
    folder = touched(
        tmp_path,
        "sub-patient001/ses-1/patient001_ed_dseg.nii.gz",
        "sub-patient001/ses-1/patient001_es_dseg.nii.gz",
        "sub-patient002/ses-1/patient002_frame01_dseg.nii.gz",
    )
    assert said(find_predictions(folder)) == [
        ("sub-patient001", "ses-1", "ed", None),
        ("sub-patient001", "ses-1", "es", None),
        ("sub-patient002", "ses-1", "", 0),
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (  # nnU-Net
            ("patient001_ed.nii.gz", "patient001_es.nii.gz", "plans.json"),
            [("sub-patient001", "", "ed", None), ("sub-patient001", "", "es", None)],
        ),
        (  # ACDC: images beside labels, the whole cine too
            ("p1/p1_4d.nii.gz", "p1/p1_frame12.nii.gz", "p1/p1_frame01_gt.nii.gz", "p1/p1_frame12_gt.nii.gz"),
            [("sub-p1", "", "", 0), ("sub-p1", "", "", 11)],
        ),
        (  # M&Ms
            ("A0S9V9/A0S9V9_sa.nii.gz", "A0S9V9/A0S9V9_sa_gt.nii.gz", "B1/B1_sa_gt.nii.gz"),
            [("sub-A0S9V9", "", "", None), ("sub-B1", "", "", None)],
        ),
        (  # M&Ms-2: both views
            ("001/001_SA_ED_gt.nii.gz", "001/001_SA_ES_gt.nii.gz", "001/001_LA_ED_gt.nii.gz", "001/001_SA_CINE.nii.gz"),
            [("sub-001", "", "ed", None), ("sub-001", "", "es", None)],
        ),
        (("sub-01_ses-2_sax_dseg.nii.gz",), [("sub-01", "ses-2", "", None)]),  # BIDS
    ],
)
def test_references_of_public_data_sets(
    tmp_path: Path, names: tuple[str, ...], expected: list[tuple[str, str, str, int | None]]
) -> None:
    assert said(find_references(touched(tmp_path, *names))) == expected


def test_contours_of_people_whose_images_are_beside_them_or_elsewhere(tmp_path: Path) -> None:
    text = "i-contours/IM-0001-0001-icontour-manual.txt"
    touched(tmp_path / "set", f"contours/P1/{text}", f"contours/P2/{text}", "dicom/P1/1.dcm")
    one, two = find_references(tmp_path / "set" / "contours")
    assert (one.participant_id, one.is_contours, one.images) == ("sub-P1", True, tmp_path / "set" / "dicom" / "P1")
    assert two.participant_id == "sub-P2" and two.images is None
    elsewhere = touched(tmp_path / "archive", "P2/1.dcm")
    assert [s.images for s in find_references(tmp_path / "set", images=elsewhere)] == [None, elsewhere / "P2"]


@pytest.mark.parametrize("find", [find_predictions, find_references])
def test_a_folder_without_masks_is_refused(tmp_path: Path, find: object) -> None:
    for folder, words in ((tmp_path, "masks below"), (tmp_path / "none", "no folder")):
        with pytest.raises(InputError, match=words):
            find(folder)  # type: ignore[operator]


def source(participant: str, session: str = "", moment: str = "") -> MaskSource:
    """A file of somebody."""
    return MaskSource(f"sub-{participant}", session, Path(f"{participant}{session}{moment}.nii"), moment)


def kept(studies: tuple[StudyMasks, ...]) -> list[tuple[str, str, int, int]]:
    """Who, which visit, how many predictions and references."""
    return [(s.participant_id, s.session_id, len(s.predictions), len(s.references)) for s in studies]


def test_who_has_no_partner_stays() -> None:
    ours = [source("p1", "ses-1", "ed"), source("p1", "ses-1", "es"), source("p3", "ses-1")]
    theirs = [source("P1", "", "ed"), source("p2")]
    assert kept(paired(ours, theirs)) == [
        ("sub-p1", "ses-1", 2, 1),
        ("sub-p2", "", 0, 1),
        ("sub-p3", "ses-1", 1, 0),
    ]
    assert paired([], []) == ()


def test_sessions_are_told_apart_where_there_are_several() -> None:
    ours = [source("p", "ses-1"), source("p", "ses-2")]
    assert kept(paired(ours, [source("p", "ses-2"), source("p", "ses-3")])) == [
        ("sub-p", "ses-1", 1, 0),
        ("sub-p", "ses-2", 1, 1),
        ("sub-p", "ses-3", 0, 1),
    ]
    assert kept(paired(ours, [source("p")])) == [
        ("sub-p", "", 0, 1),
        ("sub-p", "ses-1", 1, 0),
        ("sub-p", "ses-2", 1, 0),
    ]
    assert kept(paired([source("p")], [source("p", "ses-2")])) == [("sub-p", "ses-2", 1, 1)]


def test_another_system_under_the_ids_of_the_first() -> None:
    references = [source("p1"), source("p2"), source("p3", "ses-1"), source("p3", "ses-2")]
    first = paired([source("P1", "ses-1"), source("p3", "ses-1"), source("p3", "ses-2")], references)
    other = with_ids_of(first, paired([source("p1"), source("p2"), source("p3", "ses-2")], references))
    assert kept(other) == [
        ("sub-P1", "ses-1", 1, 1),
        ("sub-p2", "", 1, 1),
        ("sub-p3", "ses-1", 0, 1),
        ("sub-p3", "ses-2", 1, 1),
    ]
