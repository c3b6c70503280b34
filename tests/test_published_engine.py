"""Studies through the engine with published heads: averaged seeds, missing views, ED and ES from a segmentation."""

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from disk_hearts import GreyHead, disk_masks, disk_study
from made_heads import Backbone, MadeHead, constant, grey_network, shares

from cinema_cli.domain.cine import CineStudy, StudyFacts, View
from cinema_cli.domain.errors import StudyError
from cinema_cli.domain.moments import Moments, cycle_shares
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.prediction import PredictionColumn
from cinema_cli.domain.result import CheckStatus, StudyResult
from cinema_cli.inference.answers import columns
from cinema_cli.inference.engine import Engine
from cinema_cli.inference.look import StudyLook
from cinema_cli.inference.plan import dropped_heads
from cinema_cli.inference.published_segmenter import PublishedSegmenter
from cinema_cli.inference.segmenters import StackSegmenter
from cinema_cli.io.cohort_list import cohort_records, cohort_standings
from cinema_cli.io.ledger import Failure, record
from cinema_cli.io.predictions import prediction_table, write_cohort_tables, write_study_tables

EF, CVD, HEAT, WHERE = "ef_acdc_sax", "cvd_mnms2_lax_4c", "landmark_heatmap_lax_4c", "landmark_coordinate_lax_4c"
SAX_HEAD, FOUR_HEAD = "segmentation_mnms_sax", "segmentation_mnms2_lax_4c"


def short_axis(*, ed_frame: int = 0) -> CineStudy:
    """A beating annulus of 10 frames and 5 slices."""
    study = disk_study(disk_masks(n_frames=10, n_slices=5, ed_frame=ed_frame))
    sax = dataclasses.replace(study.cines[View.SAX], times_ms=np.arange(10) * 90.0)
    return dataclasses.replace(study, cines={View.SAX: sax})


def four_chamber(*, n_frames: int = 10, ed_frame: int = 0) -> CineStudy:
    """A beating disk as the only slice of a four-chamber view, no short axis."""
    masks = disk_masks(n_frames=n_frames, n_slices=1, ed_frame=ed_frame)
    times = np.arange(n_frames) * 900.0 / n_frames
    four = dataclasses.replace(disk_study(masks).cines[View.SAX], view=View.LAX_4C, times_ms=times)
    return CineStudy("sub-2", "ses-1", "1.2", {View.LAX_4C: four}, StudyFacts(height_cm=180.0, weight_kg=80.0))


def both(*, ed_frame: int = 0, long_frames: int = 5) -> CineStudy:
    """A short axis and a four-chamber view of another number of frames."""
    study = short_axis(ed_frame=ed_frame)
    return dataclasses.replace(study, cines={**study.cines, **four_chamber(n_frames=long_frames).cines})


def made(*heads: MadeHead) -> Engine:
    return Engine(StackSegmenter(GreyHead()), list(heads))  # type: ignore[arg-type]


def asked_of(*heads: MadeHead) -> list[PredictionColumn]:
    return [column for head in heads for column in columns(head.card)]


def said(result: StudyResult, head: str) -> dict[str, object]:
    (one,) = (p for p in result.predictions if p.head == head)
    return dict(one.study)


def test_seeds_are_averaged_and_their_disagreement_stands_beside() -> None:
    ef = MadeHead(EF, [constant(1.0), constant(2.0), constant(3.0)])
    cvd = MadeHead("cvd_acdc_sax", [constant(0, 0, 0, 4, 0), constant(0, 0, 0, 4, 0), constant(9, 0, 0, 0, 0)])
    result = made(ef, cvd).analyse(short_axis())
    mean, std = ef.card.mean, ef.card.std
    assert mean is not None and std is not None
    assert said(result, EF) == pytest.approx({f"{EF}_pct": 2 * std + mean, f"{EF}_disagreement": std})
    classes = said(result, "cvd_acdc_sax")
    assert classes["cvd_acdc_sax_class"] == "NOR"
    probabilities = [classes[f"cvd_acdc_sax_p_{c.lower()}"] for c in ("DCM", "HCM", "MINF", "NOR", "RV")]
    assert sum(probabilities) == pytest.approx(1.0) and max(probabilities) == probabilities[3]  # type: ignore[type-var]
    assert classes["cvd_acdc_sax_disagreement"] == pytest.approx(np.std([0.017, 0.017, 0.999], ddof=1), abs=0.01)
    alone = made(MadeHead(EF, [constant(1.0)])).analyse(short_axis())
    assert said(alone, EF)[f"{EF}_disagreement"] is None


