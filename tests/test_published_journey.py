"""Published heads from end to end: full-size checkpoints on a hub, pulled, run over a made cohort; tables filled."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import polars as pl
import pytest
from hub_server import serving
from published_files import save_published

pytestmark = pytest.mark.slow

FRAMES = 8  # the fewest that a cine may have
SEEDS = {
    "segmentation_mnms2_sax": 1,
    "segmentation_mnms2_lax_4c": 1,
    "cvd_mnms2_lax_4c": 2,
    "ef_mnms2_lax_4c": 1,
    "landmark_heatmap_lax_4c": 1,
    "landmark_coordinate_lax_2c": 1,
    "backbone": 1,
}
MEASURES = "segmentation_mnms2_sax"
MOST_MEMORY_KB = 4_000_000
ONE = ("--batch-size", "1")  # what is measured here without it, at two or more runs of each network


def cinema(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`cinema` as a program of its own, since its memory and the hub's address are the point."""
    command = [sys.executable, "-m", "cinema_cli", *arguments]
    return subprocess.run(command, env=os.environ | environment, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment in which the weights of all heads were pulled from a hub on loopback."""
    root = tmp_path_factory.mktemp("published")
    own = {"CINEMA_WEIGHTS_DIR": str(root / "weights"), "HF_HOME": str(root / "hf")}
    for name, n_seeds in SEEDS.items():
        save_published(root / "hub", name, n_seeds=n_seeds)
    with serving(root / "hub") as hub:
        first = cinema("models", "pull", "backbone", "--revision", "main", environment=own | hub.environment)
        assert first.returncode == 0, first.stderr
        for n_seeds, seeds in ((1, "0"), (2, "0,1")):
            names = [name for name, n in SEEDS.items() if n == n_seeds and name != "backbone"]
            pulled = cinema("models", "pull", *names, "--seeds", seeds, environment=own | hub.environment)
            assert pulled.returncode == 0, pulled.stderr
    shutil.rmtree(root / "hub")
    yield own
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two made people; a views file beside it takes the short axis from the second."""
    root = tmp_path_factory.mktemp("people") / "cohort"
    size = ("--small", "-N", "2", "--frames", str(FRAMES), "--seed", "3", "-q")
    assert cinema("simulate", str(root), *size, environment={}).returncode == 0
    series = pl.read_json(cinema("scan", str(root), "-o", "-", "--json", environment={}).stdout.encode())
    sax = series.filter(participant_id="sub-SIM0002", view="sax")["series_uid"]
    views = "".join(f"{uid},ignore\n" for uid in sax)
    root.with_name("views.csv").write_text(f"series_uid,view\n{views}")
    return root


@pytest.fixture(scope="module")
def out(cohort: Path, weights: dict[str, str]) -> Path:
    """The output of `cinema infer` with every head."""
    views = str(cohort.with_name("views.csv"))
    ended = cinema("infer", str(cohort), "--views", views, "--head", *SEEDS, *ONE, "-q", environment=weights)
    assert ended.returncode == 0, ended.stderr
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < MOST_MEMORY_KB  # the largest child so far
    return cohort.with_name("cohort-cinema")


def test_all_tables_are_filled(out: Path) -> None:
    table = pl.read_parquet(out / "predictions.parquet")
    words = json.loads((out / "predictions.json").read_text())
    assert words.keys() == set(table.columns)
    first, second = table.filter(pl.col("frame").is_null()).rows(named=True)
    assert first["participant_id"] == "sub-SIM0001"
    assert second["reasons"] == "segmentation_mnms2_sax: the study has no short-axis cine"
    per_frame = {name for name in table.columns if table.filter(pl.col("frame").is_not_null())[name].count()}
    single = [name for name, n in SEEDS.items() if n == 1]
    for name, value in first.items():
        of_one_seed = "disagreement" in name and name.startswith(tuple(single))
        if name not in per_frame and name not in {"view", "frame"} and not of_one_seed:
            assert value is not None or f"{name.removeprefix(MEASURES + '_')}: the " in first["reasons"], name
    assert second["cvd_mnms2_lax_4c_class"] in {"ARR", "CIA", "FALL", "HCM", "LV", "NOR"}
    assert 0 < second["cvd_mnms2_lax_4c_disagreement"] < 1 and np.isfinite(second["ef_mnms2_lax_4c_pct"])


def test_frames_have_landmarks_and_sizes(out: Path) -> None:
    frames = pl.read_parquet(out / "predictions.parquet").filter(pl.col("frame").is_not_null())
    n_rows = frames.group_by("participant_id", "view").len().sort("participant_id", "view").rows()
    assert n_rows == [(f"sub-SIM000{k}", view, FRAMES) for k in (1, 2) for view in ("lax_2c", "lax_4c", "sax")][:-1]
    for view, column in (
        ("sax", "segmentation_mnms2_sax_lv_ml"),
        ("lax_4c", "segmentation_mnms2_lax_4c_rv_cm2"),
        ("lax_4c", "landmark_heatmap_lax_4c_apex_x_mm"),
        ("lax_2c", "landmark_coordinate_lax_2c_mitral_1_row_px"),
    ):
        assert frames.filter(view=view)[column].is_finite().all()


def test_embeddings_are_of_the_views_that_are_there(out: Path) -> None:
    vectors = pl.read_parquet(out / "embeddings.parquet")
    assert vectors.select("participant_id", "moment").rows() == [
        (f"sub-SIM000{k}", moment) for k in (1, 2) for moment in ("ed", "es")
    ]
    assert set(vectors["cls"].list.len()) == {768} and vectors["sax"].is_null().to_list() == [False] * 2 + [True] * 2
    assert vectors["reasons"].to_list() == [""] * 2 + ["sax: the study has no cine of the short axis"] * 2


def test_the_published_head_measures_and_masks_stand_on_the_source_grid(out: Path) -> None:
    phenotypes = pl.read_parquet(out / "phenotypes.parquet")
    predictions = pl.read_parquet(out / "predictions.parquet").filter(pl.col("frame").is_null())
    assert phenotypes["status"].to_list() == ["done", "done"]
    own = predictions["segmentation_mnms2_sax_lvedv_ml"]
    np.testing.assert_allclose(phenotypes["lvedv_ml"][0], own[0], atol=1e-3)
    assert phenotypes["lvedv_ml"][1] is None and "no short-axis cine" in phenotypes["reasons"][1]
    for name, view in (("sub-SIM0001", "sax"), ("sub-SIM0001", "lax_4c"), ("sub-SIM0002", "lax_4c")):
        mask = nib.load(out / name / "ses-1" / f"{name}_ses-1_{view}_dseg.nii.gz")
        assert mask.shape[3] == FRAMES and len(np.unique(mask.dataobj)) > 1
    record = json.loads((out / "sub-SIM0001/ses-1/status.json").read_text())
    others = sorted(name for name in SEEDS if name not in (MEASURES, "segmentation_mnms2_lax_4c"))
    assert [head["name"] for head in record["heads"]] == [MEASURES, "segmentation_mnms2_lax_4c", *others]


def test_a_second_run_has_nothing_to_do(cohort: Path, out: Path, weights: dict[str, str]) -> None:
    views = str(cohort.with_name("views.csv"))
    again = cinema("infer", str(cohort), "--views", views, "--head", *SEEDS, *ONE, environment=weights)
    assert again.returncode == 0 and "nothing to do" in again.stderr


def test_what_was_changed_is_found_and_not_used(cohort: Path, weights: dict[str, str]) -> None:
    assert cinema("models", "verify", "ef_mnms2_lax_4c", environment=weights).returncode == 0
    file = Path(weights["CINEMA_WEIGHTS_DIR"]) / "finetuned/regression_ef/mnms2_lax_4c/mnms2_lax_4c_0.safetensors"
    content = file.read_bytes()
    file.unlink()  # it shares its bytes with the hub client's cache
    file.write_bytes(content[:-4] + bytes(4))
    damaged = cinema("models", "verify", "ef_mnms2_lax_4c", environment=weights)
    assert damaged.returncode == 69 and "ef_mnms2_lax_4c" in damaged.stdout + damaged.stderr
    ended = cinema("infer", str(cohort), "--head", "ef_mnms2_lax_4c", environment=weights)
    assert ended.returncode == 69 and "SHA-256" in ended.stderr
