"""Participants and sessions: the same whatever the order of files, and every doubt said."""

import hashlib
import hmac
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.domain.cine import StudyFacts
from cinema_cli.domain.errors import ConfigError
from cinema_cli.io.clinical import match_clinical
from cinema_cli.io.identity import LONGEST_LABEL, IdTable, assign_ids, keyed_hash, label_of, read_key, without_links
from cinema_cli.io.instances import INSTANCE_SCHEMA

KEY = b"0123456789abcdef"
AGED = StudyFacts(age_years=50.0)

Image = tuple[str, str | None, str | None, str | None, str | None]  # path, study, PatientID, person, date


def table(*images: Image) -> pl.DataFrame:
    names = ("path", "study_uid", "patient_id", "person_key", "study_date")
    rows = [{**dict.fromkeys(INSTANCE_SCHEMA), **dict(zip(names, image, strict=True))} for image in images]
    return pl.DataFrame(rows, schema=INSTANCE_SCHEMA)


def who(ids: IdTable) -> dict[str, tuple[str, str]]:
    """Path -> (participant, session)."""
    return {path: (p, s) for path, p, s in ids.instances.select("path", "participant_id", "session_id").iter_rows()}


def codes(ids: IdTable) -> set[tuple[str, str]]:
    return {(participant, code) for participant, _, code, _ in ids.notes.iter_rows()}


def with_facts(images: pl.DataFrame, *facts: tuple[str | None, float | None]) -> pl.DataFrame:
    """The images with a sex and an age each."""
    sexes, ages = zip(*facts, strict=True)
    return images.with_columns(sex=pl.Series(sexes, dtype=pl.String), age_years=pl.Series(ages, dtype=pl.Float64))


def test_one_visit_each() -> None:
    ids = assign_ids(table(("a/1", "1.1", "0001", "k1", "20200101"), ("b/1", "1.2", "P-02 x", "k2", None)))
    assert who(ids) == {"a/1": ("sub-0001", "ses-1"), "b/1": ("sub-P02x", "ses-1")}
    assert ids.notes.is_empty()
    assert ids.studies.rows() == [
        ("1.1", "sub-0001", "ses-1", "patient-id"),
        ("1.2", "sub-P02x", "ses-1", "patient-id"),
    ]
    assert set(ids.instances.columns) == {*INSTANCE_SCHEMA, "participant_id", "session_id"}


def test_visits_are_sessions_in_order_of_date() -> None:
    ids = assign_ids(
        table(
            ("c/1", "1.1", "7", "k", "20210101"),
            ("c/2", "1.9", "7", "k", "20190101"),
            ("c/3", "1.2", "7", "k", "20120000"),
        )
    )
    assert who(ids) == {"c/1": ("sub-7", "ses-2"), "c/2": ("sub-7", "ses-1"), "c/3": ("sub-7", "ses-3")}
    assert codes(ids) == {("sub-7", "several_visits")}


def test_a_study_has_the_first_valid_date_of_its_images() -> None:
    images = (
        ("a/1", "1.9", "7", "k", "20190101"),
        ("b/1", "1.9", "7", "k", None),
        ("c/1", "1.1", "7", "k", "20200101"),
    )
    ids = assign_ids(table(*images))
    assert {path: session for path, (_, session) in who(ids).items()} == {
        "a/1": "ses-1",
        "b/1": "ses-1",
        "c/1": "ses-2",
    }


def test_two_people_under_one_id_are_split() -> None:
    ids = assign_ids(
        table(
            ("a/1", "1.1", "7", "k2", "20200101"),
            ("b/1", "1.2", "7", "k1", "20210101"),
            ("b/2", "1.2", None, None, None),  # joins the only person of its study
        )
    )
    assert who(ids) == {"a/1": ("sub-7p1", "ses-1"), "b/1": ("sub-7p2", "ses-1"), "b/2": ("sub-7p2", "ses-1")}
    assert codes(ids) == {("sub-7p1", "two_people_one_id"), ("sub-7p2", "two_people_one_id")}


def test_two_people_under_one_study_uid_are_split() -> None:
    ids = assign_ids(table(("a/1", "1.1", "7", "k1", None), ("a/2", "1.1", "8", "k2", None)))
    assert who(ids) == {"a/1": ("sub-7", "ses-1"), "a/2": ("sub-8", "ses-1")}
    both = {"shared_study_uid", "mixed_patients_in_folder"}
    assert codes(ids) == {(participant, code) for participant in ("sub-7", "sub-8") for code in both}


