"""The page of a survival analysis: what it says, that it stands alone and claims no more than its rows say."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_estimates import STRANGE, Made, made_estimates, made_facts, no_events
from markupsafe import escape
from test_pages import BROWSER, PAPER_PX, browse, probe
from test_reports import Page, check_golden, stands_alone

from cinema_cli.analysis.estimates import SCHEMA, SURVIVAL_ANALYSES, Estimate, table_of
from cinema_cli.reports.analysis.facts import few_words
from cinema_cli.reports.analysis.strokes import ratio_ends, ratio_ticks
from cinema_cli.reports.analysis.words import p_said, p_words, per_words, rate_words, ratio, short, size_words, title_of
from cinema_cli.reports.survival import assumptions, curves, hazards, render_survival, usefulness
from cinema_cli.reports.survival.checklists import CHECKLISTS
from cinema_cli.reports.survival.curve_charts import Curve, drawn_curves, y_ends

MADE = Made()
PLAIN = Made(phenotypes=1, groups=(), competing=False, suppressed=False)


@pytest.fixture(scope="module")
def html() -> str:
    return render_survival(made_estimates(), made_facts())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are what they would be drawn from, in words: for tests of words."""
    charts = {curves: ["drawn_curves"], hazards: ["forest"], assumptions: ["smooth_ratio"]}
    for module, names in (charts | {usefulness: ["calibration", "decision_curve"]}).items():
        for name in names:
            monkeypatch.setattr(module, name, lambda *data, **words: escape(f"{data} {words}"))


def section(text: str, start: str, end: str) -> str:
    return text[text.index(f"\n{start}\n") : text.index(f"\n{end}\n")]


def test_golden_text_of_the_page(html: str) -> None:
    check_golden("survival.txt", stands_alone(html).text())


def test_the_same_table_gives_the_same_bytes(html: str) -> None:
    csv = io.BytesIO(made_estimates().write_csv().encode())
    assert render_survival(pl.read_csv(csv, schema_overrides=SCHEMA), made_facts()) == html


@pytest.mark.usefixtures("quick")
def test_every_kind_of_row_has_its_place_on_the_page() -> None:
    made = replace(MADE, phenotypes=2)
    table = made_estimates(replace(made, phenotypes=4))  # the fourth is not estimable
    assert set(table["analysis"]) == set(SURVIVAL_ANALYSES)
    whole = render_survival(table, made_facts(made))
    for kind in SURVIVAL_ANALYSES:
        part = render_survival(table.filter(pl.col("analysis") != kind), made_facts(made))
        assert part != whole, kind
        stands_alone(part)


def test_sections_come_in_the_order_of_the_specification(html: str) -> None:
    ids = [attrs["id"] for tag, attrs in Page(html).tags if attrs.get("id") and tag in {"h2", "section"}]
    order = ["people", "table-one", "curves", "hazards", "added", "calibration", "methods", "run", "checklists"]
    assert [i for i in ids if i in order] == order


@pytest.mark.usefixtures("quick")
def test_every_link_leads_somewhere() -> None:
    for made, table in ((MADE, made_estimates()), (PLAIN, made_estimates(PLAIN)), (MADE, no_events())):
        page = Page(render_survival(table, made_facts(made)))
        ids = {attrs.get("id") for _, attrs in page.tags}
        links = {address.removeprefix("#") for address in page.addresses if address.startswith("#m") is False}
        assert {link for link in links if link and not re.fullmatch(r"[mC]\w*[0-9a-f]{8,}\w*", link)} <= ids


def test_names_of_users_are_words_not_code() -> None:
    made = Made(phenotypes=2, groups=(STRANGE, "左室 $x$"), column=STRANGE)
    table = made_estimates(made).with_columns(
        pl.when(pl.col("term") == "lvef_pct").then(pl.lit(STRANGE)).otherwise("term").alias("term"),
        pl.when(pl.col("group") == "lvef_pct").then(pl.lit(STRANGE)).otherwise("group").alias("group"),
    )
    reason = Estimate("not_estimable", "hf_event", "adjusted", STRANGE, level=f"no events in {STRANGE}")
    table = pl.concat([table, table_of([reason])])
    facts = made_facts(
        made, outcome_words=STRANGE, cohort_name=STRANGE, covariates=(STRANGE,), competing=STRANGE, command=STRANGE,
        options=((STRANGE, STRANGE),), cluster=STRANGE, strata=(STRANGE,), time_unit=STRANGE,
    )  # fmt: skip
    html = render_survival(table, facts)
    assert "<script" not in html
    assert stands_alone(html).text().count(STRANGE) > 30
    assert "$x$" in html  # no formula either