def test_a_head_whose_view_is_missing_says_so_and_the_others_answer() -> None:
    result = made(MadeHead(CVD, [constant(1, 2, 3, 4, 5, 6)]), MadeHead(EF, [constant(0.0)])).analyse(short_axis())
    reasons = {p.head: p.reason for p in result.predictions}
    assert reasons == {CVD: "the study has no cine of the 4-chamber long axis", EF: ""}
    assert said(result, CVD) == {} and said(result, EF)


def test_other_views_are_seen_at_the_same_moments() -> None:
    """ED is frame 4 of 10 in the short axis: frame 8 of the 20 in the four-chamber view."""
    shown: list[np.ndarray] = []

    def network(images: dict) -> object:
        shown.append(images["lax_4c"].numpy())
        return constant(0, 0, 0, 0, 0, 1)(images)

    study = both(ed_frame=4, long_frames=20)
    result = made(MadeHead(CVD, [network])).analyse(study)
    assert (result.ed_frame, result.es_frame) == (4, 9)
    want = StudyLook(study).prepared(View.LAX_4C).together((8, 18))
    np.testing.assert_array_equal(shown[0], want)


def test_ed_and_es_come_from_the_four_chamber_view_where_there_is_no_short_axis() -> None:
    heads = (MadeHead(CVD, [constant(9, 0, 0, 0, 0, 0)]), MadeHead(FOUR_HEAD, [grey_network] * 2))
    result = made(*heads).analyse(four_chamber(ed_frame=4))
    assert said(result, CVD)[f"{CVD}_class"] == "ARR"
    areas = said(result, FOUR_HEAD)
    true = disk_masks(n_frames=10, n_slices=1, ed_frame=4)
    cm2 = {moment: np.count_nonzero(true[frame] == 3) * 1.5**2 / 100 for moment, frame in (("ed", 4), ("es", 9))}
    assert areas[f"{FOUR_HEAD}_lv_ed_cm2"] == pytest.approx(cm2["ed"], rel=0.03)
    assert areas[f"{FOUR_HEAD}_lv_fac_pct"] == pytest.approx(100 * (1 - cm2["es"] / cm2["ed"]), abs=3)
    assert result.masks.keys() == {View.LAX_4C}
    assert {m.reason for m in result.measurements if m.value is None} == {"the study has no short-axis cine"}
    assert result.value("bsa_m2") == pytest.approx(2.0) and len(result.measurements) == len(PHENOTYPES)
    assert {c.name for c in result.checks if c.status is CheckStatus.FLAG} == {"enough_slices"}


def test_a_study_of_which_no_head_can_say_anything_fails() -> None:
    with pytest.raises(StudyError) as missing:
        made(MadeHead(EF, [constant(0.0)])).analyse(four_chamber())
    assert missing.value.code == "no_sax"
    silent = made(MadeHead(CVD, [constant(0, 0, 0, 0, 0, 1)]), MadeHead(WHERE, [shares(0.4, 0.4, 0.6, 0.4, 0.5, 0.8)]))
    result = silent.analyse(four_chamber())  # the landmarks need no ED and ES
    for one in result.predictions:
        assert "ED and ES are unknown" in one.reason and not one.study
    apex, middle = (result.predictions[1].frames[f"{WHERE}_{point}_row_px"] for point in ("apex", "mitral_1"))
    assert ((apex - middle) * 1.5 == pytest.approx(0.4 * 256, rel=1e-3)) and len(apex) == 10


def test_a_published_head_replaces_the_starter() -> None:
    masks = disk_masks(n_frames=10, n_slices=5, ed_frame=2)
    head = MadeHead(SAX_HEAD, [grey_network] * 3)
    engine = Engine(PublishedSegmenter(head), [])  # type: ignore[arg-type]
    result = engine.analyse(disk_study(masks))
    assert (result.ed_frame, result.es_frame) == (2, 7) and result.heads == (head.use,)
    found, true = result.masks[View.SAX] == 3, masks == 3
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.9
    assert said(result, SAX_HEAD)[f"{SAX_HEAD}_lvedv_ml"] == pytest.approx(result.value("lvedv_ml"))
    (frames,) = (p.frames for p in result.predictions)
    assert result.curves is not None
    np.testing.assert_allclose(frames[f"{SAX_HEAD}_lv_ml"], result.curves.lv_ml)
    assert (frames[f"{SAX_HEAD}_disagreement"] == 0).all()
    with pytest.raises(StudyError, match="looks like a left ventricle"):
        engine.analyse(disk_study(np.zeros_like(masks)))