def test_an_unnamed_visit_stays_with_its_only_person() -> None:
    ids = assign_ids(table(("a/1", "1.1", "7", "k1", "20200101"), ("a/2", "1.2", "7", None, "20210101")))
    assert who(ids) == {"a/1": ("sub-7", "ses-1"), "a/2": ("sub-7", "ses-2")}


def test_one_person_under_two_ids_is_said_not_merged() -> None:
    ids = assign_ids(table(("a/1", "1.1", "7", "k", None), ("b/1", "1.2", "8", "k", None)))
    assert {participant for participant, _ in who(ids).values()} == {"sub-7", "sub-8"}
    assert codes(ids) == {("sub-7", "one_person_two_ids"), ("sub-8", "one_person_two_ids")}


def test_a_name_that_everybody_has_is_no_person() -> None:
    ids = assign_ids(table(*((f"{n}/1", f"1.{n}", f"{n}", "k", None) for n in range(9))))
    assert ids.notes.is_empty()


def test_missing_patient_ids_fall_back_to_the_folder() -> None:
    ids = assign_ids(table(("site_1/x/1", "1.1", None, None, None), ("1", "1.2", None, None, None)))
    assert who(ids)["site_1/x/1"] == ("sub-site1", "ses-1")
    assert who(ids)["1"][0] == f"sub-{hashlib.sha256(b'1.2').hexdigest()[:8]}"
    assert {code for _, code in codes(ids)} == {"missing_patient_id"}


def test_folders_name_participants_and_mixed_ones_are_split() -> None:
    ids = assign_ids(
        table(
            ("sub-01/1", "1.1", "A", None, "20200101"),
            ("sub-01/2", "1.2", "B", None, "20210101"),
            ("sub-02/1", "1.3", "C", "k", None),
            ("sub-02/2", "1.3", "C", None, None),
        ),
        id_from="folder",
    )
    assert [participant for participant, _ in who(ids).values()] == ["sub-01p1", "sub-01p2", "sub-02", "sub-02"]
    assert ("sub-01p1", "mixed_patients_in_folder") in codes(ids)


def test_ids_that_sanitise_alike_stay_apart() -> None:
    ids = assign_ids(table(("a/1", "1.1", "A-1", None, None), ("b/1", "1.2", "a1", None, None)))
    first, second = who(ids)["a/1"][0], who(ids)["b/1"][0]
    assert first.startswith("sub-A1x")
    assert second.startswith("sub-a1x")
    assert first[7:] != second[7:]
    assert {code for _, code in codes(ids)} == {"id_collision"}
    alone = assign_ids(table(("a/1", "1.1", "A-1", None, None)))
    assert who(alone)["a/1"][0] == "sub-A1"


def test_ids_that_no_file_name_could_hold_are_cut_and_stay_apart() -> None:
    longest = "n" * LONGEST_LABEL
    assert label_of(longest) == longest
    cut = {label_of(longest + end) for end in ("a", "b", "a" * 900)}
    assert len(cut) == 3 and {len(label) for label in cut} == {LONGEST_LABEL}


def test_images_without_study_uid_are_studies_by_folder() -> None:
    ids = assign_ids(table(("a/x/1", None, "7", None, None), ("a/y/1", None, "7", None, None)))
    assert ids.instances["study_uid"].n_unique() == 2
    assert ids.instances["study_uid"].null_count() == 0
    assert ("sub-7", "missing_study_uid") in codes(ids)