@pytest.mark.usefixtures("quick")
def test_a_page_for_release_has_no_banner_and_says_what_is_hidden(html: str) -> None:
    text = Page(html).text()
    assert "Not cleared for release" not in text
    assert "event before imaging (suppressed)" in text and "Left out\n" in text  # nor a sum to subtract from
    assert "of 1 to 9 people or events" in text and "Suppressed tenths: 1." in text
    shown = Page(render_survival(made_estimates(replace(MADE, suppressed=False)), made_facts(suppressed=False))).text()
    assert "Not cleared for release." in shown and "Left out: 182\n" in shown
    assert "suppressed" not in shown


@pytest.mark.parametrize(
    ("n", "said"), [(6, "6 people are too few"), (None, "These are too few"), (50, ""), (4812, "")]
)
def test_of_few_people_a_page_for_release_says_so_at_the_top(n: int | None, said: str) -> None:
    few = few_words(n, suppressed=True, min_cell=10)
    assert few.startswith(said) and bool(few) == bool(said) and not few_words(n, suppressed=False, min_cell=10)
    table = table_of([Estimate("rate", outcome="event", n=n, suppressed=n is None)])
    text = Page(render_survival(table, made_facts())).text()
    assert (few in text[: text.index("Every number comes from")]) and ("too few for a released table" in text) == bool(
        said
    )


def test_a_curve_ends_where_its_rows_end() -> None:
    times = np.arange(0.0, 7.0)
    percent = 100 - times
    long = Curve("long", (t := np.arange(13.0)), 100 - t, *(np.full(13, np.nan),) * 2, t, np.arange(100.0, 87, -1))
    cut = Curve("cut", times, percent, percent - 1, percent + 1, times, np.arange(90.0, 83, -1))
    drawn = str(drawn_curves([long, cut], unit="years", y_title="free", rising=False, narrow=False, title="t"))
    words = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert words[words.index("cut") + 1 :] == ["90", "88", "86", "84"]  # at the ticks of the axis
    assert words[words.index("long") + 1 : words.index("cut")] == [str(n) for n in range(100, 87, -2)]


def test_the_axis_of_a_curve_says_where_it_starts(html: str) -> None:
    times = np.array([0.0, 1.0])
    rare = Curve("a", times, np.array([100.0, 97.0]), *(np.full(2, np.nan),) * 2, times, np.full(2, 9.0))
    common = replace(rare, percent=np.array([100.0, 20.0]))
    assert y_ends([rare], rising=False)[0] > 90 and y_ends([common], rising=False) == (0.0, 100.0)
    assert y_ends([replace(rare, percent=100 - rare.percent)], rising=True)[0] == 0
    assert "The axis starts at 88%." in Page(html).text()


@pytest.mark.usefixtures("quick")
def test_without_events_the_page_says_so_and_stands() -> None:
    text = stands_alone(render_survival(no_events(), made_facts())).text()
    assert "Nobody had the outcome (heart failure) while followed" in text
    assert "No hazard ratio could be estimated." in text and "No curve could be drawn" in text
    assert "LV mass, adjusted: no events: no hazard ratio is estimable" in text
    assert "0.00 (0.00 to 0.09)" in text
    empty = stands_alone(render_survival(table_of([]), made_facts())).text()
    assert "The estimates hold no participant flow." in empty and "None" not in empty.split()


@pytest.mark.usefixtures("quick")
def test_one_phenotype_without_groups_or_competing_events() -> None:
    text = stands_alone(render_survival(made_estimates(PLAIN), made_facts(PLAIN))).text()
    assert "the q value (p adjusted for the number of phenotypes) was below 0.05 for LV ejection fraction" in text
    assert "SMD" not in text and "Cumulative incidence" not in text and "Fine-Gray" not in text
    assert "Across phenotypes" not in text


