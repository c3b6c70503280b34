"""What `cinema survival`, `evaluate` and `fairness` have in common: what they refuse, and folders that stay whole."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from cinema_cli.analysis.survival.columns import PARTICIPANT_NAMES, PARTICIPANT_WORDS
from cinema_cli.commands import analysis_files
from cinema_cli.commands.analysis_options import IdColumn
from cinema_cli.commands.app import run
from cinema_cli.commands.options import CONSOLE
from cinema_cli.domain.errors import OutputError
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.id_kind import keep_ids
from cinema_cli.io.identity import keyed_hash, read_key

OTHER = {"survival": "--outcomes", "evaluate": "--reference", "fairness": "--people"}
CHOSEN = {
    "survival": ["--bootstrap", "0"],
    "evaluate": [],
    "fairness": ["--groups", "sex", "--permutations", "9", "--bootstrap", "9", "--jobs", "1"],
}
ROWS = [(f"{k:03d}", 50 + k % 7, "FM"[k % 2], 1 + k % 5, k % 2) for k in range(40)]
Alter = Callable[[str], bytes]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a table of phenotypes and another of everything else."""
    monkeypatch.chdir(tmp_path)
    CONSOLE.forget()
    for name in ("ours.csv", "other.csv"):
        lines = ["participant_id,lvef_pct,sex,time,event", *(",".join(map(str, row)) for row in ROWS)]
        Path(name).write_text("\n".join(lines) + "\n")


def asked(command: str, *more: str, ours: str = "ours.csv", other: str = "other.csv") -> list[str]:
    return [command, ours, OTHER[command], other, "-o", "out", "-q", *CHOSEN[command], *more]


def whole(folder: str = "out") -> dict[str, bytes]:
    """Every file but logs."""
    found = (path for path in Path(folder).rglob("*") if path.is_file() and "logs" not in path.parts)
    return {path.as_posix(): path.read_bytes() for path in found}


def test_help_and_errors_name_every_column_that_is_taken_for_ids() -> None:
    assert all(name in PARTICIPANT_WORDS for name in PARTICIPANT_NAMES)
    assert f"[default: {PARTICIPANT_WORDS}]" in get_args(IdColumn)[1].help


@pytest.mark.parametrize("which", ["ours", "other"])
@pytest.mark.parametrize("command", OTHER)
@pytest.mark.parametrize(
    ("alter", "code", "says"),
    [
        (lambda text: b"", 78, ".csv is empty"),
        (lambda text: text.splitlines()[0].encode(), 66, ".csv has no rows"),
        (lambda text: text.encode("utf-16"), 78, ".csv is UTF-16 text"),
        (lambda text: text.replace("participant_id", "who").encode(), 78, f"has no column {PARTICIPANT_WORDS}"),
        (
            lambda text: (text + text.splitlines()[1]).encode(),
            78,
            ".csv, rows 2, 42: participant '000' has several rows",
        ),
        (lambda text: (text + ",1,F,2,1\n").encode(), 78, ".csv, row 42: participant_id is empty"),
        (lambda text: text.replace("003,", "").encode(), 78, ".csv row 5: 4 cells, the header has 5"),
        (lambda text: text.replace(",", ";").replace("50;F", "50,5;F").encode(), 78, "with a decimal comma"),
    ],
)
def test_a_table_that_is_none_is_refused_and_nothing_is_written(
    command: str, which: str, alter: Alter, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.csv").write_bytes(alter(Path(f"{which}.csv").read_text()))
    assert run(asked(command, **{which: "bad.csv"})) == code
    said = capsys.readouterr().err
    assert says in said and said.count("error: ") == 1 and "hint: " in said
    assert not Path("out").exists()


@pytest.mark.parametrize("command", OTHER)
@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ({"ours": "nowhere"}, 66, "there is no nowhere"),
        ({"other": "nowhere.csv"}, 66, "nowhere.csv"),
        ({"ours": "folder"}, 66, "no phenotypes.parquet in folder"),
        (["--id-column", "whom"], 78, "no column whom"),
        (["--groups", "nope"], 78, "no column nope"),
        (["--hash-ids", "nowhere"], 78, "cannot read the key file nowhere"),
        (["-o", "ours.csv"], 73, "choose another --out"),
        (["-o", "ours.csv/x"], 73, "choose another --out"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    command: str, more: list[str] | dict[str, str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("folder").mkdir()
    before = sorted(Path().rglob("*"))
    assert run(asked(command, **more) if isinstance(more, dict) else asked(command, *more)) == code
    said = capsys.readouterr().err
    assert says in said and said.count("error: ") == 1 and "hint: " in said
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("command", OTHER)
def test_hashed_ids_without_their_key_are_told_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("key", "another"):
        Path(name).write_text(f"{name}, of sixteen bytes")
    key = read_key(Path("key"))
    head, *rows = Path("ours.csv").read_text().splitlines()
    hashed = [f"sub-{keyed_hash(bare, key)},{rest}" for bare, _, rest in (row.partition(",") for row in rows)]
    Path("ours.csv").write_text("\n".join([head, *hashed]) + "\n")
    keep_ids(Path(), hash_key=key)
    assert run(asked(command)) == 66
    assert "give --hash-ids with the key file" in capsys.readouterr().err
    assert run(asked(command, "--hash-ids", "another")) == 78
    assert "hashed with another key" in capsys.readouterr().err and not Path("out").exists()


def test_masks_and_a_table_have_nothing_in_common(capsys: pytest.CaptureFixture[str]) -> None:
    Path("masks").mkdir()
    assert run(asked("evaluate", other="masks")) == 2
    assert "ours.csv is a table, masks a folder of masks" in capsys.readouterr().err
    assert run(asked("evaluate", "--against", "nowhere")) == 66


@pytest.mark.parametrize("command", OTHER)
def test_no_input_is_ever_replaced(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(Path(), "out", ignore=shutil.ignore_patterns("out"))
    Path("out/ours.csv").rename("out/estimates.csv")
    before = whole()
    assert run(asked(command, ours="out/estimates.csv")) == 2
    assert "out/estimates.csv would be replaced" in capsys.readouterr().err and whole() == before


@pytest.mark.parametrize("command", OTHER)
def test_a_full_disk_and_an_interruption_leave_the_last_results(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(asked(command)) == 0
    before = whole()

    def full(path: Path) -> OutputError:
        return OutputError(f"cannot write {path}: No space left on device", hint="", code="full")

    for stop, code in ((full, 73), (lambda path: KeyboardInterrupt(), 130)):

        def stopped(path: Path, content: str, stop: Callable[[Path], BaseException] = stop) -> Path:
            if path.name == "report.html":
                raise stop(path)
            return write_atomic(path, content)

        monkeypatch.setattr(analysis_files, "write_atomic", stopped)
        assert run(asked(command)) == code
        assert whole() == before and not list(Path("out").glob(".*.part"))
    said = capsys.readouterr().err
    assert f"cannot write {Path('out', 'report.html')}: No space left on device" in said and "interrupted" in said


@pytest.mark.parametrize("command", OTHER)
def test_other_forms_of_a_table_give_the_same_numbers(command: str) -> None:
    """A mark of UTF-8, line ends of Windows and semicolons, as spreadsheets save them."""
    assert run(asked(command)) == 0
    plain = Path("ours.csv").read_text()
    Path("ours.csv").write_bytes(b"\xef\xbb\xbf" + plain.replace(",", ";").replace("\n", "\r\n").encode())
    before = Path("out/estimates.csv").read_bytes()
    assert run(asked(command)) == 0 and Path("out/estimates.csv").read_bytes() == before
