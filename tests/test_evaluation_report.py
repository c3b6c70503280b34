"""The page of an evaluation and that of its worst cases: what they say, that they stand alone, whom they show."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_estimates import STRANGE
from made_evaluation import (
    Made,
    evaluation_estimates,
    evaluation_facts,
    fairness_estimates,
    worst_studies,
)
from markupsafe import Markup, escape
from test_pages import BROWSER, PAPER_PX, browse, probe
from test_reports import Page, check_golden, disk_heart, stands_alone

from cinema_cli.analysis.estimates import EVALUATION_ANALYSES, SCHEMA, Estimate, table_of
from cinema_cli.domain.cine import Label
from cinema_cli.reports.analysis.interval_chart import IntervalRow, interval_chart, interval_of
from cinema_cli.reports.analysis.metrics import METRICS, metric_of, metric_words, target_of
from cinema_cli.reports.analysis.tables import Cell, cell_of, told
from cinema_cli.reports.evaluation import (
    against,
    agreement,
    classes,
    comparison,
    masks,
    render_evaluation,
    render_worst,
)
from cinema_cli.reports.evaluation.bland_altman import SHADES, Lines, Spot, bland_altman

MADE = Made()


@pytest.fixture(scope="module")
def html() -> str:
    return render_evaluation(evaluation_estimates(), evaluation_facts(), worst_studies())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are what they would be drawn from, in words: for tests of words."""
    charts = {masks: ["interval_chart"], against: ["interval_chart"], agreement: ["bland_altman"]}
    for module, names in (charts | {classes: ["roc_curves", "calibration"]}).items():
        for name in names:
            monkeypatch.setattr(module, name, lambda *data, **words: escape(f"{data} {words}"))


def text_of(table: pl.DataFrame, **changes: object) -> str:
    return stands_alone(render_evaluation(table, evaluation_facts(**changes))).text()


def render_text(*, worst: bool) -> str:
    return Page(render_evaluation(evaluation_estimates(), evaluation_facts(), worst_studies() if worst else ())).text()


def test_golden_text_of_the_page(html: str) -> None:
    check_golden("evaluation.txt", stands_alone(html).text())


def test_the_same_table_gives_the_same_bytes(html: str) -> None:
    csv = io.BytesIO(evaluation_estimates().write_csv().encode())
    table = pl.read_csv(csv, schema_overrides=SCHEMA)
    assert render_evaluation(table, evaluation_facts(), worst_studies()) == html


def test_every_kind_of_row_is_on_some_page() -> None:
    made = pl.concat([evaluation_estimates(), fairness_estimates()])
    assert set(made["analysis"]) >= set(EVALUATION_ANALYSES)


@pytest.mark.usefixtures("quick")
def test_every_kind_of_row_has_its_place_on_the_page() -> None:
    table, facts = evaluation_estimates(), evaluation_facts()
    whole = render_evaluation(table, facts)
    for kind in dict.fromkeys(table["analysis"]):
        part = render_evaluation(table.filter(pl.col("analysis") != kind), facts)
        assert part != whole, kind
        stands_alone(part)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["evaluation", "agreement", "classification", "difference", "repeatability", "counts"])
def test_every_figure_of_a_kind_is_told(kind: str) -> None:
    """No metric is dropped because the page has no column for it."""
    table = evaluation_estimates()
    for model in dict.fromkeys(table.filter(pl.col("analysis") == kind)["model"]):
        less = table.filter((pl.col("analysis") != kind) | (pl.col("model") != model))
        assert text_of(less) != text_of(table), model
    unknown = [Estimate(kind, model="my_own_mm", term="lvef_pct", n=321, estimate=4.25)]
    if kind in {"evaluation", "classification", "counts"}:
        assert "321" in text_of(pl.concat([table, table_of(unknown)]))