@pytest.mark.usefixtures("quick")
def test_twenty_phenotypes_are_folded() -> None:
    made = Made(phenotypes=20, groups=tuple(f"centre {k}" for k in range(22)), column="centre")
    page = stands_alone(render_survival(made_estimates(made), made_facts(made)))
    assert "Quarters of 18 more phenotypes" in page.text() and "All 21 models" in page.text()
    heads = section(page.text(), "By centre", "LV ejection fraction, %")
    assert heads.count("n = ") == 5  # everyone and four centres in a part


@pytest.mark.usefixtures("quick")
def test_performance_is_labelled_as_its_rows_say() -> None:
    text = Page(render_survival(made_estimates(), made_facts())).text()
    assert "Decision curve, held-out" in text and "Clinical model\nheld-out\n" in text
    assert "Harrell’s C (optimism-corrected) was 0.701" in text and "added: a difference of 0.021." in text
    table = made_estimates()
    table = table.with_columns(
        pl.when(pl.col("analysis") != "decision_curve").then("unit").otherwise(pl.lit("")).alias("unit")
    )
    only_apparent = table.filter((pl.col("level") != "optimism-corrected") | (pl.col("analysis") != "concordance"))
    text = Page(render_survival(only_apparent, made_facts())).text()
    assert "Decision curve, apparent" in text  # where the row is silent
    assert "Harrell’s C (apparent) was 0.712" in text and "flatter them" in text


@pytest.mark.usefixtures("quick")
def test_wording_claims_no_more_than_the_evidence(html: str) -> None:
    text = Page(html).text().lower()
    assert "signific" not in text and "proves" not in text and "predicts" not in text
    assert "do not show that a phenotype causes the outcome" in text and "research use only" in text
    none = made_estimates().with_columns(q=pl.lit(0.4))
    said = Page(render_survival(none, made_facts())).text()
    assert "none of 4 phenotypes had a q value" in said and "does not show that there is no association" in said


@pytest.mark.usefixtures("quick")
def test_methods_tell_only_what_was_done() -> None:
    table = made_estimates()
    said = section(Page(render_survival(table, made_facts())).text(), "Methods", "The run")
    for words in ("Efron", "Grambsch and Therneau", "40 bootstrap resamples", "complete cases", "lifelines to 3.0e-07"):
        assert words in said
    assert "Aalen-Johansen" in said and "clustered by centre" in said and "random seed 7" in said
    few = table.filter(pl.col("analysis").is_in(["flow", "rate", "cox", "imputation"]))
    said = section(Page(render_survival(few, made_facts(n_imputations=20, cluster=""))).text(), "Methods", "The run")
    assert "imputed 20 times by chained equations" in said and "Rubin" in said
    for words in ("Grambsch", "bootstrap", "Aalen-Johansen", "splines", "clustered", "elastic net", "Kaplan"):
        assert words not in said


def words_of(table: pl.DataFrame, **changes: object) -> str:
    return stands_alone(render_survival(table, made_facts(**changes))).text()


@pytest.mark.usefixtures("quick")
def test_who_is_in_the_joint_model_is_said() -> None:
    assert "phenotypes added; n = 4 772, events = 389;" in words_of(made_estimates())


@pytest.mark.usefixtures("quick")
def test_robust_tests_stand_where_those_of_likelihoods_would() -> None:
    table = made_estimates().filter(pl.col("analysis") != "wald")
    assert "Likelihood ratio test χ² 61.3 on 5 df" in words_of(table) and "by the likelihood ratio test," in words_of(
        table
    )
    robust = table.with_columns(pl.col("analysis").replace("likelihood_ratio", "wald"))
    text = words_of(robust)
    assert "Robust Wald test of the phenotypes χ² 61.3 on 5 df" in text and "by a robust Wald test," in text
    assert "Likelihood ratio test" not in text and "likelihood ratio test" not in text
    assert "χ² 40.0, p = 0.001" in section(text, "Against the covariates alone", "Learned models")


@pytest.mark.usefixtures("quick")
def test_methods_say_what_weights_and_clusters_do_not_reach() -> None:
    text = words_of(made_estimates(), weights="ipw", few_clusters="4")
    assert "weighted by ipw in Cox models and their concordance alone" in text
    assert "Curves, log-rank tests, rates and restricted means are unweighted." in text
    assert "log-rank tests, take rows as independent" in text and "Its limits take rows as independent" in text
    assert "There are 4 clusters: with so few" in text
    plain = words_of(made_estimates(), cluster="")
    assert "unweighted" not in plain and "as independent" not in plain and "with so few" not in plain


