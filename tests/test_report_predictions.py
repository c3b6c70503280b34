"""Published heads on the pages: answers with spread and caveat, findings on the images, methods, whole cohorts."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from said_studies import (
    BACKBONE,
    CVD,
    EF,
    FOUR,
    HEAT,
    MEASURES,
    NAMES,
    STARTER,
    TWO_CHAMBER,
    WHERE,
    a_said_study,
    classes,
    facts,
    landmarks,
    uses,
)
from test_reports import HOSTILE, Page, a_study, check_golden, stands_alone

from cinema_cli.commands.cohort_page import write_report
from cinema_cli.domain.cine import CineStudy, View
from cinema_cli.domain.moments import Moments
from cinema_cli.domain.prediction import Embedding, Prediction, Task
from cinema_cli.domain.result import HeadUse, StudyResult
from cinema_cli.inference.answers import columns
from cinema_cli.inference.cards import PublishedCard, read_card
from cinema_cli.io.cohort_list import cohort_records
from cinema_cli.io.ledger import Failure, record
from cinema_cli.io.predictions import write_cohort_tables, write_study_tables
from cinema_cli.reports.cohort import RunFacts
from cinema_cli.reports.heads import HeadFacts
from cinema_cli.reports.methods import method_paragraphs
from cinema_cli.reports.study import render_study, thumbnail

COLUMNS = [c for name in NAMES if isinstance(card := read_card(name), PublishedCard) for c in columns(card)]
TILE = re.compile(r'<svg class="tile".*?</svg>', re.DOTALL)


def page(study: CineStudy, result: StudyResult, heads: Sequence[HeadFacts] | None = None) -> str:
    heads = facts() if heads is None else heads
    return render_study(study, result, version="9.9.9", generated="2026-01-02 03:04 UTC", heads=heads)


def said(html: str) -> str:
    """The text of the section of published heads."""
    text = Page(html).text()
    return text[text.index("What published heads say") : text.index("Quality checks\n")]


def tiles(html: str, label: str) -> list[str]:
    return [tile for tile in TILE.findall(html) if f'class="tile-label">{label}<' in tile]


def points(tile: str, style: str) -> list[np.ndarray]:
    """(point, xy) of each line of a style in a tile."""
    paths = re.findall(rf'<path class="c-{style}" d="M([^"]+)Z"', tile)
    return [np.array([xy.split() for xy in path.split("L")], dtype=float) for path in paths]


def test_golden_study_page_says_what_published_heads_say() -> None:
    html = page(*a_said_study())
    text = stands_alone(html).text()
    planes = text[text.index("Long-axis views") : text.index("Volume over the cycle\n")]
    check_golden("study-said.txt", planes + said(html))
    assert html == page(*a_said_study())


def test_starter_alone_leaves_the_page_as_it_was() -> None:
    study, result = a_study()
    html = page(study, result, facts([STARTER]))
    assert html == page(study, result, ())
    assert "published heads" not in html and "they are not measured" in html


def test_values_have_their_spread_and_what_limits_them() -> None:
    text = said(page(*a_said_study()))
    assert "Ejection fraction (of unclear meaning)\n27.7 ± 2.5\n%\n2.5 %\n3 seeds\n" in text
    assert "What this head calls EF is unclear." in text and "Do not read the answer as LVEF" in text
    assert "HCM\nis likeliest\nDCM\n0.05\nHCM\n0.80\n" in text and "Probabilities, not calibrated" in text
    assert "LV fractional area change\n25.0\n%\n" in text and "5.0% of voxels\n3 seeds\n" in text
    assert "Way of the mitral annulus (MAPSE)\n9.0\nmm\n" in text and "1.2 mm\n3 seeds\n" in text
    assert "Without an answer\nthe study has no cine of the 2-chamber long axis\n" + TWO_CHAMBER in text
    study, result = a_said_study()
    alone = Prediction(EF, {f"{EF}_pct": 27.7, f"{EF}_disagreement": None})
    one = said(page(study, replace(result, predictions=(alone,), embeddings=())))
    assert "27.7\n%\n" in one and "±" not in one


def test_bars_are_as_long_as_their_probability() -> None:
    html = page(*a_said_study())
    assert re.findall(r"<span>(\w+)</span><i><i style=\"width:([\d.]+)%\"", html) == [
        (name, "80.0" if name == "HCM" else "5.0") for name in ("DCM", "HCM", "MINF", "NOR", "RV")
    ]


def test_a_head_that_measured_is_not_repeated() -> None:
    study, result = a_said_study()
    own = Prediction(MEASURES, {f"{MEASURES}_lvedv_ml": 150.0}, View.SAX, {f"{MEASURES}_disagreement": np.full(6, 0.1)})
    names = (MEASURES, *NAMES[1:])
    html = page(study, replace(result, heads=uses(names), predictions=(own, *result.predictions)), facts(names))
    text = said(html)
    row = text[text.index(MEASURES) : text.index(FOUR)]
    assert "measured the numbers above\n10.0% of voxels\n" in row and "150" not in row


def test_findings_are_drawn_at_ed_and_es_where_they_lie() -> None:
    html = page(*a_said_study())
    ed, es = tiles(html, "4C ED"), tiles(html, "4C ES")
    assert len(ed) == len(es) == 1 and not tiles(html, "4C")
    scale = 228 / 90.0  # the field is 90 mm high, and wholly shown
    for tile, way_px in ((ed[0], 0.0), (es[0], 6.0)):
        axis, *rings = points(tile, "axis-1")
        rows, at = np.array([10.0 + way_px, 50.0]), np.array([[20.0, 20.0], [16.0, 24.0]])
        np.testing.assert_allclose(axis[:, 1], ((rows - 29.5) * 1.5) * scale + 114, atol=0.06)
        np.testing.assert_allclose(axis[:, 0], ((at[0] - 23.5) * 1.25) * scale + 114, atol=0.06)
        assert len(rings) == 3 and len(points(tile, "axis-2")) == 4
        assert all(len(points(tile, style)) == 1 for style in ("lv", "epi", "rv"))
    text = Page(html).text()
    assert "4-chamber long axis, ED frame 0, ES frame 3" in text
    assert "Drawn with what heads found at end-diastole and end-systole: 4-chamber long axis.\n" in text
    assert "long axis by heat maps\n" in text and "long axis by coordinates\n" in text
    assert "they are not measured" not in text


def test_other_views_are_drawn_at_the_same_share_of_the_cycle() -> None:
    study, result = a_said_study(n_frames=12)
    short, _ = a_study(n_frames=6)
    html = page(
        replace(study, cines={**study.cines, View.SAX: short.cines[View.SAX]}),
        replace(result, moments=Moments(View.SAX, 1, 4), masks={View.LAX_4C: result.masks[View.LAX_4C]}),
    )
    assert "4-chamber long axis, ED frame 2, ES frame 8" in Page(html).text()


def test_without_ed_and_es_the_longest_and_shortest_axis_are_drawn() -> None:
    study, result = a_study()
    alone = replace(result, moments=None, masks={}, curves=None, predictions=(landmarks(HEAT, 6),), heads=uses([HEAT]))
    html = page(replace(study, cines={View.LAX_4C: study.cines[View.LAX_4C]}), alone)
    assert "4-chamber long axis, ED frame 0, ES frame 3" in stands_alone(html).text()
    lost = {name: np.full(6, np.nan) for name in landmarks(HEAT, 6).frames}
    blank = replace(alone, predictions=(Prediction(HEAT, {f"{HEAT}_mapse_mm": float("nan")}, View.LAX_4C, lost),))
    text = stands_alone(page(replace(study, cines={View.LAX_4C: study.cines[View.LAX_4C]}), blank)).text()
    assert "4-chamber long axis, frame 3" in text and "nan" not in text.lower().split()


def test_a_study_of_the_four_chamber_view_alone_has_pictures_and_moments() -> None:
    study, result = a_said_study()
    four = replace(study, cines={View.LAX_4C: study.cines[View.LAX_4C]})
    masks = {View.LAX_4C: result.masks[View.LAX_4C]}
    alone = replace(result, masks=masks, moments=Moments(View.LAX_4C, 1, 4), curves=None, checks=())
    text = stands_alone(page(four, alone)).text()
    assert "End-diastole is frame 1 of the 4-chamber long axis, end-systole frame 4" in text
    assert "4-chamber long axis, ED frame 1, ES frame 4" in text and "there is no moving picture" in text
    assert len(thumbnail(four, alone)) > 500


def test_views_that_heads_only_look_at_are_told_from_those_nobody_measures() -> None:
    study, result = a_said_study()
    three = replace(study.cines[View.LAX_4C], view=View.LAX_3C)
    two = replace(three, view=View.LAX_2C)
    cines = {**study.cines, View.LAX_3C: three, View.LAX_2C: two}
    seen = Embedding(BACKBONE, "ed", 0, {"lax_3c": np.zeros(2, np.float32)})
    text = Page(page(replace(study, cines=cines), replace(result, embeddings=(seen,)))).text()
    assert "Looked at by heads that outline nothing: 3-chamber long axis. Shown only, not measured: 2-chamber" in text


def test_words_of_heads_are_only_ever_text() -> None:
    study, result = a_said_study()
    odd = (
        Prediction(CVD, classes(CVD, "HCM") | {f"{CVD}_class": HOSTILE}),
        Prediction(HOSTILE, {"x": 1.0}),
        Prediction(TWO_CHAMBER, reason=HOSTILE),
    )
    heads = [HeadFacts(CVD, "", title=HOSTILE, limits=HOSTILE, answers=(HOSTILE,) * 5, task=Task.CLASSIFICATION)]
    text = stands_alone(page(study, replace(result, predictions=odd), heads)).text()
    assert text.count(HOSTILE) == 7  # title, caveat, likeliest class, bar; an unknown head's title and name; reason


def a_folder(out: Path, *, names: Sequence[str] = NAMES) -> None:
    """Twelve studies with answers, a failed one, and one of the starter alone, as records and tables of a run."""
    for k in range(12):
        _, made = a_said_study(participant=f"sub-{k:02d}", ef=20.0 + k, likeliest="DCM" if k < 3 else "HCM")
        result = replace(made, heads=uses(names))
        write_study_tables(out, result, COLUMNS)
        record(out, result, "d", version="9.9.9")
    record(out, Failure("sub-50", "ses-1", "read", "bad", "it could not be read"), "d", version="9.9.9")
    record(out, a_study(participant="sub-60")[1], "d", version="9.9.9")
    write_cohort_tables(out, cohort_records(out), COLUMNS, embedded=True)


def test_golden_cohort_page_says_what_published_heads_say(tmp_path: Path) -> None:
    a_folder(tmp_path)
    html = write_report(tmp_path, cohort_records(tmp_path)).read_text(encoding="utf-8")
    text = stands_alone(html).text()
    section = text[text.index("What published heads say") : text.index("Outliers and flags")]
    methods = text[text.index("Segmentation\n") : text.index("Head starter_sax")]
    check_golden("cohort-said.txt", section + methods)
    assert html == write_report(tmp_path, cohort_records(tmp_path)).read_text(encoding="utf-8")


def test_answers_of_a_cohort_are_counted_with_the_commonest_reason(tmp_path: Path) -> None:
    a_folder(tmp_path)
    html = write_report(tmp_path, cohort_records(tmp_path)).read_text(encoding="utf-8")
    rows = {row[1]: row for row in re.findall(r"<tr><th scope=\"row\">([^<]*)<code>(\w+)</code></th>(.*?)</tr>", html)}
    cells = {name: re.findall(r">([^<]*)</td>", row[2]) for name, row in rows.items()}
    assert cells[EF] == ["12", "2", "analysed without these heads (1)", "2.5 %"]
    assert cells[TWO_CHAMBER] == ["0", "14", "the study has no cine of the 2-chamber long axis (12)", ""]
    assert cells[FOUR] == ["12", "2", "analysed without these heads (1)", "5.0% of voxels"]
    assert cells[WHERE][-1] == "1.2 mm" and cells[CVD][-1] == "0.04"
    assert cells[BACKBONE] == ["12", "2", "analysed without these heads (1)", ""]
    bars = re.findall(r"<span>(\w+)</span><i><i style=\"width:([\d.]+)%\"></i></i><b>([^<]+)</b>", html)
    assert bars == [
        ("DCM", "25.0", "3 (25%)"),
        ("HCM", "75.0", "9 (75%)"),
        ("MINF", "0.0", "0 (0%)"),
        ("NOR", "0.0", "0 (0%)"),
        ("RV", "0.0", "0 (0%)"),
    ]
    text = Page(html).text()
    assert "men, n = 12\nmedian 25.5\nWhat this head calls EF is unclear.\n" in text


def test_weights_of_several_files_are_each_named(tmp_path: Path) -> None:
    a_folder(tmp_path)
    text = Page(write_report(tmp_path, cohort_records(tmp_path)).read_text(encoding="utf-8")).text()
    for file, sha256 in next(use.weights for use in uses([EF])).items():
        assert f"{file}\nsha256 {sha256}\n" in text
    assert f"Weights\nsha256 {'cd' * 32}\n" in text  # of the starter


def test_without_predictions_there_is_no_such_section(tmp_path: Path) -> None:
    record(tmp_path, a_study()[1], "d", version="9.9.9")
    (tmp_path / "predictions.parquet").write_bytes(b"cut off")
    text = Page(write_report(tmp_path, cohort_records(tmp_path)).read_text(encoding="utf-8")).text()
    assert "published heads" not in text


@pytest.mark.parametrize(
    ("names", "headings"),
    [
        ([STARTER], ["Segmentation"]),
        ([STARTER, EF], ["Segmentation", "Other published heads"]),
        ([MEASURES, EF], ["Segmentation by a published head", "Other published heads"]),
        ([MEASURES], ["Segmentation by a published head"]),
        ([], ["Segmentation"]),
    ],
)
def test_methods_tell_who_measured_and_who_answered_beside(names: list[str], headings: list[str]) -> None:
    said = dict(method_paragraphs(RunFacts(version="1", heads=facts(names))))
    always = {"Scan", "Views", "End-diastole and end-systole", "Volumes and mass", "Reference ranges"}
    assert [heading for heading in said if heading not in always] == headings
    for heading, name in zip(headings[:1], names[:1], strict=False):
        assert f"({name}, " in said[heading]
    assert ("looked at again" in said[headings[0]]) == (headings[0] == "Segmentation")
    assert ("in two-chamber" in str(said)) is False and ("MAPSE" in str(said)) is False  # no landmark head is in use


def test_methods_of_records_by_both_kinds_of_head() -> None:
    heads = [replace(head, measures=head.name in (STARTER, MEASURES)) for head in facts([STARTER, MEASURES, HEAT])]
    said = dict(method_paragraphs(RunFacts(version="1", heads=tuple(heads))))
    assert f"({STARTER}, weights sha256 cdcd" in said["Segmentation by the starter head"]
    assert f"({MEASURES}, 3 files of weights, together sha256 cdcd" in said["Segmentation by a published head"]
    assert "MAPSE is how far" in said["Other published heads"] and "Classes" not in said["Other published heads"]


def test_a_hostile_class_of_a_cohort_is_text(tmp_path: Path) -> None:
    _, result = a_said_study()
    odd = (Prediction(CVD, classes(CVD, "HCM") | {f"{CVD}_class": HOSTILE}), Prediction(EF, reason=HOSTILE))
    write_study_tables(tmp_path, replace(result, predictions=odd), COLUMNS)
    record(tmp_path, replace(result, heads=(HeadUse(STARTER, "ab"), *uses([CVD, EF]))), "d", version="1")
    write_cohort_tables(tmp_path, cohort_records(tmp_path), COLUMNS, embedded=False)
    text = stands_alone(write_report(tmp_path, cohort_records(tmp_path)).read_text(encoding="utf-8")).text()
    assert text.count(HOSTILE) == 2
