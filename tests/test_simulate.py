"""A simulated cohort on disk: what headers, tables and labels say agrees, and a seed gives the same bytes."""

import csv
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import Dataset, dcmread

from cinema_cli.domain.cine import Label, View
from cinema_cli.domain.errors import UsageError
from cinema_cli.io.vendors import Vendor
from cinema_cli.phantom import cohort as cohorts
from cinema_cli.phantom.hazard import log_hazard
from cinema_cli.phantom.simulate import simulate_cohort
from cinema_cli.phantom.study import Settings, plan_series, set_up

SETTINGS = Settings(seed=1, small=True, frames=4, labels=True)
PEOPLE = 2


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made up") / "cohort"
    done = list(simulate_cohort(out, SETTINGS, participants=PEOPLE))
    assert [d.patient_id for d in done] == ["SIM0001", "SIM0002"]
    return out


def _table(cohort: Path, name: str) -> list[dict[str, str]]:
    with (cohort / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _images(cohort: Path, patient: str) -> Iterator[Dataset]:
    return (dcmread(path) for path in sorted((cohort / patient).rglob("*.dcm")))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_participant_is_in_every_table(cohort: Path) -> None:
    for name in ("truth.csv", "clinical.csv"):
        assert [row["participant_id"] for row in _table(cohort, name)] == ["sub-SIM0001", "sub-SIM0002"]
    for name in ("series.csv", "landmarks.csv"):
        assert {row["participant_id"] for row in _table(cohort, name)} == {"sub-SIM0001", "sub-SIM0002"}


def test_series_table_and_files_name_the_same_series(cohort: Path) -> None:
    listed = {row["series_uid"]: row for row in _table(cohort, "series.csv")}
    found: dict[str, int] = defaultdict(int)
    for n in (1, 2):
        for image in _images(cohort, f"SIM000{n}"):
            assert (image.Modality, image.PatientID) == ("MR", f"SIM000{n}")
            assert str(image.PatientName).startswith("SYNTHETIC^")
            found[image.SeriesInstanceUID] += int(image.get("NumberOfFrames", 1))
    assert found == {uid: int(row["slices"]) * int(row["frames"]) for uid, row in listed.items()}
    assert {row["view"] for row in listed.values() if row["kind"] == "cine"} == {str(view) for view in View}


def test_geometry_and_timing_of_the_short_axis(cohort: Path) -> None:
    views = {row["series_uid"]: row["view"] for row in _table(cohort, "series.csv")}
    places: dict[tuple[float, ...], list[float]] = defaultdict(list)
    orientations, thickness = set(), set()
    for image in _images(cohort, "SIM0001"):
        if views[image.SeriesInstanceUID] == "sax":
            places[tuple(map(float, image.ImagePositionPatient))].append(float(image.TriggerTime))
            orientations.add(tuple(map(float, image.ImageOrientationPatient)))
            thickness.add(float(image.SliceThickness))
            assert float(image.TriggerTime) < float(image.NominalInterval) + 20.0
    (orientation,) = orientations
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    assert abs(row @ column) < 1e-6
    normal = np.cross(row, column)
    assert normal @ [-0.6, 0.6, 0.5] > 0.8  # from apex to base
    positions = np.array(list(places))
    steps = np.diff(np.sort(positions @ normal))
    np.testing.assert_allclose(steps, 13.0, atol=1e-3)
    np.testing.assert_allclose(np.ptp(positions @ row), 0.0, atol=1e-3)
    assert thickness == {12.0}
    assert all(len(set(times)) == 4 for times in places.values())


def test_labels_give_the_volumes_of_the_truth_table(cohort: Path) -> None:
    for row in _table(cohort, "truth.csv"):
        mask = nib.load(cohort / "labels" / f"{row['participant_id']}_sax_dseg.nii.gz")
        voxel_ml = float(np.prod(mask.header.get_zooms()[:3])) / 1000.0
        labels = np.asarray(mask.dataobj)
        ed, es = int(row["ed_frame"]), int(row["es_frame"])
        lv = voxel_ml * (labels == Label.LV).sum(axis=(0, 1, 2))
        assert (int(lv.argmax()), int(lv.argmin())) == (ed, es)
        assert lv[ed] == pytest.approx(float(row["lvedv_ml"]), rel=0.1)  # slices of 12 mm, four frames
        assert voxel_ml * (labels[..., ed] == Label.RV).sum() == pytest.approx(float(row["rvedv_ml"]), rel=0.15)
        assert 1.05 * voxel_ml * (labels[..., ed] == Label.MYO).sum() == pytest.approx(float(row["lvm_g"]), rel=0.15)


def test_landmarks_lie_where_labels_say(cohort: Path) -> None:
    """Halfway between apex and mitral points of the 4C at ED there is LV blood in the 4C mask."""
    points = {
        row["landmark"]: np.array([float(row[k]) for k in ("x_mm", "y_mm", "z_mm")])
        for row in _table(cohort, "landmarks.csv")
        if row["participant_id"] == "sub-SIM0002" and row["moment"] == "ed"
    }
    mask = nib.load(cohort / "labels" / "sub-SIM0002_lax_4c_dseg.nii.gz")
    middle = 0.5 * points["apex_endo"] + 0.25 * (points["mitral_4c_1"] + points["mitral_4c_2"])
    ras = np.array([-middle[0], -middle[1], middle[2], 1.0])
    column, row, _ = np.rint(np.linalg.solve(mask.affine, ras)[:3]).astype(int)
    (truth,) = [r for r in _table(cohort, "truth.csv") if r["participant_id"] == "sub-SIM0002"]
    assert np.asarray(mask.dataobj)[column, row, 0, int(truth["ed_frame"])] == Label.LV


def test_a_seed_gives_the_same_bytes_whatever_the_number_of_people(cohort: Path, tmp_path: Path) -> None:
    list(simulate_cohort(tmp_path / "one", SETTINGS, participants=1))
    assert _bytes(tmp_path / "one" / "SIM0001") == _bytes(cohort / "SIM0001")
    assert (cohort / "truth.csv").read_text().startswith((tmp_path / "one" / "truth.csv").read_text())


def test_a_run_that_was_killed_goes_on(cohort: Path, tmp_path: Path) -> None:
    """Killed while the second study was written and while a row was appended."""
    broken = tmp_path / "broken"
    shutil.copytree(cohort, broken)
    (broken / "SIM0002").rename(broken / ".part-SIM0002-17")
    for name in ("truth.csv", "series.csv"):
        text = (broken / name).read_text()
        (broken / name).write_text(text[: text.index("sub-SIM0002") + 40])
    done = list(simulate_cohort(broken, SETTINGS, participants=PEOPLE))
    assert [d.kept for d in done] == [True, False]
    assert _bytes(broken) == _bytes(cohort)


def test_other_peoples_files_and_other_settings_are_refused(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(UsageError):
        next(simulate_cohort(tmp_path, SETTINGS, participants=1))
    with pytest.raises(UsageError, match="other settings"):
        next(simulate_cohort(cohort, Settings(seed=2, small=True), participants=1))
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"


def _write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"somebody's {name}")


@pytest.mark.parametrize(
    "name", ["README", "clinical.csv", "simulate.json", "labels/aorta.nii.gz", "SIM0007/scan.dcm", "SIM12345/scan.dcm"]
)
def test_force_overwrites_no_file_of_somebody_else(name: str, tmp_path: Path) -> None:
    _write(tmp_path, "thesis.txt", name)
    before = _bytes(tmp_path)
    with pytest.raises(UsageError, match=name.partition("/")[0]) as refused:
        next(simulate_cohort(tmp_path, SETTINGS, participants=1, force=True))
    assert refused.value.hint and _bytes(tmp_path) == before


def test_force_replaces_a_cohort_and_nothing_else(cohort: Path, tmp_path: Path) -> None:
    theirs = ("thesis.txt", "SIMULATION/a.dcm", "SIM12/a.dcm", "SIM0001 b/a.dcm", ".part-two/a.txt", "labels/mine.txt")
    _write(tmp_path, *(name for name in theirs if not name.startswith("labels")))
    list(simulate_cohort(tmp_path, SETTINGS, participants=PEOPLE, force=True))
    assert {**_bytes(tmp_path), **_bytes(cohort)} == _bytes(tmp_path)
    _write(tmp_path, "labels/mine.txt", ".part-SIM0003-17/a.dcm")
    other = Settings(seed=2, small=True, frames=3)
    list(simulate_cohort(tmp_path, other, participants=1, force=True))
    list(simulate_cohort(tmp_path / "new", other, participants=1))
    made = _bytes(tmp_path / "new")
    shutil.rmtree(tmp_path / "new")
    assert _bytes(tmp_path) == {name: f"somebody's {name}".encode() for name in theirs} | made


def test_fewer_participants_are_refused_and_forced_the_cohort_is_theirs_alone(cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(cohort, tmp_path / "two")
    with pytest.raises(UsageError, match="holds 2 participants, more than the 1") as refused:
        next(simulate_cohort(tmp_path / "two", SETTINGS, participants=1))
    assert "--force" in refused.value.hint and _bytes(tmp_path / "two") == _bytes(cohort)
    list(simulate_cohort(tmp_path / "two", SETTINGS, participants=1, force=True))
    list(simulate_cohort(tmp_path / "one", SETTINGS, participants=1))
    assert _bytes(tmp_path / "two") == _bytes(tmp_path / "one")


def test_vendors_have_their_habits() -> None:
    seen: dict[Vendor, set[str]] = defaultdict(set)
    setups = [set_up(number, Settings(seed=3, small=True)) for number in range(1, 25)]
    for setup in setups:
        for series in plan_series(setup):
            if series.view is View.SAX:
                seen[setup.person.vendor].add(series.header.description)
                assert len(series.planes) == 1 or not setup.habits.series_per_slice
    assert set(seen) == set(Vendor)
    assert any("" in names for names in seen.values())
    assert not (seen[Vendor.SIEMENS] & seen[Vendor.PHILIPS]) - {""}


def test_the_hazard_is_the_one_that_is_stated() -> None:
    base = {"age_years": 60.0, "male": 0.0, "lvef_pct": 60.0, "lvmi_g_m2": 65.0}
    assert log_hazard(**base) == 0.0
    assert log_hazard(**{**base, "lvef_pct": 35.0}) == pytest.approx(1.0)
    assert log_hazard(**{**base, "age_years": 70.0, "male": 1.0}) == pytest.approx(0.7)
    text = " ".join(cohorts.readme().split())
    assert "r = 0.03 (age_years - 60) + 0.4 [man] -0.04 (lvef_pct - 60) + 0.008 (lvm_g / bsa_m2 - 65)" in text


def test_people_of_a_seed_stay_who_they_are() -> None:
    """Written down before the hazard was shared with the simulation of rows: seeds in use give the same follow-up."""
    rows = [cohorts.clinical_row(cohorts.sample_participant(1, number)) for number in (1, 3, 4)]
    assert [(row["age_years"], row["time_years"], row["event"]) for row in rows] == [
        (46.3, 6.996, 0),
        (76.5, 1.857, 1),
        (60.8, 3.433, 1),
    ]


def test_higher_hazard_brings_earlier_events() -> None:
    def events(risk: float) -> float:
        return float(np.mean([cohorts._follow_up(np.random.default_rng([9, k]), risk)[1] for k in range(400)]))

    # S(8 years) at r = 0: exp(-(8 / 26)^1.3) = 0.806; events lie a little below 1 - S because of other censoring
    assert 0.12 < events(0.0) < 0.24
    assert events(1.5) > 2.0 * events(0.0)