def test_a_speck_tells_no_moments() -> None:
    """A four-chamber view in which a head labels some pixels of LV only: no ED and ES, no mask."""

    def speck(images: dict) -> dict:
        (view, image) = next(iter(images.items()))
        logits = torch.zeros(len(image), 4, *image.shape[2:])
        logits[:, 0] = 1.0
        logits[:, 3, 100:103, 100:103] = 2.0
        return {view: logits}

    heads = (MadeHead(FOUR_HEAD, [speck]), MadeHead(CVD, [constant(0, 0, 0, 0, 0, 1)]))
    result = made(*heads).analyse(four_chamber())
    assert {p.head: p.reason for p in result.predictions}[FOUR_HEAD] == "no left ventricle was found"
    assert result.moments is None and not result.masks and said(result, CVD) == {}


def test_a_heart_that_does_not_beat_has_no_function() -> None:
    still = four_chamber()
    four = still.cines[View.LAX_4C]
    still = dataclasses.replace(
        still, cines={View.LAX_4C: dataclasses.replace(four, pixels=np.repeat(four.pixels[:1], 10, axis=0))}
    )
    heads = (
        MadeHead(FOUR_HEAD, [grey_network]),
        MadeHead(CVD, [constant(0, 0, 0, 0, 0, 1)]),
        MadeHead(WHERE, [shares(0.4, 0.4, 0.6, 0.4, 0.5, 0.8)]),
    )
    result = made(*heads).analyse(still)
    for name in (CVD, WHERE):
        assert "same frame" in {p.head: p.reason for p in result.predictions}[name] and said(result, name) == {}
    assert said(result, FOUR_HEAD)[f"{FOUR_HEAD}_lv_fac_pct"] is None
    assert said(result, FOUR_HEAD)[f"{FOUR_HEAD}_lv_ed_cm2"] > 0  # type: ignore[operator]


def test_a_head_that_fails_costs_its_own_answer_only() -> None:
    def broken(images: dict) -> object:
        raise RuntimeError("secret path /home/doe")

    result = made(MadeHead(EF, [broken]), MadeHead("cvd_acdc_sax", [constant(0, 0, 0, 4, 0)])).analyse(short_axis())
    failed = next(p for p in result.predictions if p.head == EF)
    assert failed.failed and "unexpected RuntimeError" in failed.reason and "doe" not in failed.reason
    assert said(result, "cvd_acdc_sax")["cvd_acdc_sax_class"] == "NOR" and result.value("lvedv_ml")


def test_embeddings_are_of_ed_and_es_and_of_the_views_that_are_there() -> None:
    result = made(MadeHead("backbone", [Backbone()])).analyse(both(ed_frame=4))
    assert [(e.moment, e.frame, e.vectors.keys()) for e in result.embeddings] == [
        ("ed", 4, {"cls", "sax", "lax_4c"}),
        ("es", 9, {"cls", "sax", "lax_4c"}),
    ]
    missing = {f"lax_{n}c": f"the study has no cine of the {n}-chamber long axis" for n in (2, 3)}
    assert result.embeddings[0].reasons == missing
    ed, es = (e.vectors["sax"][0] for e in result.embeddings)
    assert ed > es  # more bright blood


def test_moments_are_shares_of_the_cycle() -> None:
    study = both(long_frames=10)
    sax, four = study.cines[View.SAX], study.cines[View.LAX_4C]
    fast = dataclasses.replace(four, times_ms=np.arange(10) * 60.0, cycle_ms=600.0)  # another heart rate
    late = dataclasses.replace(sax, times_ms=np.arange(10) * 90.0, cycle_ms=830.0)
    changed = dataclasses.replace(study, cines={View.SAX: late, View.LAX_4C: fast})
    assert Moments(View.SAX, 9, 5).frames(changed, View.LAX_4C) == (0, 5)  # 0.98 of the cycle is nearest to its end
    unknown = dataclasses.replace(four, times_ms=np.arange(10) * 1000.0)  # longer than a beat: no times to trust
    np.testing.assert_allclose(cycle_shares(unknown), np.arange(10) / 10)


