"""UK Biobank's archives: their names say participant and visit, whatever the headers in them say."""

from pathlib import Path

import polars as pl
import pytest

from cinema_cli.io.biobank import biobank_name, descriptions, is_manifest
from cinema_cli.io.identity import IdTable, assign_ids, keyed_hash
from cinema_cli.io.instances import INSTANCE_SCHEMA

KEY = b"0123456789abcdef"
NAMES = ("path", "member", "study_uid", "patient_id", "person_key", "study_date")
LONG, SHORT, LATER = "x/1234567_20208_2_0.zip", "x/1234567_20209_2_0.zip", "x/1234567_20209_3_0.zip"


def table(*images: tuple[str | None, ...]) -> pl.DataFrame:
    rows = [{**dict.fromkeys(INSTANCE_SCHEMA), **dict(zip(NAMES, image, strict=True))} for image in images]
    return pl.DataFrame(rows, schema=INSTANCE_SCHEMA)


def who(ids: IdTable) -> list[tuple[str, str, str]]:
    return ids.instances.select("participant_id", "session_id", "study_uid").rows()


def codes(ids: IdTable) -> set[tuple[str, str | None, str]]:
    return set(ids.notes.select("participant_id", "session_id", "code").iter_rows())


def test_names_of_bulk_files() -> None:
    name = biobank_name("north/1234567_20209_2_0/inner")
    assert name is not None and (name.participant, name.field, name.instance) == ("1234567", "20209", "2")
    assert biobank_name("1234567_20209_2_0/7654321_20208_3_1").participant == "7654321"  # type: ignore[union-attr]
    for other in ("", "1234567", "1234567_20209", "a1234567_20209_2_0", "1234567_20209_2_0_b", "123456_20209_2_0"):
        assert biobank_name(other) is None


def test_all_archives_of_a_visit_are_one_study_and_visits_are_sessions() -> None:
    ids = assign_ids(
        table(
            (LONG, "a.dcm", "1.9", "UKB77", None, "20150105"),
            (SHORT, "a.dcm", "1.2", "UKB78", None, "20150105"),  # another StudyInstanceUID, another PatientID
            (LATER, "a.dcm", "1.2", "UKB78", None, "20190203"),  # the same StudyInstanceUID, another visit
            ("x/7654321_20209_2_0.zip", "d/a.dcm", "1.2", "UKB78", None, "20150105"),  # ... another participant
        )
    )
    assert who(ids) == [
        ("sub-1234567", "ses-2", "1.2"),
        ("sub-1234567", "ses-2", "1.2"),
        ("sub-1234567", "ses-3", "1.2"),
        ("sub-7654321", "ses-2", "1.2"),
    ]
    assert ids.studies.select("participant_id", "session_id", "id_source").rows() == [
        ("sub-1234567", "ses-2", "file-name"),
        ("sub-1234567", "ses-3", "file-name"),
        ("sub-7654321", "ses-2", "file-name"),
    ]
    assert {("sub-1234567", "ses-2", "joined_studies"), ("sub-1234567", "ses-3", "several_visits")} <= codes(ids)
    assert not {code for _, _, code in codes(ids)} & {"missing_patient_id", "two_people_one_id", "id_collision"}


def test_an_archive_unpacked_to_a_folder_of_its_name_is_the_same_participant() -> None:
    packed = table((LONG, "d/a.dcm", "1.9", "UKB77", None, None), (SHORT, "a.dcm", "1.2", "UKB77", None, None))
    unpacked = table(
        ("x/1234567_20208_2_0/d/a.dcm", None, "1.9", "UKB77", None, None),
        ("x/1234567_20209_2_0/a.dcm", None, "1.2", "UKB77", None, None),
    )
    for id_from in ("auto", "patient-id", "folder"):
        assert who(assign_ids(packed, id_from=id_from)) == who(assign_ids(unpacked, id_from=id_from))


