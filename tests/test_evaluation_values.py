"""Values, classes and landmarks of two tables side by side, and the rows of agreement and classification they give."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from functions_golden import arrays, needs_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.evaluation.agreement_rows import agreement_rows
from cinema_cli.analysis.evaluation.class_rows import class_rows
from cinema_cli.analysis.evaluation.mask_values import values_of_masks
from cinema_cli.analysis.evaluation.points import compared_points, has_points, read_points
from cinema_cli.analysis.evaluation.table import Compared, Kind, evaluation_table
from cinema_cli.analysis.evaluation.values import Answers, compared_values, read_answers, read_reference
from cinema_cli.analysis.survival.reading import Source
from cinema_cli.domain.errors import ConfigError, InputError

LAWS = settings(max_examples=25, deadline=None, derandomize=True)
CLASSES = ("DCM", "GE MEDICAL", "NOR")


def source(name: str = "truth.csv", **columns: object) -> Source:
    return Source(name, pl.DataFrame(columns))


def answers(*names: str, **columns: object) -> Answers:
    return Answers("phenotypes.parquet", pl.DataFrame(columns), names)


def ids(n: int, start: int = 0) -> list[str]:
    return [f"sub-{k:04d}" for k in range(start, start + n)]


def one(rows: list[Estimate], **words: str) -> Estimate:
    (found,) = (row for row in rows if all(getattr(row, name) == word for name, word in words.items()))
    return found


def cohort(n: int = 200, seed: int = 0) -> tuple[Answers, Source]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, n)
    probability = np.exp(rng.normal(0, 1, (n, 3)) + 1.5 * np.eye(3)[label])
    probability /= probability.sum(axis=1, keepdims=True)
    ef = rng.normal(52, 10, n)
    ours = answers(
        "lvef_pct", "cvd_class",
        participant_id=ids(n), session_id=["ses-1"] * n, lvef_pct=ef + rng.normal(1, 3, n),
        cvd_class=[CLASSES[k] for k in probability.argmax(axis=1)],
        cvd_p_dcm=probability[:, 0], cvd_p_ge_medical=probability[:, 1], cvd_p_nor=probability[:, 2],
        score=rng.random(n), sex=rng.choice(["F", "M"], n),
    )  # fmt: skip
    true = source(eid=[f"{k:04d}" for k in range(n)], EF=ef, cvd=[CLASSES[k].lower() for k in label],
                  sick=(label == 0).astype(int))  # fmt: skip
    return ours, true


def test_columns_by_name_and_by_map() -> None:
    ours, true = cohort()
    found = compared_values(ours, true, names={"EF": "lvef_pct", "sick": "score"}).table
    assert found.group_by("kind", "term", "metric", maintain_order=True).len().rows() == [
        ("value", "lvef_pct", "value", 200),
        ("class", "score", "probability:1", 200),
        ("class", "cvd", "class", 200),
        *(("class", "cvd", f"probability:{name.lower()}", 200) for name in CLASSES),
    ]
    values = found.filter(pl.col("kind") == Kind.VALUE)
    assert_allclose(values["value"], values["prediction"] - values["reference"])
    assert values["participant_id"].to_list() == ids(200)
    of_class = found.filter(pl.col("metric").str.starts_with("probability:"), pl.col("term") == "cvd")
    assert of_class["reference"].sum() == 200
    classes = found.filter(pl.col("metric") == "class")
    assert classes["value"].mean() == (classes["prediction_label"] == classes["reference_label"]).mean()


def test_rows_of_everybody_and_of_groups() -> None:
    ours, true = cohort()
    table = compared_values(ours, true, names={"EF": "lvef_pct", "sick": "score"}).table
    known = ours.cells.select("participant_id", "sex")
    people = pl.concat([known, known.with_columns(pl.col("participant_id").str.strip_prefix("sub-"))])  # both names
    rows = agreement_rows(table, people=people, groups=["sex"]) + class_rows(table, people=people, groups=["sex"])
    bias = one(rows, analysis="agreement", model="bias", term="lvef_pct", group="")
    assert (bias.n, bias.unit) == (200, "%")
    assert 0 < bias.lower < 1 < bias.upper < 2
    assert sum(row.n or 0 for row in rows if row.model == "mae" and row.group) == 200
    of_sexes = [one(rows, analysis="agreement", model="mae", term="lvef_pct", group=f"sex={s}") for s in "FM"]
    both = one(rows, analysis="agreement", model="mae", term="lvef_pct", group="").estimate
    assert_allclose(sum(row.n * row.estimate for row in of_sexes) / 200, both)
    for model in ("accuracy", "mcc", "f1"):
        for term in ("cvd", "lvef_category"):
            row = one(rows, analysis="classification", model=model, term=term, group="", level="")
            assert row.lower < row.estimate < row.upper
    assert one(rows, analysis="classification", model="auc", term="cvd", group="", level="").estimate > 0.7
    assert one(rows, analysis="classification", model="sensitivity", term="cvd", group="", level="dcm").events
    assert sum(row.n for row in rows if row.analysis == "calibration" and row.model == "nor") == 200
    assert sum(row.n for row in rows if row.analysis == "bland_altman") == 200
    curve = [row.estimate for row in rows if row.analysis == "roc" and row.model == "nor"]
    assert curve == sorted(curve)
    assert curve[-1] == 1
    released = suppressed(table_of(rows), min_cell=10)
    assert released.filter(pl.col("n") < 10).is_empty()


@LAWS
@given(seed=st.integers(0, 1000))
def test_no_matter_in_which_order(seed: int) -> None:
    ours, true = cohort(40, seed)
    names = {"EF": "lvef_pct", "sick": "score"}
    mixed = Source(true.name, true.cells.sample(fraction=1.0, shuffle=True, seed=seed))
    first, second = (compared_values(ours, t, names=names).table for t in (true, mixed))
    assert first.equals(second)
    rows = [table_of(agreement_rows(t) + class_rows(t)) for t in (first, first.reverse())]
    wanted = ["analysis", "model", "term", "level", "estimate", "lower", "upper"]
    numbers = pl.col(pl.Float64).round_sig_figs(8)
    by_row = [
        r.filter(pl.col("analysis") != "bland_altman").select(wanted).with_columns(numbers).sort(wanted) for r in rows
    ]
    assert by_row[0].equals(by_row[1])


def test_who_is_in_one_table_only_is_noted() -> None:
    ours = answers("lvef_pct", participant_id=ids(3), session_id=["1"] * 3, lvef_pct=[50.0, None, 60.0])
    true = source(participant_id=ids(3, start=1), lvef_pct=[55.0, 61.0, 62.0])
    found = compared_values(ours, true).table
    assert found.select("participant_id", "prediction", "reference", "value", "note").rows() == [
        ("sub-0000", 50.0, None, None, "no_reference"),
        ("sub-0001", None, 55.0, None, "no_prediction"),
        ("sub-0002", 60.0, 61.0, -1.0, ""),
        ("sub-0003", None, 62.0, None, "no_prediction"),
    ]
    rows = agreement_rows(found)
    assert {row.model for row in rows if row.analysis == "agreement"} == {"bias", "mae", "rmse"}
    assert (
        one(rows, analysis="too_few", model="icc21").level
        == "an intraclass correlation needs two people with two ratings each"
    )


def test_sessions() -> None:
    twice = {"participant_id": ["sub-a", "sub-a", "sub-b"], "session_id": ["ses-2", "ses-10", "ses-1"]}
    ours = answers("lvef_pct", **twice, lvef_pct=[50.0, 52.0, 60.0])
    first = compared_values(ours, source(participant_id=["a", "b"], lvef_pct=[51.0, 61.0]))
    assert first.table["prediction"].to_list() == [50.0, 60.0]
    assert "first of each participant" in first.notes[0]
    each = compared_values(ours, source(participant_id=["a", "a"], session_id=["10", "2"], lvef_pct=[53.0, 51.0]))
    assert each.table.filter(pl.col("note") == "")["value"].to_list() == [-1.0, -1.0]
    assert not each.notes
    bare = answers("lvef_pct", participant_id=["a"], lvef_pct=[50.0])
    with pytest.raises(ConfigError, match="several rows"):
        compared_values(bare, source(participant_id=["a", "a"], session_id=["1", "2"], lvef_pct=[53.0, 51.0]))
    other_name = compared_values(ours, source(participant_id=["b"], session_id=["visit9"], lvef_pct=[1.0]))
    assert other_name.table["note"].to_list() == ["no_reference"] * 3 + ["no_prediction"]


def test_refusals() -> None:
    ours, true = cohort(20)
    with pytest.raises(ConfigError, match="no column of"):
        compared_values(ours, true.__class__("t.csv", true.cells.select("eid", "EF")))
    with pytest.raises(ConfigError, match="has no column Ef"):
        compared_values(ours, true, names={"Ef": "lvef_pct"})
    with pytest.raises(ConfigError, match="numbers"):
        compared_values(ours, true, names={"cvd": "lvef_pct"})
    with pytest.raises(ConfigError, match="none in common"):
        compared_values(ours, true.__class__("t.csv", true.cells.with_columns(cvd=pl.lit("healthy"))))
    with pytest.raises(InputError, match="no participant is in both"):
        compared_values(
            ours, true.__class__("t.csv", true.cells.with_columns(eid=pl.lit("x"))), names={"EF": "lvef_pct"}
        )
    with pytest.raises(ConfigError, match="several rows"):
        compared_values(
            ours, true.__class__("t.csv", pl.concat([true.cells, true.cells[:1]]).with_columns(session_id=pl.lit("1")))
        )


def test_one_class_and_nobody() -> None:
    ours, true = cohort(30)
    alone = Source("t.csv", true.cells.with_columns(cvd=pl.lit("nor"), EF=pl.lit(60.0)))
    rows = class_rows(compared_values(ours, alone, names={"EF": "lvef_pct"}).table)
    reasons = {row.model: row.level for row in rows if row.analysis == "too_few" and row.term == "cvd"}
    assert "same class" in reasons["auc"]
    assert "not estimable" in reasons["mcc"]
    assert all(row.estimate is None or np.isfinite(row.estimate) for row in rows)
    empty = evaluation_table([])
    assert agreement_rows(empty) == class_rows(empty) == []
    assert values_of_masks(empty).is_empty()


def test_a_probability_alone_is_cut_at_one_half() -> None:
    ours, true = cohort(60)
    rows = class_rows(compared_values(ours, true, names={"sick": "score"}).table)
    found = one(rows, model="sensitivity", term="score", level=">= 0.5")
    sick = true.cells["sick"].to_numpy() == 1
    assert found.estimate == pytest.approx((ours.cells["score"].to_numpy()[sick] >= 0.5).mean())
    assert found.events == sick.sum()


@LAWS
@given(seed=st.integers(0, 10_000), n=st.integers(1, 12))
def test_few_people_and_gaps(seed: int, n: int) -> None:
    """Whatever is missing: no warning, no traceback, no number that is none, limits around each figure."""
    rng = np.random.default_rng(seed)
    ours, true = cohort(n, seed)
    cells, truth = (
        table.with_columns(
            pl.when(pl.Series(rng.random(n) < 0.7)).then(pl.col(name)).name.keep()
            for name in table.columns
            if name not in keys
        )
        for table, keys in ((ours.cells, ("participant_id", "session_id")), (true.cells, ("eid",)))
    )
    made = Answers(ours.name, cells.with_columns(lvef_pct=(pl.col("lvef_pct") / 10).round() * 10), ours.answers)
    people = cells.select("participant_id", "sex")
    table = compared_values(made, Source("t.csv", truth), names={"EF": "lvef_pct"}).table
    rows = agreement_rows(table, people=people, groups=["sex"]) + class_rows(
        table, people=people, groups=["sex"], fewest=2
    )
    for row in rows:
        if row.estimate is not None and row.lower is not None and np.isfinite(row.lower):
            assert row.lower - 1e-9 <= row.estimate <= (row.upper or 0) + 1e-9
        assert row.estimate is None or np.isfinite(row.estimate)


def test_of_few_people_it_is_not_said_that_all_are_alike() -> None:
    ours = answers("lvef_pct", participant_id=ids(6), lvef_pct=[31.0 + k for k in range(6)])
    table = compared_values(ours, source(participant_id=ids(6), lvef_pct=[30.0] * 6)).table
    reasons = {
        fewest: {row.level for row in class_rows(table, fewest=fewest) if row.analysis == "too_few"}
        for fewest in (1, 10)
    }
    assert "all have the same class" in reasons[1].pop() and reasons[10] == {"fewer than 10 people"}


def test_phenotypes_of_masks() -> None:
    volumes = {("lv", "ed"): (120, 110), ("lv", "es"): (60, 44), ("rv", "ed"): (0, 90), ("rv", "es"): (0, 40),
               ("myo", "ed"): (100, 120)}  # fmt: skip
    table = evaluation_table(
        Compared("sub-1", Kind.MASK, term, "volume_ml", frame=frame, prediction=p, reference=r)
        for (term, frame), (p, r) in volumes.items()
    )
    found = {term: (p, r) for term, p, r in values_of_masks(table).select("term", "prediction", "reference").rows()}
    assert found["lvef_pct"] == (50.0, 60.0)
    assert found["lvm_g"] == pytest.approx((105.0, 126.0))
    assert found["rvedv_ml"] == (0.0, 90.0)
    assert "rvef_pct" not in found  # of no chamber


@needs_golden
def test_landmarks_of_the_paper() -> None:  # landmark.npz metric/distance*, mean_distance
    z = arrays("landmark")
    names = [f"head_{point}_{axis}" for point in ("mitral_1", "mitral_2", "apex") for axis in ("x_mm", "y_mm")]
    sides = [
        Source(
            name, pl.DataFrame({"participant_id": ids(3), "frame": ["0"] * 3} | dict(zip(names, z[key].T, strict=True)))
        )
        for name, key in (("predictions.parquet", "pred_coords"), ("truth.csv", "true_coords"))
    ]
    assert has_points(sides[1])
    found = compared_points(*sides).table
    wide = found.pivot("term", index="participant_id", values="value")
    for k, point in enumerate(("mitral_1", "mitral_2", "apex"), start=1):
        assert_allclose(wide[f"head_{point}"], z[f"metric/distance{k}"], rtol=1e-5)
    of_person = found.group_by("participant_id", maintain_order=True).agg(pl.col("value").mean())
    assert_allclose(of_person.sort("participant_id")["value"], z["metric/mean_distance"], rtol=1e-5)


def test_function_from_landmarks() -> None:
    """The annulus goes 12 mm down; we see 10 mm, and one frame not at all."""
    frames = {"participant_id": ["sub-1"] * 3, "frame": [0, 4, 9]}

    def points(way: list[float | None]) -> dict[str, list[float | None]]:
        return {
            "mitral_1_x_mm": [-15.0] * 3, "mitral_1_y_mm": way, "mitral_2_x_mm": [15.0] * 3, "mitral_2_y_mm": way,
            "apex_x_mm": [0.0] * 3, "apex_y_mm": [90.0] * 3,
        }  # fmt: skip

    ours = {f"landmark_lax_4c_{name}": cells for name, cells in points([0.0, 10.0, None]).items()}
    theirs = {f"lax_4c_{name}": cells for name, cells in points([0.0, 12.0, 3.0]).items()}
    table = compared_points(source("p", **frames, **ours), source(**frames, **theirs)).table
    values = {
        t: (p, r)
        for t, p, r in table.filter(pl.col("kind") == "value").select("term", "prediction", "reference").rows()
    }
    assert values["landmark_lax_4c_mapse_mm"] == pytest.approx((10.0, 12.0))
    assert values["landmark_lax_4c_shortening_pct"] == pytest.approx((100 * 10 / 90, 100 * 12 / 90))
    missed = table.filter(pl.col("note") == "no_prediction")
    assert missed["term"].to_list() == ["landmark_lax_4c_mitral_1", "landmark_lax_4c_mitral_2"]
    with pytest.raises(ConfigError, match="no landmark"):
        compared_points(source("p", **frames, **ours), source(**frames, other_x_mm=[1, 2, 3]))


def test_output_folder(tmp_path: Path) -> None:
    keys = {"participant_id": ["sub-1", "sub-2"], "session_id": ["ses-1", "ses-1"]}
    pl.DataFrame(keys | {"status": ["done", "failed"], "lvef_pct": [50.0, None]}).write_parquet(
        tmp_path / "phenotypes.parquet"
    )
    said = pl.DataFrame(
        keys
        | {
            "view": [None, None],
            "frame": [None, None],
            "age_years": [61.0, None],
            "age_disagreement": [1.0, None],
            "sex_class": ["F", None],
            "sex_p_f": [0.9, None],
        }
    )
    frame = pl.DataFrame(
        {"participant_id": ["sub-1"], "session_id": ["ses-1"], "view": ["lax_4c"], "frame": [0], "h_apex_x_mm": [1.0]}
    )
    pl.concat([said, frame], how="diagonal_relaxed").write_parquet(tmp_path / "predictions.parquet")
    found = read_answers(tmp_path)
    assert found.answers == ("lvef_pct", "age_years", "sex_class")
    assert found.has("sex_p_f")
    points = read_points(tmp_path)
    assert points is not None
    assert points.cells.height == 1
    (tmp_path / "truth.csv").write_text("participant_id,age_years\nsub-1,60\nsub-2,70\n", encoding="utf-8")
    table = compared_values(found, read_reference(tmp_path / "truth.csv")).table
    assert table.select("value", "note").rows() == [(1.0, ""), (None, "no_prediction")]
    (tmp_path / "predictions.parquet").unlink()
    assert read_answers(tmp_path).answers == ("lvef_pct",)
    assert read_points(tmp_path) is None