@pytest.mark.usefixtures("quick")
def test_every_link_leads_somewhere(html: str) -> None:
    page = Page(html)
    ids = {attrs.get("id") for _, attrs in page.tags}
    links = {a for a in page.addresses if not re.fullmatch(r"#[mC]\w*[0-9a-f]{8,}\w*", a)}
    assert {a.removeprefix("#") for a in links if a.startswith("#")} <= ids
    assert {a for a in links if not a.startswith("#")} == {"individual/worst.html"}


def test_names_of_users_are_words_not_code() -> None:
    made = Made(groups=(STRANGE, "左室 $x$"), column=STRANGE)
    strange = pl.col("term").replace({"lvef_pct": STRANGE, "acdc_head": STRANGE, "rv": STRANGE, "apex": STRANGE})
    table = evaluation_estimates(made).with_columns(strange)
    reason = Estimate("not_estimable", model=STRANGE, term=STRANGE, group=STRANGE, level=STRANGE)
    facts = evaluation_facts(
        made, cohort_name=STRANGE, system=STRANGE, against=STRANGE, reference=STRANGE, labels=STRANGE,
        repeats=STRANGE, command=STRANGE, options=((STRANGE, STRANGE),),
    )  # fmt: skip
    html = render_evaluation(pl.concat([table, table_of([reason])]), facts)
    assert "<script" not in html
    assert stands_alone(html).text().count(STRANGE) > 30
    worst = render_worst(worst_studies(name=STRANGE), facts)
    assert "<script" not in worst and STRANGE in Page(worst).text()


@pytest.mark.usefixtures("quick")
def test_a_page_for_release_shows_no_person_and_says_what_is_hidden(html: str) -> None:
    text = Page(html).text()
    assert "sub-" not in html and "Not cleared for release" not in text
    assert "of 1 to 9 people" in text and "\nsuppressed\n" in text
    shown = text_of(evaluation_estimates(replace(MADE, suppressed=False)), suppressed=False)
    assert "Not cleared for release." in shown and "suppressed" not in shown


def pictures_of(
    pixels: np.ndarray | None, *masks_of: np.ndarray, **known: list[bool]
) -> tuple[tuple[Markup, ...], int]:
    looked = {Label[name]: np.array(slices) for name, slices in known.items()}
    return comparison(pixels, *masks_of, known=looked, pixel_spacing_mm=(1.4, 1.4))


def test_worst_studies_have_a_page_that_is_not_for_release() -> None:
    cine, labels = disk_heart()
    everywhere = dict.fromkeys(("RV", "MYO", "LV"), [True] * len(labels[0]))
    pictures, _ = pictures_of(cine.pixels[0], labels[0], labels[3], **everywhere)
    assert (pictures, _) == pictures_of(cine.pixels[0], labels[0], labels[3], **everywhere)
    plain, outlined = pictures
    assert "<path" not in plain and outlined.count("c-prediction") == outlined.count("c-reference") == 3
    assert sum(map(len, pictures)) < 40_000
    html = render_worst(worst_studies(pictures=pictures), evaluation_facts())
    page = stands_alone(html)
    assert "Not for release." in page.text() and html.count(outlined) == 2
    links = [address for address in page.addresses if not address.startswith("data:")]
    assert links == ["../report.html", "../../sub-0007/ses-1/study.html"]
    for words in ("Among the worst in: Dice, RV cavity, ES: 0.410.", "LV cavity, ED: 31.2 mm; error of LV ejection",
                  "ES, slice 3 of 9. No image: the input of the run is no longer where it was.", "0.930"):  # fmt: skip
        assert words in page.text()
    assert "No case was listed." in Page(render_worst([], evaluation_facts())).text()


def test_a_picture_needs_no_image_and_no_label() -> None:
    nothing = np.zeros((2, 40, 30), np.uint8)
    some = nothing.copy()
    some[1, 10:20, 10:20] = 3
    for one, other, lines in ((nothing, nothing, 0), (some, nothing, 1), (nothing, some, 1), (some, some, 0)):
        (picture,), at = pictures_of(None, one, other, LV=[True, True])
        assert picture.count("<path") == lines and at == lines


