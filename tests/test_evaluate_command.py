"""`cinema evaluate` from its command line to its folder: planted errors come back as the numbers they are."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from cinema_cli.analysis.estimates import SCHEMA
from cinema_cli.analysis.evaluation.table import EVALUATION
from cinema_cli.commands.app import run
from cinema_cli.commands.console import Console, LogFormat
from cinema_cli.commands.options import CONSOLE
from cinema_cli.domain.errors import InputError
from cinema_cli.io.identity import is_hashed, keyed_hash
from cinema_cli.io.mask_images import image_beside, read_frame

ACDC = Path("/work/shared/data/acdc-validation")
SCD = Path("/work/shared/data/scd")
ALL = ["--no-suppress", "--no-progress"]
LV = 3
Labels = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """The console of this process as a command begins with it, and no CINEMA_* setting of the machine."""
    for name in [n for n in os.environ if n.startswith("CINEMA_") and n != "CINEMA_GOLDEN"]:
        monkeypatch.delenv(name)
    CONSOLE.forget()
    CONSOLE.quiet, CONSOLE.verbose, CONSOLE.progress, CONSOLE.log_format = False, 0, True, LogFormat.TEXT
    yield CONSOLE
    CONSOLE.forget()


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """True labels of four made hearts."""
    out = tmp_path_factory.mktemp("hearts")
    assert run(["simulate", str(out), "-N", "4", "--small", "--frames", "4", "--labels", "--views", "sax", "-q"]) == 0
    return out / "labels"


def changed(path: Path, to: Path, change: Callable[[Labels], Labels]) -> None:
    """A copy of a mask after `change` of its labels (column, row, slice, frame)."""
    image = nib.load(path)
    labels = np.asarray(image.dataobj).astype(np.uint8)
    to.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(change(labels), image.affine, image.header), to)


def empty_of_lv(labels: Labels) -> Labels:
    """Without the cavity."""
    return np.where(labels == LV, 0, labels).astype(np.uint8)


def without_a_slice(labels: Labels) -> Labels:
    """Without everything in one slice in which there is a cavity."""
    at = int(np.flatnonzero((labels == LV).any(axis=(0, 1, 3)))[0])
    out = labels.copy()
    out[:, :, at] = 0
    return out


@pytest.fixture(scope="module")
def predicted(truth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Masks of a system that does the first heart right, loses the cavity of the second, a slice of the third, and
    does not do the fourth."""
    out = tmp_path_factory.mktemp("system")
    for path, change in zip(sorted(truth.glob("*.nii.gz")), (np.copy, empty_of_lv, without_a_slice), strict=False):
        changed(path, out / path.name, change)
    return out