def test_headers_of_different_people_in_archives_of_one_are_said() -> None:
    ids = assign_ids(
        table(
            (LONG, "a", "1.1", "A", "k1", None),
            (SHORT, "a", "1.2", "B", "k2", None),
            (LATER, "a", None, "B", "k2", None),
        )
    )
    assert {participant for participant, _, _ in who(ids)} == {"sub-1234567"}
    assert ("sub-1234567", None, "two_people_one_id") in codes(ids)
    assert "missing_study_uid" not in {code for _, _, code in codes(ids)}


def test_other_rules_come_before_file_names(tmp_path: Path) -> None:
    images = table(
        ("1234567_20208_2_0.zip", "a", "1.1", "A", None, None), ("1234567_20209_2_0.zip", "a", "1.2", "A", None, None)
    )
    assert who(assign_ids(images, id_from="patient-id")) == [("sub-A", "ses-1", "1.1"), ("sub-A", "ses-2", "1.2")]
    assert who(assign_ids(images, id_from="folder")) == [("sub-1234567", "ses-2", "1.1")] * 2
    deeper = images.with_columns(path="north/" + pl.col("path"))
    assert {participant for participant, _, _ in who(assign_ids(deeper, id_from="folder"))} == {"sub-north"}
    path = tmp_path / "map.csv"
    for line, session in (
        ("patient_id,participant_id\n1234567,P1", "ses-2"),  # as a bridge from one application to another gives it
        ("patient_id,participant_id,session_id\nA,P1,base", "ses-base"),
        ("folder,participant_id\n1234567_20208_2_0.zip,P1\n1234567_20209_2_0,P1", "ses-2"),
    ):
        path.write_text(line)
        assert who(assign_ids(images, id_from=path)) == [("sub-P1", session, "1.1")] * 2, line
    path.write_text("study_uid,participant_id,session_id\n1.1,P1,a\n1.2,P2,b")
    assert who(assign_ids(images, id_from=path)) == [("sub-P1", "ses-a", "1.1"), ("sub-P2", "ses-b", "1.2")]


def test_ids_of_file_names_are_hashed() -> None:
    ids = assign_ids(table((LONG, "a", "1.1", "A", None, None), (LATER, "a", "1.2", "A", None, None)), hash_key=KEY)
    hashed = f"sub-{keyed_hash('1234567', KEY)}"
    assert who(ids) == [(hashed, "ses-2", "1.1"), (hashed, "ses-3", "1.2")]
    assert not any("1234567" in str(row) for row in (*ids.notes.rows(), *ids.studies.rows()))


@pytest.mark.parametrize("path", ["sub1.zip", "sub1.tar.gz", "sub1.TGZ", "sub1/x.zip"])
def test_any_archive_counts_as_the_folder_it_would_be_unpacked_to(path: str) -> None:
    ids = assign_ids(table((path, "DICOM/a.dcm", "1.1", None, None, None)), id_from="folder")
    assert who(ids) == [("sub-sub1", "ses-1", "1.1")]


def test_manifests_describe_files_whatever_the_commas_in_their_dates() -> None:
    text = (
        "filename,patientid,date,seriesid,series discription\r\n"
        "1.dcm,UKB7,Jan 5, 2015,1.2.3,CINE_segmented_SAX_b1\r\n"
        "2.dcm,UKB7,2015-01-05,1.2.4,CINE_segmented_LAX_2Ch\r\n"
        "short\r\n"
    )
    said = {"1.dcm": "CINE_segmented_SAX_b1", "2.dcm": "CINE_segmented_LAX_2Ch"}
    assert descriptions(text.encode()) == descriptions(text.replace("discription", "description").encode()) == said
    late = "series description,date,filename\nSAX,Jan 5, 2015,1.dcm\n"
    assert descriptions(late.encode()) == {"1.dcm": "SAX"}
    for other in (b"", b"\xff\xfe\x00", b"a,b\n1,2", b'filename,"series discription\n'):
        assert descriptions(other) == {}
    assert is_manifest("manifest.cvs") and is_manifest("d/Manifest.csv") and not is_manifest("manifest2.csv")