def test_only_what_the_reference_was_drawn_of_is_compared_in_pictures() -> None:
    """Contours of some slices say nothing of the others, and nothing of the right ventricle."""
    prediction, reference = np.zeros((2, 3, 40, 30), np.uint8)
    prediction[0, 5:35, 5:25] = 3  # not drawn by the reference
    prediction[1, 10:20, 5:12], prediction[1, 10:20, 12:20] = 1, 3
    reference[1, 10:18, 12:20] = 3
    (picture,), at = pictures_of(None, prediction, reference, LV=[False, True, True])
    assert at == 1 and picture.count("<path") == 2


@pytest.mark.usefixtures("quick")
def test_wording_claims_no_more_than_the_evidence(html: str) -> None:
    text = Page(html).text().lower()
    for word in ("signific", "proves", "accurate", "excellent", "outperform"):
        assert word not in text
    assert "is not accuracy" in text and "research use only" in text
    assert "where it was not shown, that does not show inferiority" in text
    without = evaluation_estimates().filter(pl.col("analysis") != "non_inferiority")
    said = text_of(without)
    assert "Mean Dice less that of nnU-Net: \u22120.0040" in said and "Dashed: the margin" not in said


@pytest.mark.usefixtures("quick")
def test_methods_define_only_what_was_done() -> None:
    said = text_of(evaluation_estimates())
    methods = said[said.index("\nMethods\nComparison") :]
    for words in ("95th percentile", "Dice and IoU are not defined", "both are 0", "((a − b)² / 2) / ((a + b) / 2)²",
                  "DeLong", "Wilson", "Shrout and Fleiss", "signed-rank"):  # fmt: skip
        assert words in methods
    few = text_of(evaluation_estimates().filter(pl.col("analysis") == "agreement"))
    for words in ("Hausdorff", "DeLong", "signed-rank", "CineMA paper", "Empty masks"):
        assert words not in few[few.index("\nMethods\n") :]


@pytest.mark.usefixtures("quick")
def test_methods_say_that_rates_come_from_rounded_mistakes() -> None:
    rates = pl.col("analysis") == "classification"
    rounded = evaluation_estimates().with_columns(rounded=pl.when(rates).then(10).otherwise("rounded"))
    words = "people of each class are rounded to multiples of 10; ROC curves are as coarse."
    assert words in text_of(rounded) and words not in text_of(evaluation_estimates())


@pytest.mark.usefixtures("quick")
def test_checklists_claim_what_the_page_has_and_list_the_rest() -> None:
    whole = text_of(evaluation_estimates())
    for name in ("STARD", "CLAIM", "GRRAS"):
        assert f"\n{name}\n" in whole
    assert whole.count("Left to the author:") == 3 and "Consecutive, random or convenience series" in whole
    for words in (
        "two sessions a participant; time between",
        "Dice, IoU, 95% Hausdorff distance",
        "By sex; why is left",
    ):
        assert words.lower() in whole.lower()
    no_repeat = text_of(evaluation_estimates().filter(pl.col("analysis") != "repeatability"), groups=())
    assert "GRRAS" not in no_repeat and "By sex; why" not in no_repeat
    bare = text_of(evaluation_estimates().filter(pl.col("analysis") == "agreement"), reference="")
    for words in ("up to 40% reduced", "Empty masks, by rule", "Flow with numbers", "in pictures, not for release"):
        assert words in render_text(worst=True) and words not in bare
    assert "Reporting checklists" not in text_of(table_of([]))


@pytest.mark.usefixtures("quick")
def test_an_empty_table_says_that_there_is_nothing() -> None:
    text = text_of(table_of([]))
    assert "AUC, acdc_head, HCM, sex = F: one class only" in text_of(evaluation_estimates())
    assert "Nothing could be compared" in text and "None" not in text.split()
    for words in ("Masks", "Volumes", "Classes", "Two systems", "Repeatability", "Worst cases"):
        assert words not in text
    assert "Nothing was compared." in text