def test_hashed_ids_are_keyed_digests(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef0123\n")
    key = read_key(tmp_path / "key")
    ids = assign_ids(table(("a/1", "1.1", "Smith", None, None)), hash_key=key)
    expected = hmac.new(b"0123456789abcdef0123", b"Smith", hashlib.sha256).hexdigest()[:16]
    assert who(ids) == {"a/1": (f"sub-{expected}", "ses-1")}
    (tmp_path / "key").write_text("short\n")
    with pytest.raises(ConfigError, match="shorter than 16 bytes"):
        read_key(tmp_path / "key")


def test_ids_of_a_mapping_file_are_hashed_too(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("patient_id,participant_id\n7,Smith\n")
    ids = assign_ids(table(("a/1", "1.1", "7", None, None)), id_from=path, hash_key=KEY)
    assert who(ids) == {"a/1": (f"sub-{keyed_hash('Smith', KEY)}", "ses-1")}


def test_series_uids_are_hashed_where_ids_are() -> None:
    series = pl.DataFrame({"participant_id": ["a", "a", "b"], "study_uid": ["9"] * 3, "series_uid": ["1.2", "1.2", ""]})
    assert without_links(series, hash_key=None).to_dict(as_series=False)["series_uid"] == ["1.2", "1.2", ""]
    written = without_links(series, hash_key=KEY)
    assert written.columns == ["participant_id", "series_uid"]
    assert written["series_uid"].to_list() == [keyed_hash("1.2", KEY)] * 2 + [""]


@pytest.mark.parametrize("hash_key", [None, KEY])
def test_one_text_is_one_id_in_a_header_and_as_a_folder(hash_key: bytes | None) -> None:
    images = (("P001/a/1", "1.1", "P001", None, "20200101"), ("P001/b/1", "1.2", None, None, "20210101"))
    ids = assign_ids(table(*images), hash_key=hash_key)
    label = f"sub-{keyed_hash('P001', KEY)}" if hash_key else "sub-P001"
    assert who(ids) == {"P001/a/1": (label, "ses-1"), "P001/b/1": (label, "ses-2")}
    assert codes(ids) == {(label, "missing_patient_id"), (label, "several_visits")}
    people = [("P001/a/1", "1.1", "P001", "k1", "20200101"), ("P001/b/1", "1.2", None, "k2", "20210101")]
    apart = assign_ids(table(*people), hash_key=hash_key)
    assert [participant for participant, _ in who(apart).values()] == [f"{label}p1", f"{label}p2"]
    assert (f"{label}p1", "two_people_one_id") in codes(apart)


def test_nothing_unkeyed_gets_into_hashed_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where two hashes collide, which real ones never do."""
    monkeypatch.setattr("cinema_cli.io.identity.keyed_hash", lambda value, key: f"{len(value)}abcdef")
    ids = assign_ids(table(("a/1", "1.1", "P001", None, None), ("b/1", "1.2", "P002", None, None)), hash_key=KEY)
    assert {participant for participant, _ in who(ids).values()} == {"sub-4abcdefx4abcde"}


@pytest.mark.parametrize(
    ("keys", "n_people"),
    [
        (("k//F", "k//"), 1),  # one visit does not say the sex
        (("k//F", "k/m/F"), 1),  # one visit leaves the middle name out
        (("k//F", "k//M"), 2),
        (("k/m/F", "k/n/F"), 2),
        (("k//F", "k//M", "k//"), 3),  # of which of the two the third is cannot be said
    ],
)
def test_what_a_header_leaves_out_makes_no_other_person(keys: tuple[str, ...], n_people: int) -> None:
    ids = assign_ids(table(*((f"{n}/1", f"1.{n}", "7", key, f"2020010{n + 1}") for n, key in enumerate(keys))))
    assert len({participant for participant, _ in who(ids).values()}) == n_people
    assert any(code == "two_people_one_id" for _, code in codes(ids)) == (n_people > 1)


def test_a_woman_and_a_man_of_other_years_under_one_id_are_two_people() -> None:
    images = (
        ("a/1", "1.1", "ANON", None, "20240102"),
        ("a/2", "1.1", "ANON", None, "20240102"),
        ("b/1", "1.2", "ANON", None, "20240103"),
        ("c/1", "1.3", "ANON", None, "20250103"),
    )
    ids = assign_ids(with_facts(table(*images), ("F", 30.0), (None, None), ("M", 71.0), ("F", 31.0)))
    assert who(ids) == {
        "a/1": ("sub-ANONp1", "ses-1"),
        "a/2": ("sub-ANONp1", "ses-1"),
        "b/1": ("sub-ANONp2", "ses-1"),
        "c/1": ("sub-ANONp1", "ses-2"),
    }
    assert ("sub-ANONp1", "two_people_one_id") in codes(ids)


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (("F", 61.0), set()),
        (("F", 62.0), set()),  # rounded, not of the last birthday
        (("M", 61.0), {"two_sexes_one_id"}),
        (("F", 30.0), {"ages_contradict"}),
        (("M", None), {"two_sexes_one_id"}),
        ((None, None), set()),
    ],
)
def test_sex_or_age_that_speaks_against_one_person_is_said(
    later: tuple[str | None, float | None], said: set[str]
) -> None:
    images = with_facts(
        table(("a/1", "1.1", "7", None, "20240102"), ("b/1", "1.2", "7", None, "20250103")), ("F", 60.0), later
    )
    ids = assign_ids(images)
    assert {participant for participant, _ in who(ids).values()} == {"sub-7"}
    assert codes(ids) == {("sub-7", code) for code in {"several_visits", *said}}
    named = assign_ids(images.with_columns(person_key=pl.lit("k//")))  # name and birth date are the same
    assert codes(named) == {("sub-7", "several_visits")}


@pytest.mark.parametrize("ages", [(90.0, 90.0), (90.0, 95.0)])
def test_ages_that_are_one_for_all_the_old_contradict_nothing(ages: tuple[float, float]) -> None:
    images = table(("a/1", "1.1", "7", None, "20140102"), ("b/1", "1.2", "7", None, "20250103"))
    assert codes(assign_ids(with_facts(images, *(("F", age) for age in ages)))) == {("sub-7", "several_visits")}


@pytest.mark.parametrize("id_in_file", ["P-02 x", "P02x", "sub-P02x"])
def test_clinical_rows_find_participants_by_the_rules_of_their_ids(id_in_file: str) -> None:
    key = (id_in_file if id_in_file.startswith("sub-") else f"sub-{id_in_file}", None)
    visits = [("sub-P02x", "ses-1"), ("sub-P03", "ses-1")]
    match = match_clinical({key: AGED, ("sub-0009", None): AGED}, visits, chosen=visits, hash_key=None)
    assert match.facts == {("sub-P02x", None): AGED}
    assert (match.strangers, match.without_row) == (("sub-0009",), ("sub-P03",))
    assert match.sentence == ("1 of 2 rows of the clinical file match no participant; 1 of 2 participants have no row")


@pytest.mark.parametrize("prefix", ["", "sub-"])
def test_clinical_rows_find_hashed_participants(prefix: str) -> None:
    label = f"sub-{keyed_hash(prefix + 'P-02', KEY)}"  # the PatientID itself may begin with sub-
    visits = [(label, "ses-1")]
    for clinical in ({("sub-P-02", None): AGED}, {(label, None): AGED}):
        match = match_clinical(clinical, visits, chosen=visits, hash_key=KEY)
        assert match.facts == {(label, None): AGED} and match.sentence == ""


def test_two_clinical_rows_for_one_participant_are_an_error() -> None:
    visits = [("sub-A1", "ses-1")]
    with pytest.raises(ConfigError, match="two rows of the clinical file fit sub-A1"):
        match_clinical({("sub-A-1", None): AGED, ("sub-A1", None): AGED}, visits, chosen=visits, hash_key=None)


def test_a_mapping_file_names_participants_and_sessions(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text(
        "patient_id;folder;study_uid;participant_id;session_id\n7;;;0001;\n;north/b;;sub-0002;\n;;1.5;0003;ses-base\n",
        encoding="utf-8-sig",
    )
    images = (
        ("x/1", "1.1", "7", None, "20200101"),
        ("north/b/cine/1", "1.2", "8", None, None),
        ("y/1", "1.5", "7", None, None),  # the study wins over the PatientID
        ("z/1", "1.6", "9", None, None),
    )
    ids = assign_ids(table(*images), id_from=path)
    found = who(ids)
    assert found["x/1"] == ("sub-0001", "ses-1")
    assert found["north/b/cine/1"] == ("sub-0002", "ses-1")
    assert found["y/1"] == ("sub-0003", "ses-base")
    assert found["z/1"][0].startswith("sub-unmapped")
    assert {code for _, code in codes(ids)} == {"not_in_mapping"}


def test_a_session_that_the_mapping_names_is_not_given_again(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("study_uid,participant_id,session_id\n1.2,0001,ses-1\n1.1,0001,\n1.3,0001,\n")
    images = (("a/1", "1.1", "7", None, "20200101"), ("a/2", "1.2", "7", None, None), ("a/3", "1.3", "7", None, None))
    sessions = [session for _, session in who(assign_ids(table(*images), id_from=path)).values()]
    assert sessions == ["ses-2", "ses-1", "ses-3"]


def test_sessions_of_a_mapping_file_hold_also_within_one_study_uid(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("folder,participant_id,session_id\nA/v1,01,1\nA/v2,01,2\nB/v1,02,base\nB,02,\n")
    images = (
        ("A/v1/1", "1.1", "7", None, "20200101"),
        ("A/v2/1", "1.1", "7", None, "20210101"),
        ("B/v1/1", "1.2", "8", None, "20200101"),
        ("B/scout/1", "1.2", "8", None, "20200101"),
    )
    ids = assign_ids(table(*images), id_from=path)
    assert list(who(ids).values()) == [("sub-01", "ses-1"), ("sub-01", "ses-2"), *[("sub-02", "ses-base")] * 2]
    assert ids.studies["session_id"].to_list() == ["ses-1", "ses-2", "ses-base"]
    shared = ids.notes.filter(code="shared_study_uid")
    assert shared.select("participant_id", "session_id").rows() == [("sub-01", "ses-1"), ("sub-01", "ses-2")]


def test_several_dates_under_one_study_uid_are_said() -> None:
    images = (("A/1", "1.1", "7", None, "20200101"), ("A/2", "1.1", "7", None, "20210101"))
    for moved in (images, (images[0], ("B/2", *images[1][1:]))):
        ids = assign_ids(table(*moved, ("C/1", "1.2", "7", None, "20220101")))
        assert ids.notes.filter(code="several_dates").rows() == [
            (
                "sub-7",
                "ses-1",
                "several_dates",
                "Images of one study have 2 dates: they count as one visit.",
            )
        ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: the header is empty"),
        ("patient_id,name\n7,x\n", "line 1: the header is patient_id, name"),
        ("patient_id,participant_id\n", "line 1: no participant"),
        ("patient_id,participant_id\n7,\n", "line 2: participant_id is empty"),
        ("patient_id,participant_id\n\n7,00 01\n", "line 3: participant_id is not of 1 to 64 letters"),
        ("patient_id,participant_id\n,0001\n", "line 2: neither patient_id"),
        ("patient_id,participant_id\n7,1\n8,2\n7,3\n", "line 4: the same patient_id as in line 2"),
        ("patient_id,participant_id,session_id\n7,1,base\n", "line 2: session ses-base fits 2 studies"),
    ],
)
def test_errors_in_the_mapping_file_name_the_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "map.csv"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        assign_ids(table(("a/1", "1.1", "7", None, None), ("b/1", "1.2", "7", None, None)), id_from=str(path))
    assert caught.value.exit_code == 78


def test_an_absent_mapping_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the mapping file"):
        assign_ids(table(("a/1", "1.1", "7", None, None)), id_from=tmp_path / "none.csv")


image = st.tuples(
    st.sampled_from(["a/1", "a/2", "b/1", "b/c/1", "d"]),
    st.sampled_from(["1.1", "1.2", "1.3", None]),
    st.sampled_from(["A-1", "a1", "7", "7p1", None]),
    st.sampled_from(["k1", "k2", None]),
    st.sampled_from(["20200101", "20210101", "20120000", None]),
)


facts = st.tuples(st.sampled_from(["F", "M", None]), st.sampled_from([30.0, 71.0, None]))


@settings(max_examples=200, deadline=None)
@given(
    images=st.lists(st.tuples(image, facts), min_size=1, max_size=8),
    seed=st.integers(0, 99),
    id_from=st.sampled_from(["auto", "patient-id", "folder"]),
)
def test_the_order_of_files_does_not_matter(
    images: list[tuple[Image, tuple[str | None, float | None]]], seed: int, id_from: str
) -> None:
    plain = with_facts(table(*(one for one, _ in images)), *(said for _, said in images))
    numbered = plain.with_columns(sop_uid=pl.int_range(pl.len()).cast(pl.String))
    ids = assign_ids(numbered, id_from=id_from)
    shuffled = assign_ids(numbered.sample(fraction=1.0, shuffle=True, seed=seed), id_from=id_from)
    assert ids.notes.equals(shuffled.notes)
    assert ids.studies.equals(shuffled.studies)
    assert ids.instances.equals(shuffled.instances.sort(pl.col("sop_uid").cast(pl.Int32)))
    given = ids.instances.select(pl.col("participant_id").str.to_lowercase(), "session_id", "study_uid").unique()
    assert given.select("participant_id", "session_id").is_duplicated().sum() == 0  # a session is one study
    assert ids.instances["participant_id"].str.contains("^sub-[A-Za-z0-9]+$").all()
    known = ids.instances.drop_nulls("person_key")
    assert known.group_by("participant_id").agg(n=pl.col("person_key").n_unique())["n"].max() in (None, 1)