@pytest.mark.usefixtures("quick")
def test_competing_events_are_censorings_of_predictions_and_the_page_says_so() -> None:
    said = section(words_of(made_estimates()), "Calibration and net benefit", "Reporting checklists")
    assert "Competing events (death) count as censorings here" in said
    assert "Competing events (death) count as censorings in Cox models, prediction, calibration" in said
    assert "as censorings" not in words_of(made_estimates(PLAIN), competing="")


@pytest.mark.usefixtures("quick")
def test_resamples_are_those_that_succeeded() -> None:
    fewer = made_estimates().with_columns(pl.col("unit").replace("40 resamples", "37 resamples"))
    text = words_of(fewer)
    assert "refitting in 37 of 40 bootstrap resamples" in text
    assert "Bootstrap correction of optimism, 37 of 40 resamples" in text


@pytest.mark.usefixtures("quick")
def test_complete_cases_are_labelled_beside_pooled_figures() -> None:
    pooled = ("cox", "imputation", "e_value", "model_fit")
    models = ("unadjusted", "adjusted", "age_scale")
    table = made_estimates()
    whole = table.filter(
        pl.col("model").is_in(models), pl.col("analysis") != "imputation", pl.col("outcome") != "death"
    )
    whole = whole.with_columns(pl.col("model") + "_complete_case", estimate=pl.col("estimate") * 1.5)
    kept = pl.col("analysis").is_in(pooled) & (pl.col("model") != "age_scale")
    table = pl.concat([whole, table.filter(~pl.col("model").is_in(models) | kept)])
    text = words_of(table, n_imputations=5)
    heads = section(text, "Sensitivity analyses", "Missing information of the imputed models")
    assert "Age as time scale, complete cases" in heads and "Fine-Gray, subdistribution, complete cases" in heads
    assert "\nComplete cases\n" in heads and "2.10 (1.70)" in heads and "3.15" not in heads  # E-values are pooled
    assert "LV ejection fraction, complete cases\nAll terms (GLOBAL)" in text
    assert "apparent, complete cases" in text
    assert "E-values, were pooled by Rubin" in text and "Other figures of models are of the people" in text
    fewer = words_of(table.with_columns(estimate=pl.col("estimate") / 100.0), n_imputations=5)
    assert "7 models have fewer than 10 events per term" not in fewer  # a pooled model is counted once
    unpooled = words_of(table.filter(pl.col("analysis") != "imputation"), n_imputations=5)
    assert "No hazard ratio could be pooled" in unpooled


@pytest.mark.usefixtures("quick")
def test_without_covariates_nothing_is_compared() -> None:
    gone = pl.col("model").is_in(["clinical", "adjusted"]) | pl.col("analysis").is_in(
        ["likelihood_ratio", "wald", "concordance_difference", "auc_difference", "brier_difference"]
    )
    text = words_of(made_estimates().filter(~gone), covariates=())
    assert "Model of all phenotypes" in text and "Without covariates there is no clinical model" in text
    assert "\nAll phenotypes (95% CI)\n" in text and "\nunadjusted\nLV ejection" not in text
    assert "Difference (95% CI)" not in text and "A model with the clinical variables was compared" not in text
    assert "A model of the phenotypes alone, all together, was judged by Harrell’s C" in text
    assert "The model of the phenotypes, with intervals" in text and "Clinical against clinical" not in text


@pytest.mark.usefixtures("quick")
def test_checklists_claim_what_the_page_has() -> None:
    table = made_estimates()
    text = words_of(table)
    assert "the index of prediction accuracy (IPA), calibration and net benefit" in text
    alone = table.filter(pl.col("analysis").is_in(["flow", "cox", "concordance"]))
    assert "\nHarrell’s C\n" in words_of(alone)
    none = words_of(alone.filter(~pl.col("model").str.starts_with("clinical")))
    assert "C, AUC" not in none and "Clinical against" not in none and "A model with the clinical" not in none
    assert "Discrimination of the model of each phenotype is Harrell’s C" in none


def test_checklists_are_whole_and_blanks_are_listed(html: str) -> None:
    sizes = {name: len(items) for name, items in CHECKLISTS}
    assert sizes == {"TRIPOD+AI": 52, "STROBE, cohort studies": 34, "RECORD": 13, "CLAIM": 42}
    text = Page(html).text()
    assert "Left to the author:" in text
    for _, items in CHECKLISTS:
        assert len({i.number for i in items}) == len(items)
        assert all(i.words in text for i in items)