@pytest.mark.usefixtures("quick")
def test_a_page_of_repeats_alone_is_of_no_reference() -> None:
    flow = [
        Estimate("flow", model="repeatability", term="participants with a result", level="kept", n=45),
        Estimate("flow", model="repeatability", term="measured twice", level="kept", n=40),
    ]
    repeated = evaluation_estimates().filter(pl.col("analysis") == "repeatability")
    page = Page(render_evaluation(pl.concat([table_of(flow), repeated]), evaluation_facts(reference="", against="")))
    text = page.text()
    assert "Disks: Repeatability of CineMA, short axis" in text and "40 participants" in text
    assert "reference" not in text[: text.index("Methods\n")] and "pairs of measurements" in text
    assert not {"#masks", "#agreement", "#classes", "#worst"} & set(page.addresses)
    pairs = text_of(pl.concat([table_of(flow), repeated]), repeats="pairs of again.csv")
    assert "40 pairs" in pairs


@pytest.mark.usefixtures("quick")
def test_a_page_without_counts_names_what_was_compared_ed_first() -> None:
    some = [("lv", "es"), ("lv", "ed"), ("myo", "ed"), ("mean", "ed")]
    table = table_of(Estimate("evaluation", model="dice", term=t, level=f, n=20, estimate=0.9) for t, f in some)
    assert "on either side (ED: LV cavity and LV myocardium; ES: LV cavity)." in text_of(table)


@pytest.mark.usefixtures("quick")
def test_pictures_of_differences_say_what_they_hold_and_hide(html: str) -> None:
    text = Page(html).text()
    assert "n = 412. Cells of 8 by 11 ml, the stronger in colour the more people: 10 to 60." in text
    assert "In smaller cells, not drawn: 37. Slope 0.040 (0.020 to 0.060)." in text
    assert text.count("Agreement by sex") == 1 and text.count("Repeatability by sex") == 1
    drawn = pl.col("analysis") == "bland_altman"
    points = evaluation_estimates().with_columns(
        level=pl.when(drawn).then(pl.lit("61.5")).otherwise("level"),
        lower=pl.when(~drawn).then("lower"),
        upper=pl.when(~drawn).then("upper"),
    )
    assert "Cells of" not in text_of(points) and "n = 412. Slope" in text_of(points)
    hidden = evaluation_estimates().with_columns(estimate=pl.when(~drawn).then("estimate"))
    assert "Too few people for a figure: LV end-diastolic volume," in text_of(hidden)


def test_a_picture_of_differences_has_shades_lines_and_numbers_apart() -> None:
    cells = [Spot((10.0 * k, 10.0 * k + 10), (-5.0, 5.0), 10 * (k + 1) ** 2) for k in range(5)]
    lines = Lines((0.5, 1.0, 1.5), (-9.0, -8.0, -7.0), (9.0, 10.0, 11.0), (0.1, 25.0))
    drawn = str(bland_altman(cells, lines, unit="ml", title="t"))
    assert drawn == str(bland_altman(cells, lines, unit="ml", title="t"))
    assert {float(o) for o in re.findall(r"fill: var\(--accent\); opacity: ([\d.]+)", drawn)} == set(SHADES)
    for words in ("10.0", "1.0", "\u22128.0"):
        assert f">{words}</text>" in drawn
    tight = Lines((0.9, 1.0, 1.1), (0.8, 0.9, 1.0), (1.0, 1.1, 1.2))
    near = str(bland_altman(cells, tight, unit="", title="t"))
    heights = [float(y) for y in re.findall(r'y="([\d.]+)"[^>]*>(?:0\.9|1\.0|1\.1)</text>', near)]
    assert len(heights) == 3 and heights[0] - heights[1] > 12 and heights[1] - heights[2] > 12
    alike = [Spot(cell.x, cell.y, None) for cell in cells]  # nobody says how many
    assert str(bland_altman(alike, Lines(), unit="", title="t")).count("opacity: 0.5") == 1


