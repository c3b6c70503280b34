"""A scan of real files: every series has a row with its reason, whatever the folders look like."""

import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dicom_factory import set_tags, truncate, write_junk, write_lax, write_localizer, write_sax, write_study
from hypothesis import given, settings
from hypothesis import strategies as st
from instance_rows import lax, sax, table

from cinema_cli.domain.errors import InputError
from cinema_cli.io import processes, study_tables
from cinema_cli.io.assembled import Assembled, Rules, assemble_rows
from cinema_cli.io.dictionary import data_dictionary, words_of
from cinema_cli.io.index import SERIES_SCHEMA, CohortIndex, explain, of_study, scan, studies, study_digest
from cinema_cli.io.instances import INSTANCE_SCHEMA
from cinema_cli.io.problems import problem_words

SCD = Path("/work/shared/data/scd/dicom")


def codes(index: CohortIndex) -> dict[str, int]:
    """Number of rows by reason code, 'used' for used ones."""
    named = pl.when(pl.col("verdict") == "used").then(pl.lit("used")).otherwise(pl.col("reason_code"))
    counted = index.series.group_by(code=named).len().sort("code")
    return dict(counted.iter_rows())


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole small visit with junk beside it, in a folder with awkward letters."""
    root = tmp_path_factory.mktemp("cohort") / "Köln [MR] study"
    write_study(root / "P001" / "Übung (1)")
    write_junk(root)
    return root


def test_a_whole_visit(visit: Path) -> None:
    index = scan(visit, jobs=1)
    assert dict(index.series.schema) == SERIES_SCHEMA
    assert codes(index) == {"used": 9, "localizer": 1, "flow": 2, "t1_map": 1, "lge": 1}
    assert set(index.images["view"]) == {"sax", "lax_2c", "lax_3c", "lax_4c"}
    assert index.series.filter(pl.col("reason") == "").is_empty()


def test_no_free_text_of_the_headers_leaves(tmp_path: Path) -> None:
    write_sax(tmp_path, slices=3, description="SAX Mrs Miller")
    index = scan(tmp_path, jobs=1)
    for written in (index.series, index.stacks, index.facts):
        assert "Miller" not in written.write_json()


@settings(max_examples=3, deadline=None)
@given(st.randoms(use_true_random=False))
def test_layout_and_names_of_files_do_not_matter(
    visit: Path, tmp_path_factory: pytest.TempPathFactory, random: Any
) -> None:
    root = tmp_path_factory.mktemp("flat")
    files = sorted(p for p in visit.rglob("s0*") if p.is_file())
    names = list(range(len(files)))
    random.shuffle(names)
    for name, file in zip(names, files, strict=True):
        target = root / f"{name % 7}" / f"{name:05d}"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(file, target)
    expected, found = scan(visit, jobs=1), scan(root, jobs=1)
    assert found.series.equals(expected.series)
    assert found.stacks.equals(expected.stacks)


def test_nothing_to_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError) as absent:
        scan(tmp_path / "none")
    with pytest.raises(InputError) as empty:
        scan(tmp_path)
    write_junk(tmp_path)
    with pytest.raises(InputError) as junk:
        scan(tmp_path, jobs=1)
    for path in write_sax(tmp_path, slices=1, frames=2):
        set_tags(path, Modality="CT")
    with pytest.raises(InputError) as other:
        scan(tmp_path, jobs=1)
    found = [e.value for e in (absent, empty, junk, other)]
    assert [e.code for e in found] == ["no_folder", "empty_folder", "no_dicom", "no_mr"]
    assert all(e.hint and e.exit_code == 66 for e in found)


def test_a_study_without_a_cine_is_listed_and_a_digest_follows_the_plan(tmp_path: Path) -> None:
    write_localizer(tmp_path / "b", patient_id="B")
    paths = write_sax(tmp_path / "a", slices=4, patient_id="A")
    index = scan(tmp_path, jobs=1)
    a, b = studies(index)
    assert (a.participant_id, b.participant_id) == ("sub-A", "sub-B")
    assert study_digest(index, a) == study_digest(scan(tmp_path, jobs=1), a) != study_digest(index, b)
    write_lax(tmp_path / "a", "lax_2c", patient_id="A")
    assert study_digest(scan(tmp_path, jobs=1), a) != study_digest(index, a)
    paths[0].unlink()
    assert codes(scan(tmp_path, jobs=1))["missing_frames"] == 1


def cut_short(paths: list[Path]) -> None:
    for path in paths:
        truncate(path, drop_bytes=500)


def test_truncated_files_keep_their_place_and_are_named(tmp_path: Path) -> None:
    write_sax(tmp_path / "whole", slices=4, patient_id="whole")
    cut_short(write_sax(tmp_path / "all", slices=4, patient_id="all"))
    cut_short(write_sax(tmp_path / "few", slices=4, patient_id="few")[11:13])
    cut_short(write_sax(tmp_path / "slice", slices=4, patient_id="slice", layout="series_per_slice")[:10])
    rows = {row["participant_id"]: row for row in scan(tmp_path, jobs=1).series.iter_rows(named=True)}
    assert set(rows) == {"sub-whole", "sub-all", "sub-few", "sub-slice"}
    assert rows.pop("sub-whole")["verdict"] == "used"
    assert {row["reason_code"] for row in rows.values()} == {"truncated"}
    assert rows["sub-all"]["reason"] == "all of its 40 images are truncated: the copy is incomplete"
    said = "2 of its 40 images are truncated (slice 2 frame 2, slice 2 frame 3): the copy is incomplete; --allow"
    assert said in rows["sub-few"]["reason"]
    assert "10 of its 40 images are truncated" in rows["sub-slice"]["reason"]
    assert "--allow-missing-frames" not in rows["sub-slice"]["reason"]  # a slice without a frame cannot be guessed
    allowed = scan(tmp_path, jobs=1, allow_missing_frames=2)
    few = allowed.images.filter(participant_id="sub-few", interpolated=True)
    assert few.select("slice_index", "frame_index").rows() == [(1, 1), (1, 2)]


def test_a_whole_copy_of_a_truncated_file_is_taken(tmp_path: Path) -> None:
    paths = write_sax(tmp_path / "b", slices=4)
    shutil.copytree(tmp_path / "b", tmp_path / "a")
    cut_short([tmp_path / "a" / paths[7].name])
    index = scan(tmp_path, jobs=1)
    assert codes(index) == {"used": 1} and not index.images["interpolated"].any()


def test_folders_of_which_nothing_can_be_read_are_named(tmp_path: Path) -> None:
    write_sax(tmp_path / "site" / "good", slices=3)
    lost = write_sax(tmp_path / "site" / "lost" / "cine", slices=1, frames=2, patient_id="lost")
    for path in lost:
        path.write_bytes(path.read_bytes()[:200])
    (tmp_path / "site" / "good" / "damaged.dcm").write_bytes(lost[0].read_bytes())
    index = scan(tmp_path, jobs=1)
    assert index.lost_folders == ("site/lost",)
    assert index.problems["code"].to_list() == ["truncated"] * 3


def test_folders_behind_links_that_are_not_followed_are_lost(tmp_path: Path) -> None:
    cohort, outside = tmp_path / "cohort", tmp_path / "elsewhere"
    images = write_sax(outside / "B", slices=1, frames=2)
    write_sax(cohort / "A", slices=3)
    (cohort / "B").symlink_to(outside / "B")
    (cohort / "C").symlink_to(tmp_path / "unplugged" / "C")
    (cohort / os.fsdecode(b"M\xfcller")).symlink_to(outside / "B")
    (cohort / "by_file").mkdir()
    for image in images:
        (cohort / "by_file" / image.name).symlink_to(image)
        (cohort / "A" / image.stem).symlink_to(image)  # whoever is in A has a row
        (cohort / "A" / f"gone_{image.stem}").symlink_to(tmp_path / "nothing")
    (cohort / "people.csv").symlink_to(tmp_path / "nothing.csv")  # no folder has such a name
    index = scan(cohort, jobs=1)
    assert index.lost_folders == ("B", "C", "M\\xfcller", "by_file")
    assert problem_words(index.problems) == [
        "6 links lead outside and are not followed",
        "4 links lead nowhere",
    ]


def test_links_that_lead_outside_and_locked_files_are_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sax(tmp_path / "elsewhere" / "P1", slices=1, frames=2)
    cohort = tmp_path / "cohort"
    cohort.mkdir()
    (cohort / "P1").symlink_to(tmp_path / "elsewhere" / "P1")
    with pytest.raises(InputError, match="1 link leads outside and is not followed") as linked:
        scan(cohort, jobs=1)
    assert linked.value.code == "links_outside" and "real folder" in linked.value.hint

    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cinema_cli.io.dicom_file.read_raw_header", refuses)
    with pytest.raises(InputError, match="2 files cannot be opened: permission denied") as locked:
        scan(tmp_path / "elsewhere", jobs=1)
    assert "right" in locked.value.hint
    monkeypatch.setattr("cinema_cli.io.folders.os.scandir", refuses)
    with pytest.raises(InputError, match="cannot be read: Permission denied") as closed:
        scan(tmp_path / "elsewhere", jobs=1)
    assert closed.value.exit_code == 66
    with pytest.raises(InputError, match=r"0000\.dcm is a file, not a folder"):
        scan(next((tmp_path / "elsewhere" / "P1").iterdir()))


def test_explain_tells_the_story_of_a_series(visit: Path) -> None:
    index = scan(visit, jobs=1)
    story = "\n".join(explain(index, "12"))
    for said in (
        "recognised as 'sax'",
        "10 frames",
        "trigger time",
        "series number 10, 11, 13",
        "used as sax: 6 slices",
    ):
        assert said in story
    uid = index.series.filter(pl.col("reason_code") == "flow")["series_uid"][0]
    assert "what to do" in "\n".join(explain(index, uid[-12:]))
    with pytest.raises(InputError):
        explain(index, "no such series")


def test_explain_of_a_refused_series_says_what_lacks_and_not_what_was_done(tmp_path: Path) -> None:
    write_sax(tmp_path, slices=4, missing=[(2, 4)], trigger_times=None)
    story = "\n".join(explain(scan(tmp_path, jobs=1), "10"))
    assert "grouped: 4 positions x 10 frames" in story
    assert "rejected (missing_frames): 1 frame is missing (slice 3, position unknown)" in story  # numbers have no gap
    assert "interpolated," not in story and "were interpolated" not in story


def test_a_spacing_of_zero_in_a_file_has_a_true_reason(tmp_path: Path) -> None:
    for path in write_sax(tmp_path, slices=3, frames=8):
        set_tags(path, PixelSpacing=["0", "0"])
    row = scan(tmp_path, jobs=1).series.row(0, named=True)
    assert row["reason_code"] == "bad_spacing"
    assert row["reason"] == "PixelSpacing is absent, zero or no pair of numbers: sizes cannot be measured"


@pytest.mark.skipif(not SCD.is_dir(), reason="the Sunnybrook studies are not on this machine")
def test_the_sunnybrook_studies() -> None:
    index = scan(SCD, jobs=1)
    used = index.series.filter(pl.col("verdict") == "used").sort("participant_id")
    assert used.select("view", "slices", "frames").rows() == [("sax", 12, 20), ("sax", 10, 20)]
    assert codes(index) == {"localizer": 2, "used": 2}
    assert index.facts["study_date"].to_list() == [None, None]


def test_rows_of_a_study_are_found_among_many(tmp_path: Path) -> None:
    for name in ("B", "A10", "A", "Z"):
        write_localizer(tmp_path / name, patient_id=name)
    index = scan(tmp_path, jobs=1)
    assert [key.participant_id for key in studies(index)] == ["sub-A", "sub-A10", "sub-B", "sub-Z"]
    for key in studies(index):
        assert of_study(index, "series", key).equals(index.series.filter(pl.col("study_uid") == key.study_uid))


def test_processes_put_in_order_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("B", "A10", "A"):
        write_sax(tmp_path / name, slices=3, frames=8, patient_id=name)
    alone = scan(tmp_path, jobs=1)
    monkeypatch.setattr(study_tables, "_AT_ONCE", 1)
    monkeypatch.setattr(processes, "POOL_PAYS_S", -1.0)
    told: list[tuple[str, int, int]] = []
    together = scan(tmp_path, jobs=2, progress=lambda *step: told.append(step))
    for name in ("series", "images", "stacks", "facts"):
        assert getattr(together, name).equals(getattr(alone, name))
    assert told == [("files", 72, 72), ("studies", 1, 3), ("studies", 2, 3), ("studies", 3, 3)]
    assert studies(together) == studies(alone) and together.n_files == 72


def index_of(rows: list[dict[str, Any]]) -> Assembled:
    """Tables of made-up image rows of one study, one frame allowed to be missing."""
    instances = table(rows).with_columns(participant_id=pl.lit("sub-1"), session_id=pl.lit("ses-1"))
    return assemble_rows(instances, rules=Rules({}, 1))


def test_the_dictionary_of_the_series_says_what_the_columns_hold() -> None:
    index = index_of(sax(8))
    words = data_dictionary(words_of("series"), index.series.columns)
    said = {name: entry["Description"] for name, entry in words.items()}
    used = index.series.filter(verdict="used").row(0, named=True)
    assert used["reason"].startswith("used as sax") and said["reason"].startswith("What the series is used as")
    assert used["transfer_syntax"] == "explicit little endian" and "in words" in said["transfer_syntax"]
    assert "used or rejected" in said["flags"]


def odd_value(random: Any, column: str) -> Any:
    """Nothing, zero, or something that does not belong."""
    kind = INSTANCE_SCHEMA[column]
    if kind in (pl.String, pl.Categorical):
        return random.choice([None, "", "odd"])
    return random.choice([None, True, False] if kind == pl.Boolean else [None, 0, -1, 7])


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_odd_headers_give_every_series_a_row_and_a_reason_in_any_order(random: Any) -> None:
    rows = sax(random.choice([1, 2, 4]), frames=random.choice([1, 3, 9])) + lax(
        random.uniform(0, 180), uid="9", number=9
    )
    columns = [c for c in INSTANCE_SCHEMA if c not in ("path", "frame_item", "study_uid", "defect")]
    for column in random.sample(columns, 4):
        share = random.choice([0.05, 0.3, 1.0])
        value = odd_value(random, column)
        rows = [r | {column: value} if random.random() < share else r for r in rows]
    index = index_of(rows)
    assert index.series["images"].sum() == len(rows)
    rejected = index.series.filter(verdict="rejected")
    assert not rejected.filter((pl.col("reason_code") == "") | (pl.col("reason") == "")).height
    moved = [r | {"path": f"moved/{i}"} for i, r in enumerate(random.sample(rows, len(rows)))]
    again = index_of(moved)
    assert again.series.equals(index.series)
    assert again.stacks.equals(index.stacks)
