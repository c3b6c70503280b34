"""`cinema scan`: table on stdout, summary on stderr, nothing written into the input, a hint with every error."""

import errno
import io
import json
import os
import re
import subprocess
from pathlib import Path

import polars as pl
import pytest
from dicom_factory import set_tags, truncate, write_junk, write_lax, write_localizer, write_sax, write_study

from cinema_cli.commands import scan as command
from cinema_cli.commands import series_columns
from cinema_cli.commands.app import run
from cinema_cli.commands.console import Console
from cinema_cli.commands.scan import SeriesFormat, scan, series_words
from cinema_cli.domain.errors import CinemaError, ConfigError, InputError, UsageError
from cinema_cli.io.identity import keyed_hash

SCD = Path("/work/shared/data/scd/dicom")


@pytest.fixture(autouse=True)
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    """A console that no other test has set up."""
    fresh = Console()
    monkeypatch.setattr(command, "CONSOLE", fresh)
    monkeypatch.setattr(series_columns, "CONSOLE", fresh)
    return fresh


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two visits with junk beside them, and a file that is cut off."""
    root = tmp_path_factory.mktemp("cohort")
    write_study(root / "one")
    write_sax(root / "two", patient_id="P002", name="Roe^Rex", slices=4, style="ge", description="")
    scout = write_localizer(root / "two", patient_id="P002", name="Roe^Rex", style="ge")
    truncate(scout[0], drop_bytes=1)
    write_junk(root)
    return root


def test_stdout_is_a_table_and_stderr_a_summary(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan(cohort)
    out, err = capsys.readouterr()
    table = pl.read_csv(io.StringIO(out))
    used = table.filter(verdict="used")
    assert set(used["participant_id"]) == {"sub-P001", "sub-P002"}
    assert set(used["view"]) == {"sax", "lax_2c", "lax_3c", "lax_4c"}
    assert table.filter(verdict="rejected")["reason"].null_count() == 0
    assert f"2 studies, {used.height} series used, " in err
    assert "localizer" in err
    assert "two/s001_0000.dcm: The file cannot be used: its pixel data has 2047 bytes" in err
    assert not any(word in out + err for word in ("Doe", "Roe", "19600203"))


def test_every_format_holds_the_same_table(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan(cohort, out=str(tmp_path / "out"))
    assert capsys.readouterr().out == ""
    folder = pl.read_parquet(tmp_path / "out" / "series.parquet")
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"series.parquet", "series.csv"}
    scan(cohort, out=str(tmp_path / "alone.parquet"))
    assert pl.read_parquet(tmp_path / "alone.parquet").equals(folder)
    scan(cohort, out="-", as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["series_uid"] for row in rows] == folder["series_uid"].to_list()
    scan(cohort, out=str(tmp_path / "table.txt"), file_format=SeriesFormat.CSV)
    assert (tmp_path / "table.txt").read_text() == (tmp_path / "out" / "series.csv").read_text()


def test_the_input_stays_as_it_was(cohort: Path, tmp_path: Path) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in cohort.rglob("*")}

    before = state()
    scan(cohort, out=str(tmp_path / "out"))
    assert state() == before
    with pytest.raises(UsageError, match="inside the input"):
        scan(cohort, out=str(cohort / "out"))
    assert state() == before


def test_one_series_is_explained(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan(cohort, out="-")
    table = pl.read_csv(io.StringIO(capsys.readouterr().out))
    uid = table.filter(participant_id="sub-P002", verdict="used")["series_uid"][0]
    for query in (uid, uid[:20], uid[-12:]):
        scan(cohort, explain=query)
        story = capsys.readouterr().out
        assert f"Series {uid}" in story
        assert "used as sax: 4 slices x 10 frames" in story
    with pytest.raises(InputError, match="no series matches"):
        scan(cohort, explain="9.9.9")


def test_a_number_that_many_studies_have_is_told_of_one(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan(cohort, explain="1")
    assert capsys.readouterr().out.count("\nSeries") == 1  # both people have a localizer of that number
    scan(cohort, explain="sub-P002/ses-1/1")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Series")]
    assert "sub-P002 ses-1" in line
    for study in ("sub-P002/ses-1/", "sub-P002/ses-1", "sub-P002"):
        scan(cohort, explain=study)
        assert capsys.readouterr().out.count("Series ") == 2
    with pytest.raises(InputError, match="no series of sub-P009"):
        scan(cohort, explain="sub-P009/1")
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    scan(cohort, hash_ids=key)
    table = pl.read_csv(io.StringIO(capsys.readouterr().out))
    assert not table["series_uid"].str.contains(".", literal=True).any()
    scan(cohort, hash_ids=key, explain=table["series_uid"][0])
    assert capsys.readouterr().out.startswith("Series ")


def test_a_hashed_uid_from_the_table_means_its_series(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows(**options: object) -> pl.DataFrame:
        scan(cohort, hash_ids=key, **options)  # type: ignore[arg-type]
        return pl.read_csv(io.StringIO(capsys.readouterr().out))

    key, views = tmp_path / "key", tmp_path / "views.csv"
    key.write_text("0123456789abcdef")
    scan(cohort)
    plain = pl.read_csv(io.StringIO(capsys.readouterr().out)).filter(participant_id="sub-P002", view="sax")
    raw, hashed = plain["series_uid"][0], keyed_hash(plain["series_uid"][0], b"0123456789abcdef")
    for query in (hashed, hashed[:9], hashed[-9:], raw, raw[:20], raw[-12:]):
        scan(cohort, hash_ids=key, explain=query)
        story = capsys.readouterr().out
        assert story.startswith(f"Series {hashed}, ") and raw not in story and story.count("Series ") == 1
    assert rows().filter(series_uid=hashed)["verdict"].to_list() == ["used"]
    for uid in (hashed, raw, hashed.upper()):
        views.write_text(f"series_uid,view\n{uid},ignore\n")
        found = rows(views=views)
        assert found.filter(series_uid=hashed)["verdict"].to_list() == ["rejected"]
    views.write_text(f"series_uid,view\n{hashed},ignore\n{raw},sax\n")
    with pytest.raises(ConfigError, match="by uid and by hash, and contradict each other"):
        rows(views=views)


def test_a_terminal_gets_columns_to_read(cohort: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip  # noqa: E501
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    scan(cohort)
    lines = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()
    assert lines[0].split() == ["participant", "session", "series", "view", "slices", "frames", "ms/frame"]
    assert any(line.startswith("sub-P002") and " sax " in line and line.rstrip().endswith("used") for line in lines)
    assert any("rejected: localizer" in line for line in lines)
    monkeypatch.setattr(series_columns, "MOST_ROWS", 2)
    scan(cohort)
    streams = capsys.readouterr()
    assert len(streams.out.splitlines()) == 3 and "14 more series are not shown" in streams.err


def test_ids_can_be_hashed(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    scan(cohort, hash_ids=key)
    found = set(pl.read_csv(io.StringIO(capsys.readouterr().out))["participant_id"])
    assert len(found) == 2
    assert all(len(participant) == 20 and "P00" not in participant for participant in found)
    with pytest.raises(ConfigError, match="cannot read the key file"):
        scan(cohort, hash_ids=tmp_path / "none")


@pytest.mark.parametrize("case", ["absent", "empty", "no dicom", "no mr"])
def test_nothing_to_scan_is_an_input_error_with_a_hint(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "cohort"
    if case != "absent":
        folder.mkdir()
    if case == "no dicom":
        (folder / "notes.txt").write_text("nothing here")
    if case == "no mr":
        for path in write_lax(folder, "lax_4c", frames=2):
            set_tags(path, Modality="CT")
    with pytest.raises(CinemaError) as caught:
        scan(folder)
    assert caught.value.exit_code == 66
    assert caught.value.hint


def test_names_with_brackets_blanks_and_letters_of_all_kinds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sax(tmp_path / "Köln [1] (α) ünd 心", slices=4, frames=8)
    scan(tmp_path)
    assert pl.read_csv(io.StringIO(capsys.readouterr().out))["verdict"].to_list() == ["used"]


@pytest.mark.skipif(not SCD.is_dir(), reason="the Sunnybrook studies are not on this machine")
def test_real_studies_keep_their_stacks_and_lose_their_localizers(capsys: pytest.CaptureFixture[str]) -> None:
    scan(SCD)
    table = pl.read_csv(io.StringIO(capsys.readouterr().out))
    used = table.filter(verdict="used").select("participant_id", "view", "slices", "frames").sort("participant_id")
    assert used.rows() == [("sub-SCD0000101", "sax", 12, 20), ("sub-SCD0000301", "sax", 10, 20)]
    assert set(table.filter(verdict="rejected")["reason_code"]) == {"localizer"}


def test_the_program_ends_with_the_code_that_fits(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scan", str(cohort), "-o", "-", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)
    (tmp_path / "file").write_text("")
    codes = {
        66: ["scan", str(tmp_path / "absent")],
        2: ["scan", str(cohort), "--allow-missing-frames", "-1"],
        78: ["scan", str(cohort), "--id-from", str(tmp_path / "file")],
        73: ["scan", str(cohort), "-o", str(tmp_path / "file" / "out")],
    }
    for code, arguments in codes.items():
        assert run(arguments) == code
        assert "hint:" in capsys.readouterr().err


def test_a_link_a_pipe_and_a_device_are_written_to_and_stay(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link, pipe, own = tmp_path / "link.csv", tmp_path / "pipe", tmp_path / "table"
    link.symlink_to(own)
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        for out in (link, pipe, own, Path("/dev/null")):
            assert run(["scan", str(cohort), "-q", "-o", str(out)]) == 0
        assert reader.stdout is not None and reader.stdout.read() == own.read_bytes()
    assert link.is_symlink() and pipe.is_fifo() and Path("/dev/null").is_char_device()
    assert run(["scan", str(cohort), "-q", "-o", "/dev/full"]) == 73
    assert "No space left on device" in capsys.readouterr().err


def test_people_who_may_be_missing_are_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sax(tmp_path / "A", slices=3)
    for path in write_sax(tmp_path / "B", patient_id="P002", slices=1, frames=2):
        path.write_bytes(path.read_bytes()[:300])
    assert run(["scan", str(tmp_path)]) == 3
    streams = capsys.readouterr()
    assert "sub-P001" in streams.out and "B: no DICOM file in it could be read" in streams.err


def test_a_folder_that_may_not_be_read_is_no_wrong_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("os.access", lambda *_, **__: False)
    monkeypatch.setattr("cinema_cli.io.folders.os.scandir", refuses)
    assert run(["scan", str(tmp_path)]) == 66
    assert capsys.readouterr().err.endswith("cannot be read: Permission denied\nhint: Ask for the right to read it.\n")


@pytest.mark.parametrize(
    "options", [["--json", "--format", "csv"], ["--explain", "10", "-o", "x.csv"], ["--explain", "10", "--json"]]
)
def test_no_option_wins_silently_over_another(
    options: list[str], cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scan", str(cohort), *options]) == 2
    streams = capsys.readouterr()
    assert streams.out == "" and "hint: " in streams.err


def test_label_maps_are_set_aside_and_not_rejected() -> None:
    codes = ["", "", "flow", "label_map"]
    series = pl.DataFrame({"verdict": ["used"] * 2 + ["rejected"] * 2, "reason_code": codes})
    assert series_words(series, why="flow 1") == "2 series used, 1 rejected (flow 1), 1 label map set aside"
    assert series_words(series[:2], why="") == "2 series used"