@pytest.mark.usefixtures("quick")
def test_a_margin_is_drawn_on_the_side_of_worse() -> None:
    table = evaluation_estimates()
    html = render_evaluation(table, evaluation_facts())
    drawn = re.findall(r"&#39;margin&#39;: (-?[\d.]+|None)", html)
    assert drawn == ["-0.01", "1.0"]  # Dice: higher is better; a distance: lower
    two = table.with_columns(
        pl.when((pl.col("analysis") == "non_inferiority") & (pl.col("group") == "es"))
        .then(pl.lit("0.02"))
        .otherwise("level")
        .alias("level")
    )
    assert "&#39;margin&#39;: None" in render_evaluation(two, evaluation_facts())


def test_a_point_outside_runs_into_an_arrow_and_stretches_no_axis() -> None:
    rows = [IntervalRow(str(k), (0.9, 1.0, 1.1), "w") for k in range(4)]
    far = IntervalRow("far", (-4000.0, 1.0, 4000.0))
    drawn = str(interval_chart([*rows, far], x_title="x", title="t"))
    ticks = [float(t.replace("\u2212", "-")) for t in re.findall(r">([\u2212\d.]+)</text>", drawn) if "." in t]
    assert max(ticks) < 20
    assert str(interval_chart([*rows, far], x_title="x", title="t")) == drawn
    assert "NaN" not in str(interval_chart([IntervalRow("none")], x_title="x", title="t"))
    ratios = str(interval_chart([IntervalRow("hr", (0.01, 0.5, 400.0))], x_title="x", line=1.0, ratios=True, title="t"))
    assert ">1</text>" in ratios and ">5</text>" in ratios


def test_words_of_metrics_and_cells() -> None:
    assert metric_words("mae", "lvef_pct") == "Mean absolute error, percentage points" and metric_words("hd95_mm") == (
        "95% Hausdorff distance, mm"
    )
    assert metric_words("my_distance_mm") == "My distance, mm" and metric_of("odd").decimals == 3
    assert target_of("lvef_pct ed") == "LV ejection fraction, ED" and target_of("rv") == "RV cavity"
    assert target_of("lvef_category") == "Category of LV ejection fraction" and target_of("a head") == "a head"
    share = Estimate("classification", model="accuracy", estimate=0.9, lower=0.85, upper=0.94)
    assert cell_of(share, METRICS["accuracy"]) == Cell("90.0", ("85.0 to 94.0",))
    assert cell_of(replace(share, unit="%", estimate=90.0), METRICS["accuracy"]).words == "90.0"
    hidden = replace(share, estimate=None, suppressed=True)
    assert cell_of(hidden, METRICS["accuracy"]) == Cell("suppressed") and interval_of(hidden) is None
    assert told(("a", "b", "c"), [["x", "", "1"], ["y", "–", ""]]).heads == ("a", "c")


@pytest.mark.skipif(BROWSER is None, reason="no chromium here: .ci/packages installs it")
@pytest.mark.parametrize("width", [390, 1280, PAPER_PX])
def test_the_page_fits_phone_desk_and_paper(html: str, width: int, tmp_path: Path) -> None:
    open_page = html.replace("<details>", "<details open>")
    if width == PAPER_PX:
        open_page = open_page.replace("@media print", "@media all")
    page = tmp_path / "evaluation.html"
    page.write_text(open_page, encoding="utf-8")
    scroll_width, inner_width, wide, asked, cut = probe(page, width=width, html=open_page, profile=tmp_path / "p")
    assert (inner_width, wide, asked) == (width, "none", 0)
    assert scroll_width <= width
    assert width == 390 or cut == 0


@pytest.mark.skipif(BROWSER is None, reason="no chromium here: .ci/packages installs it")
def test_the_page_prints_on_a4(html: str, tmp_path: Path) -> None:
    page, paper = tmp_path / "evaluation.html", tmp_path / "evaluation.pdf"
    page.write_text(html, encoding="utf-8")
    browse(page, f"--print-to-pdf={paper}", "--no-pdf-header-footer", profile=tmp_path / "profile")
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper.read_bytes())
    assert 4 < len(boxes) < 20
    assert all(float(w) == pytest.approx(595, abs=2) for w, _ in boxes)