@pytest.fixture(scope="module")
def evaluated(truth: Path, predicted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an evaluation, with another system that is right each time."""
    out = tmp_path_factory.mktemp("evaluation") / "out"
    people = out.with_name("people.csv")
    people.write_text("participant_id,sex\nSIM0001,F\nSIM0002,F\nSIM0003,M\nSIM0004,M\n")
    asked = ["--against", str(truth), "--margin", "dice=0.1,lvef_pct=3", "--groups", "sex", "--people", str(people)]
    assert run(["evaluate", str(predicted), "--reference", str(truth), "-o", str(out), "-q", *asked, *ALL]) == 0
    return out


def test_the_folder_holds_all_and_rows_of_people_apart(evaluated: Path) -> None:
    found = {path.relative_to(evaluated).as_posix() for path in evaluated.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith("logs/")} == {
        *("report.html", "evaluation.json", "estimates.csv", "estimates.parquet", "estimates.json"),
        *(f"individual/{name}" for name in ("README", "evaluation.csv", "evaluation.parquet", "evaluation.json")),
        "individual/worst.html",
    }
    estimates = pl.read_parquet(evaluated / "estimates.parquet")
    assert estimates.schema == SCHEMA
    assert pl.read_csv(evaluated / "estimates.csv", schema_overrides=SCHEMA).equals(estimates)
    assert pl.read_parquet(evaluated / "individual" / "evaluation.parquet").schema == EVALUATION
    assert set(json.loads((evaluated / "individual" / "evaluation.json").read_text())) == set(EVALUATION)


def test_planted_errors_come_back_study_by_study(evaluated: Path, truth: Path) -> None:
    table = pl.read_parquet(evaluated / "individual" / "evaluation.parquet").filter(system="this", term="lv")
    dice = table.filter(metric="dice")
    right, lost, part, absent = (dice.filter(participant_id=f"sub-SIM000{k}") for k in range(1, 5))
    assert right["value"].to_list() == [1.0] * right.height and set(right["note"]) == {""}
    assert set(lost["value"]) == {0.0} and set(lost["note"]) == {"empty_prediction"}
    assert set(absent["note"]) == {"no_prediction"} and absent["value"].null_count() == absent.height
    labels = np.asarray(nib.load(truth / "sub-SIM0003_sax_dseg.nii.gz").dataobj)
    volumes = (labels == LV).sum(axis=(0, 1, 2))
    kept = (without_a_slice(labels) == LV).sum(axis=(0, 1, 2))
    expected = 2 * kept / (volumes + kept)
    at = {"ed": int(np.argmax(volumes)), "es": int(np.argmin(volumes))}
    for frame, value in part.select("frame", "value").iter_rows():
        assert value == pytest.approx(expected[at[frame] if frame in at else int(frame)])
    lost_distance = table.filter(metric="hd95_mm", participant_id="sub-SIM0002")
    assert lost_distance["value"].null_count() == lost_distance.height


def test_means_counts_and_agreement_are_those_of_the_studies(evaluated: Path) -> None:
    table = pl.read_parquet(evaluated / "individual" / "evaluation.parquet").filter(system="this")
    rows = pl.read_parquet(evaluated / "estimates.parquet")
    of_ed = table.filter(metric="dice", term="lv", frame="ed")["value"].drop_nulls()
    mean = rows.filter(analysis="evaluation", model="dice", term="lv", level="ed", group="").row(0, named=True)
    assert mean["n"] == 3 and mean["estimate"] == pytest.approx(of_ed.mean())
    women = rows.filter(analysis="evaluation", model="dice", term="lv", level="ed", group="sex=F").row(0, named=True)
    assert (women["n"], women["estimate"]) == (2, 0.5)
    counts = rows.filter(analysis="counts", term="lv", level="ed").select("model", "n").rows()
    assert dict(counts) == {"empty_prediction": 1, "no_prediction": 1}
    values = table.filter(kind="value", term="lvedv_ml")
    mae = rows.filter(analysis="agreement", model="mae", term="lvedv_ml", group="").row(0, named=True)
    assert mae["n"] == 3
    assert_allclose(mae["estimate"], (values["prediction"] - values["reference"]).abs().mean())


def test_two_systems_are_told_apart(evaluated: Path) -> None:
    rows = pl.read_parquet(evaluated / "estimates.parquet")
    apart = rows.filter(analysis="difference", model="dice", term="lv", level="ed").row(0, named=True)
    assert apart["n"] == 3 and apart["estimate"] < -0.3
    verdict = rows.filter(analysis="non_inferiority", model="dice", term="lv", group="ed").row(0, named=True)
    assert (verdict["level"], verdict["unit"]) == ("0.1", "not shown")


def test_what_made_it_is_written_down_without_folders_and_people(evaluated: Path, truth: Path) -> None:
    said = json.loads((evaluated / "evaluation.json").read_text())
    assert said["settings"]["margins"] == {"dice": 0.1, "lvef_pct": 3.0} and said["settings"]["suppressed"] is False
    assert {one["name"] for one in said["inputs"]} >= {"people.csv", "masks (3 files)", "reference masks (4 files)"}
    assert all(len(one["sha256"]) == 64 for one in said["inputs"])
    assert str(truth) not in json.dumps(said) and "SIM" not in json.dumps(said)
    page = (evaluated / "report.html").read_text()
    assert "SIM0002" not in page and "SIM0002" in (evaluated / "individual" / "worst.html").read_text()


def test_the_same_command_gives_the_same_numbers(truth: Path, predicted: Path, evaluated: Path, tmp_path: Path) -> None:
    config = next(evaluated.glob("logs/*/config.toml"))
    asked = ["evaluate", str(predicted), "--reference", str(truth), "-o", str(tmp_path / "o"), "--config", str(config)]
    assert run([*asked, "-q"]) == 0
    for name in ("estimates.csv", "individual/evaluation.csv"):
        assert (tmp_path / "o" / name).read_bytes() == (evaluated / name).read_bytes()


def test_few_studies_are_not_shown_unless_asked(
    truth: Path, predicted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", str(predicted), "--reference", str(truth), "-o", str(tmp_path), "--no-progress"]) == 0
    said = capsys.readouterr().err
    assert "1 of 4 studies have reference masks and no prediction\n" in said and "3 participants compared" in said
    rows = pl.read_parquet(tmp_path / "estimates.parquet")
    assert rows.height and rows["estimate"].null_count() == rows.height and rows["n"].drop_nulls().sum() == 0


def test_labels_that_look_swapped_are_asked_about(
    truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["evaluate", str(truth), "--reference", str(truth), "-o", str(tmp_path / "o"), *ALL]
    assert run([*asked, "--labels", "mnms"]) == 0
    assert "is --labels right?" in capsys.readouterr().err
    assert run(asked) == 0
    assert "is --labels right?" not in capsys.readouterr().err


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Phenotypes of 24 people, and the truth about them by other names."""
    out = tmp_path_factory.mktemp("tables")
    k = np.arange(24)
    true = 40.0 + k
    pl.DataFrame({"participant_id": [f"sub-{i:03d}" for i in k], "lvef_pct": true + (-1.0) ** k * 2}).write_csv(
        out / "ours.csv"
    )
    pl.DataFrame({"patient": [f"{i:03d}" for i in k], "ef": true, "sex": ["F", "M"] * 12}).write_csv(out / "true.csv")
    return out / "ours.csv", out / "true.csv"


def test_a_table_of_values_is_a_reference(
    tables: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, true = tables
    asked = ["--map", "ef=lvef_pct", "--groups", "sex", "--json", "-q"]
    assert run(["evaluate", str(ours), "--reference", str(true), "-o", str(tmp_path), *asked]) == 0
    assert json.loads(capsys.readouterr().out)["mae"] == {"lvef_pct": pytest.approx(2.0)}
    rows = pl.read_parquet(tmp_path / "estimates.parquet").filter(analysis="agreement", model="bias")
    assert dict(rows.select("group", "estimate").rows()) == pytest.approx({"": 0.0, "sex=F": 2.0, "sex=M": -2.0})


def test_a_table_needs_a_folder_and_another_system_something_to_compare(
    tables: tuple[Path, Path], truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, true = (str(path) for path in tables)
    assert run(["evaluate", ours, "--reference", true]) == 2
    assert "ours.csv is a table: where to write is not known" in capsys.readouterr().err
    asked = ["--map", "ef=lvef_pct", "-o", str(tmp_path)]
    assert run(["evaluate", ours, "--reference", true, "--against", str(truth), *asked]) == 2
    assert "has no table of values" in capsys.readouterr().err
    assert run(["evaluate", ours, "--reference", true, "--against", ours, *asked, "--margin", "lvef_pct=1"]) == 0
    rows = pl.read_parquet(tmp_path / "estimates.parquet")
    apart = rows.filter(analysis="difference", model="mae").row(0, named=True)
    assert (apart["n"], apart["estimate"], apart["p"]) == (24, 0.0, 1.0)
    assert rows.filter(analysis="non_inferiority")["unit"].to_list() == ["non-inferior at the margin"]


def test_sessions_of_a_participant_are_repeats(tmp_path: Path) -> None:
    people = [f"sub-{k:02d}" for k in range(12) for _ in range(2)]
    values = [50.0 + k + (1.0 if visit else -1.0) for k in range(12) for visit in range(2)]
    table = tmp_path / "ours.csv"
    pl.DataFrame({"participant_id": people, "session_id": ["ses-1", "ses-2"] * 12, "lvef_pct": values}).write_csv(table)
    assert run(["evaluate", str(table), "--repeat", "sessions", "-o", str(tmp_path / "o"), "-q"]) == 0
    rows = pl.read_parquet(tmp_path / "o" / "estimates.parquet").filter(analysis="repeatability", term="lvef_pct")
    found = dict(rows.select("model", "estimate").rows())
    assert found["wsd"] == pytest.approx(np.sqrt(2.0)) and abs(found["bias"]) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ([], 2, "nothing to compare with"),
        (["--reference", "{truth}", "--margin", "dice=0.1"], 2, "--margin is for two systems"),
        (["--reference", "{truth}", "--against", "{truth}", "--margin", "dice"], 2, "is no pair"),
        (["--reference", "{truth}", "--against", "{truth}", "--margin", "dice=-1"], 2, "no size above 0"),
        (["--reference", "{truth}", "--labels", "1=heart"], 2, "not an order of labels"),
        (["--reference", "{truth}", "--labels", "1=lv"], 66, "does not know"),
        (["--reference", "{truth}", "--groups", "sex"], 2, "nothing is known of people"),
        (["--reference", "{empty}"], 66, "no reference masks"),
        (["--reference", "{other}"], 66, "has sub-SIM0001, sub-SIM0002, sub-SIM0003, others has sub-patient9"),
        (["--reference", "{table}"], 66, "no phenotypes.parquet"),
        (["--reference", "{truth}", "-o", "{truth}/here"], 2, "lies inside the input"),
    ],
)
def test_what_cannot_be_done_is_said(
    truth: Path, predicted: Path, tables: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    asked: list[str], code: int, said: str,
) -> None:  # fmt: skip
    (tmp_path / "empty").mkdir()
    (tmp_path / "others").mkdir()
    shutil.copy(truth / "sub-SIM0001_sax_dseg.nii.gz", tmp_path / "others" / "patient9_ed_gt.nii.gz")
    places = {"table": tables[1], "truth": truth, "empty": tmp_path / "empty", "other": tmp_path / "others"}
    words = [word.format(**places) for word in asked]
    out = [] if "-o" in words else ["-o", str(tmp_path / "out")]
    assert run(["evaluate", str(predicted), *words, *out, *ALL]) == code
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.skipif(not ACDC.is_dir(), reason="ACDC is not on this machine")
def test_labels_of_acdc_are_read_as_they_are(tmp_path: Path) -> None:
    """Masks of two patients against themselves, with the volumes of the data set's own table."""
    ours = tmp_path / "ours"
    ours.mkdir()
    for path in sorted(ACDC.glob("patient0[01]1_e?_gt.nii.gz")):
        shutil.copy(path, ours / path.name.replace("_gt", ""))
    out = tmp_path / "out"
    assert run(["evaluate", str(ours), "--reference", str(ACDC), "-o", str(out), "-q", *ALL]) == 0
    table = pl.read_parquet(out / "individual" / "evaluation.parquet")
    assert set(table.filter(pl.col("metric") == "dice")["value"].drop_nulls()) == {1.0}
    volumes = (
        table.filter(kind="value").sort("participant_id").pivot("term", index="participant_id", values="reference")
    )
    truth = pl.read_csv(ACDC / "reference.csv").filter(pl.col("patient").is_in(["patient001", "patient011"]))
    for ours_name, theirs in (("lvedv_ml", "lvedv_ml"), ("lvef_pct", "lvef"), ("rvesv_ml", "rvesv_ml")):
        assert_allclose(volumes[ours_name], truth[theirs], rtol=1e-3)


def test_the_image_of_a_mask_lies_beside_it(tmp_path: Path) -> None:
    for name in ("p1_ed.nii.gz", "p1_ed_gt.nii.gz", "p1_es.nii.gz", "p2_ed_gt.nii.gz"):
        nib.save(nib.Nifti1Image(np.full((4, 3, 2), 7.0, np.float32), np.eye(4)), tmp_path / name)
    image = image_beside(tmp_path / "p1_ed_gt.nii.gz")
    assert image == tmp_path / "p1_ed.nii.gz" and image_beside(tmp_path / "p2_ed_gt.nii.gz") is None
    pixels = read_frame(image).pixels
    assert pixels.shape == (2, 3, 4) and pixels.dtype == np.float32
    with pytest.raises(InputError, match="no image of frame 1"):
        read_frame(image, frame=1)
    image.write_bytes(b"no image")
    with pytest.raises(InputError, match="cannot be read"):
        read_frame(image)


@pytest.mark.skipif(not SCD.is_dir(), reason="the Sunnybrook data are not on this machine")
def test_contours_of_sunnybrook_give_the_volumes_of_its_table(tmp_path: Path) -> None:
    """Contours of one patient against masks that are filled the same; the other patient has no masks."""
    from cinema_cli.io.contours import read_contours

    person = "SCD0000301"
    stack = read_contours(SCD / "contours" / person, images=SCD / "dicom" / person)
    image = nib.Nifti1Image(stack.labels.T.astype(np.uint8), stack.affine_ras)
    (tmp_path / "ours").mkdir()
    nib.save(image, tmp_path / "ours" / f"{person}.nii.gz")
    out = tmp_path / "out"
    asked = ["--reference", str(SCD / "contours"), "-o", str(out), "-q", *ALL]
    assert run(["evaluate", str(tmp_path / "ours"), *asked]) == 0
    table = pl.read_parquet(out / "individual" / "evaluation.parquet").filter(participant_id=f"sub-{person}")
    assert set(table.filter(metric="dice")["value"].drop_nulls()) == {1.0}
    truth = pl.read_csv(SCD / "reference.csv").filter(patient=person)
    ef = table.filter(kind="value", term="lvef_pct")["reference"].item()
    assert ef == pytest.approx(truth["ef"].item(), abs=0.5)
    assert "No case was listed." in (out / "individual" / "worst.html").read_text()
    nib.save(nib.Nifti1Image(np.roll(image.dataobj, 1, axis=0), image.affine), tmp_path / "ours" / f"{person}.nii.gz")
    assert run(["evaluate", str(tmp_path / "ours"), *asked]) == 0
    worst = (out / "individual" / "worst.html").read_text()
    assert worst.count("data:image/jpeg") == 4 and "No image" not in worst  # ED and ES, with and without outlines


def test_hashed_ids_of_a_folder_are_found_by_its_key(truth: Path, predicted: Path, tmp_path: Path) -> None:
    """Masks, values, groups and another system under the ids of headers are those of the hashed people."""
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    hashed = {name: f"sub-{keyed_hash(name, key.read_bytes())}" for name in (f"SIM000{k}" for k in range(1, 5))}
    rows = {"lvef_pct": [50.0, 55.0, 60.0, 65.0]}
    for folder, ids in (("plain", [f"sub-{name}" for name in hashed]), ("hashed", list(hashed.values()))):
        for name, who in zip(hashed, ids, strict=True):
            if (mask := predicted / f"sub-{name}_sax_dseg.nii.gz").is_file():
                (tmp_path / folder / who / "ses-1").mkdir(parents=True)
                shutil.copy(mask, tmp_path / folder / who / "ses-1" / f"{who}_ses-1_sax_dseg.nii.gz")
        pl.DataFrame({"participant_id": ids, **rows}).write_parquet(tmp_path / folder / "phenotypes.parquet")
    true = tmp_path / "true.csv"
    strangers = {"patient": [*hashed, "nobody"], "lvef_pct": [51.0, 57.0, 60.5, 64.0, 50.0], "sex": list("FFMMM")}
    pl.DataFrame(strangers).write_csv(true)
    asked = ["--reference", str(truth), "--reference-values", str(true), "--groups", "sex", "--against", str(truth)]
    assert run(["evaluate", str(tmp_path / "plain"), *asked, *ALL, "-q"]) == 0
    assert run(["evaluate", str(tmp_path / "hashed"), *asked, "--hash-ids", str(key), *ALL, "-q"]) == 0
    plain, found = (tmp_path / name / "evaluation" for name in ("plain", "hashed"))
    by = ["analysis", "model", "term", "group", "level"]
    both = [pl.read_parquet(folder / "estimates.parquet").sort(by) for folder in (plain, found)]
    assert both[0].select(*by, "n").equals(both[1].select(*by, "n")) and {"difference", "agreement"} <= set(
        both[0]["analysis"]
    )
    assert_allclose(*(table["estimate"].fill_null(-1.0) for table in both))
    people = set(pl.read_csv(found / "individual" / "evaluation.csv")["participant_id"])
    assert people > set(hashed.values()) and all(is_hashed(who) for who in people)
    written = [
        path.read_text(errors="replace")
        for path in found.rglob("*")
        if path.suffix in (".csv", ".json", ".toml", ".jsonl", ".html")
    ]
    assert not any("SIM000" in text or "nobody" in text or str(tmp_path) in text for text in written)
    assert run(["evaluate", str(tmp_path / "hashed"), "--reference", str(true), "-o", str(tmp_path / "o"), *ALL]) == 66


def test_people_are_points_where_no_number_is_too_small(tmp_path: Path) -> None:
    """`--min-cell 1` hides nothing, as `--no-suppress`: the page says so, and a figure shows each person."""
    who = [f"sub-{k}" for k in range(6)]
    for name, more in (("ours", 0.0), ("true", 1.5)):
        values = [50.0 + 3 * k + more * (k % 3) for k in range(6)]
        pl.DataFrame({"participant_id": who, "lvef_pct": values}).write_csv(tmp_path / f"{name}.csv")
    asked = ["evaluate", str(tmp_path / "ours.csv"), "--reference", str(tmp_path / "true.csv"), "-q"]
    for out, options in (("hidden", []), ("shown", ["--min-cell", "1"])):
        assert run([*asked, "-o", str(tmp_path / out), *options]) == 0
    rows = [pl.read_parquet(tmp_path / out / "estimates.parquet") for out in ("hidden", "shown")]
    n = [table.filter(analysis="bland_altman")["n"].to_list() for table in rows]
    assert n == [[None], [1] * 6]
    hidden, shown = ((tmp_path / out / "report.html").read_text() for out in ("hidden", "shown"))
    assert "Too few people for a figure: LV ejection fraction." in hidden and "Not cleared for release" not in hidden
    assert "Not cleared for release." in shown and "Difference against mean, LV ejection fraction" in shown