@pytest.mark.usefixtures("quick")
def test_hazard_ratios_carry_unit_numbers_and_warnings() -> None:
    made = replace(MADE, events=41)
    text = Page(render_survival(made_estimates(made), made_facts(made))).text()
    row = section(text, "Events per term", "LV end-diastolic volume\nper SD (9.2 ml)")
    assert "per SD (8.2 %)" in row and "41\n8.2" in row
    assert "fewer than 10 events per term" in text
    per_unit = Page(render_survival(made_estimates(), made_facts(per="unit"))).text()
    assert "0.607 (0.545 to 0.676)" in per_unit and "0.61 (0.54 to 0.68)" not in per_unit


@pytest.mark.parametrize(
    ("p", "said"), [(0.00001, "<0.001"), (0.0005, "0.001"), (0.0494, "0.049"), (1.0, ">0.999"), (None, "–")]
)
def test_p_values_as_people_read_them(p: float | None, said: str) -> None:
    assert p_words(p) == said
    assert p_said(0.00001, name="q") == "q < 0.001" and p_said(0.0494) == "p = 0.049"


def test_words_of_numbers_and_names() -> None:
    rounded = Estimate("rate", n=2920, rounded=True)
    assert size_words("n", 2920, rounded) == "n\u00a0≈\u00a02\u202f920"
    assert size_words("n", 7, Estimate("rate")) == "n\u00a0=\u00a07"
    assert rate_words("per 1,000 person-years") == "per 1\u202f000 person-years"
    assert [ratio(v) for v in (1.4159, 0.0213, 0.0001, 1234.5, None)] == ["1.42", "0.021", "<0.001", "1\u202f234", "–"]
    assert title_of("lvef_pct") == "LV ejection fraction" and title_of("sex=M") == "sex = M"
    assert per_words("SD (9.8 ml/m2)") == "per SD (9.8 ml/m²)" and per_words("M against F") == "M against F"
    assert short("Centre of the north", most=10) == "Centre…rth" and len(short("x" * 99, most=12)) == 12


@pytest.mark.parametrize("values", [[0.98, 1.02], [0.3, 1.1], [1.0, 8.0], [0.0001, 90.0], [1.5, 1.9]])
def test_an_axis_of_ratios_holds_one_and_round_ticks(values: list[float]) -> None:
    low, high = ratio_ends(values)
    ticks = ratio_ticks(low, high, most=5)
    assert 1.0 in ticks and 1 <= len(ticks) <= 6 and all(low <= t <= high for t in ticks)


@pytest.fixture(scope="module")
def unfolded() -> str:
    """A page with nothing folded, and with a long name of a group."""
    made = Made(phenotypes=3, groups=("F", "M", "unknown", "x" * 40, "y"))
    return render_survival(made_estimates(made), made_facts(made)).replace("<details>", "<details open>")


@pytest.mark.skipif(BROWSER is None, reason="no chromium here: .ci/packages installs it")
@pytest.mark.parametrize("width", [390, 1280, PAPER_PX])
def test_the_page_fits_phone_desk_and_paper(unfolded: str, width: int, tmp_path: Path) -> None:
    html = unfolded
    if width == PAPER_PX:
        html = html.replace("@media print", "@media all")
    page = tmp_path / "survival.html"
    page.write_text(html, encoding="utf-8")
    scroll_width, inner_width, wide, asked, cut = probe(page, width=width, html=html, profile=tmp_path / "profile")
    assert (inner_width, wide, asked) == (width, "none", 0)
    assert scroll_width <= width
    assert width == 390 or cut == 0


@pytest.mark.skipif(BROWSER is None, reason="no chromium here: .ci/packages installs it")
def test_the_page_prints_on_a4(html: str, tmp_path: Path) -> None:
    page, paper = tmp_path / "survival.html", tmp_path / "survival.pdf"
    page.write_text(html, encoding="utf-8")
    browse(page, f"--print-to-pdf={paper}", "--no-pdf-header-footer", profile=tmp_path / "profile")
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper.read_bytes())
    assert 6 < len(boxes) < 24
    assert all(float(w) == pytest.approx(595, abs=2) for w, _ in boxes)