def test_tables_have_a_row_a_study_and_a_frame(tmp_path: Path) -> None:
    heads = (
        MadeHead(FOUR_HEAD, [grey_network] * 2),
        MadeHead(WHERE, [shares(0.4, 0.4, 0.6, 0.4, 0.5, 0.8)] * 3),
        MadeHead(CVD, [constant(0, 0, 0, 0, 0, 1)]),
        MadeHead(EF, [constant(0.0)]),
        MadeHead("backbone", [Backbone()]),
    )
    engine, asked = made(*heads), asked_of(*heads)
    for study in (both(), four_chamber()):
        result = engine.analyse(study)
        write_study_tables(tmp_path, result, asked)
        record(tmp_path, result, "d", version="1", files={"predictions.parquet": 1, "embeddings.parquet": 1})
    record(tmp_path, Failure("sub-3", "ses-1", "read", "bad", "it could not be read"), "d", version="1")
    record(tmp_path, dataclasses.replace(result, participant_id="sub-4"), "d", version="1")  # by the starter alone
    write_cohort_tables(tmp_path, cohort_records(tmp_path), asked, embedded=True)
    table = pl.read_parquet(tmp_path / "predictions.parquet")
    assert table.columns[:4] == ["participant_id", "session_id", "view", "frame"] and table.columns[-1] == "reasons"
    assert {c.name for c in asked} == set(table.columns[4:-1])
    whole = table.filter(pl.col("frame").is_null())
    assert whole["participant_id"].to_list() == ["sub-1", "sub-2", "sub-3", "sub-4"]
    assert whole["reasons"].to_list() == [
        "",
        f"{EF}: the study has no cine of the short axis",
        "all: it could not be read",
        "all: analysed without these heads",
    ]
    assert whole[f"{CVD}_class"].to_list() == ["NOR", "NOR", None, None]
    assert whole[f"{EF}_pct"].is_null().to_list() == [False, True, True, True]
    frames = table.filter(pl.col("frame").is_not_null(), participant_id="sub-2")
    assert frames["frame"].to_list() == list(range(10)) and set(frames["view"]) == {"lax_4c"}
    per_frame = [c.name for c in asked if c.per_frame]
    assert frames.select(per_frame).null_count().sum_horizontal().item() == 0
    assert whole.select(per_frame).null_count().sum_horizontal().item() == whole.height * len(per_frame)
    np.testing.assert_allclose(frames[f"{WHERE}_apex_column_px"][0], frames[f"{WHERE}_apex_column_px"][5])
    vectors = pl.read_parquet(tmp_path / "embeddings.parquet")
    assert vectors["participant_id"].to_list() == ["sub-1"] * 2 + ["sub-2"] * 2 + ["sub-3", "sub-4"]
    assert vectors["moment"].to_list() == ["ed", "es"] * 2 + [None] * 2
    assert vectors["sax"].is_null().to_list() == [False] * 2 + [True] * 4
    words = pl.read_json(tmp_path / "predictions.json")
    assert set(words.columns) == set(table.columns) and words["reasons"][0]["Description"]


def test_studies_that_other_heads_answered_say_so(tmp_path: Path) -> None:
    """Two runs over one study each, with other heads: a column that is empty in a row has its reason there."""
    heads = MadeHead(EF, [constant(0.0)]), MadeHead("cvd_acdc_sax", [constant(0, 0, 0, 4, 0)])
    first, second = made(heads[0]), made(heads[1])
    for engine, head, name in ((first, heads[0], "sub-1"), (second, heads[1], "sub-2")):
        result = dataclasses.replace(engine.analyse(short_axis()), participant_id=name)
        write_study_tables(tmp_path, result, asked_of(head))
        record(tmp_path, result, name, version="1", files={"predictions.parquet": 1})
    records = cohort_records(tmp_path)
    write_cohort_tables(tmp_path, records, asked_of(heads[1]), embedded=False)
    reasons = pl.read_parquet(tmp_path / "predictions.parquet")["reasons"].to_list()
    assert reasons == ["cvd_acdc_sax: not asked of this study", f"{EF}: not asked of this study"]
    known = cohort_standings(tmp_path)
    assert dropped_heads(known[0], second.heads) == [EF] and dropped_heads(known[0], first.heads) == []


def test_what_would_tell_ed_and_es_is_said() -> None:
    with pytest.raises(StudyError, match="cannot answer without ED and ES") as silent:
        made(MadeHead(CVD, [constant(0, 0, 0, 0, 0, 1)])).analyse(four_chamber())
    assert FOUR_HEAD in silent.value.hint


def test_a_cohort_without_predictions_has_no_such_table(tmp_path: Path) -> None:
    result = made().analyse(short_axis())
    write_study_tables(tmp_path, result, ())
    record(tmp_path, result, "d", version="1")
    (tmp_path / "predictions.parquet").write_bytes(b"of an earlier run")
    write_cohort_tables(tmp_path, cohort_records(tmp_path), (), embedded=False)
    assert not list(tmp_path.rglob("predictions.*")) and not list(tmp_path.rglob("embeddings.*"))
    assert prediction_table(result, ()).height == 1
