"""The page of a fairness audit: what it says of gaps, of chance and of those who are too few; that it stands alone."""

import io
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from made_estimates import STRANGE
from made_evaluation import Made, fairness_estimates, fairness_facts
from markupsafe import escape
from test_pages import BROWSER, PAPER_PX, browse, probe
from test_reports import Page, check_golden, stands_alone

from cinema_cli.analysis.estimates import SCHEMA, Estimate, table_of
from cinema_cli.reports.fairness import gaps, groups, render_fairness
from cinema_cli.reports.fairness.naming import column_of, column_words, group_words, named, value_words

MADE = Made()


@pytest.fixture(scope="module")
def html() -> str:
    return render_fairness(fairness_estimates(), fairness_facts())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are what they would be drawn from, in words: for tests of words."""
    for module in (gaps, groups):
        monkeypatch.setattr(module, "interval_chart", lambda *data, **words: escape(f"{data} {words}"))


def text_of(table: pl.DataFrame, **changes: object) -> str:
    return stands_alone(render_fairness(table, fairness_facts(**changes))).text()


def test_golden_text_of_the_page(html: str) -> None:
    check_golden("fairness.txt", stands_alone(html).text())


def test_the_same_table_gives_the_same_bytes(html: str) -> None:
    csv = io.BytesIO(fairness_estimates().write_csv().encode())
    assert render_fairness(pl.read_csv(csv, schema_overrides=SCHEMA), fairness_facts()) == html


@pytest.mark.usefixtures("quick")
def test_every_kind_of_row_and_every_metric_has_its_place_on_the_page() -> None:
    table, facts = fairness_estimates(), fairness_facts()
    whole = render_fairness(table, facts)
    for column in ("analysis", "model"):
        for word in dict.fromkeys(table[column]):
            part = render_fairness(table.filter(pl.col(column) != word), facts)
            assert part != whole, word
    mine = table_of([Estimate("group_metric", model="my_own_mm", term="apex", group="sex=F", n=321, estimate=4.25)])
    assert "My own" in text_of(mine) and "4.2" in text_of(mine)


@pytest.mark.usefixtures("quick")
def test_every_link_leads_somewhere() -> None:
    for table in (fairness_estimates(), table_of([])):
        page = Page(render_fairness(table, fairness_facts()))
        ids = {attrs.get("id") for _, attrs in page.tags}
        assert {a.removeprefix("#") for a in page.addresses} <= ids


def test_names_of_users_are_words_not_code() -> None:
    made = Made(groups=(STRANGE, "左室 $x$"), column=STRANGE)
    strange = pl.col("term").replace({"lvef_pct": STRANGE, "gap_in_stack": STRANGE, "hf_event": STRANGE})
    facts = fairness_facts(
        made, cohort_name=STRANGE, reference=STRANGE, outcome=STRANGE, command=STRANGE, covariates=(STRANGE,),
        options=((STRANGE, STRANGE),), time_unit=STRANGE,
    )  # fmt: skip
    html = render_fairness(fairness_estimates(made).with_columns(strange), facts)
    assert "<script" not in html and "$x$" in html
    assert stands_alone(html).text().count(STRANGE) > 30


@pytest.mark.usefixtures("quick")
def test_a_gap_stands_beside_what_chance_alone_shows(html: str) -> None:
    text = Page(html).text()
    assert "a gap of 0.012 (0.005 to 0.019), where chance alone shows 0.006 on average (0.001 to 0.013)" in text
    assert "worst for sex = M" in text and "2 of 13 gaps had a q below 0.05" in text
    drawn = render_fairness(fairness_estimates(), fairness_facts())
    assert "null=(0.0012000000000000001, 0.006, 0.0126)" in drawn
    without = fairness_estimates().filter(pl.col("analysis") != "gap_null")
    assert "chance alone shows" not in text_of(without).split("Who was compared\n")[1].split("Methods\n")[0]


@pytest.mark.usefixtures("quick")
def test_no_gap_found_is_never_called_fair() -> None:
    none = fairness_estimates().with_columns(pl.when(pl.col("q").is_not_null()).then(pl.lit(0.6)).alias("q"))
    said = text_of(none)
    assert "none of 13 gaps had a q below 0.05" in said and "does not show that there is none" in said
    for table in (none, fairness_estimates()):
        text = text_of(table).lower()
        for word in ("unbiased", "is fair", "are fair", "signific", "no bias", "proves", "discriminat"):
            assert word not in text


@pytest.mark.usefixtures("quick")
def test_who_is_too_few_is_named_without_a_number() -> None:
    text = text_of(fairness_estimates())
    few = text[text.index("\nToo few to tell\n") : text.index("\nMethods\nGroups\n")]
    assert "sex = unknown, fewer than 10 people: Dice, LV cavity; Analysis failed." in few
    assert "site = west, fewer than 10 events: Harrell’s C, hf_event." in few
    many = [
        Estimate("too_few", model="dice", term=f"t{k}", group="sex=F", level="fewer than 10 people") for k in range(9)
    ]
    assert "sex = F, fewer than 10 people: Dice, t0; Dice, t1; Dice, t2; 6 more figures." in text_of(table_of(many))
    assert "2 groups were too small for some figures, which are not given for them." in text
    assert "too few\nfewer than 10 people" in text  # in the table of the group's metric


@pytest.mark.usefixtures("quick")
def test_who_is_lost_comes_before_results() -> None:
    text = text_of(fairness_estimates())
    lost = text[text.index("\nWho is lost before analysis\nFailed") : text.index("\nHow right results are, by group\n")]
    for words in ("Analysis failed", "Value missing, RV ejection fraction", "Quality flag, gap in stack",
                  "Without a reference", "Without an outcome", "Seeds disagree, lv_head, pct"):  # fmt: skip
        assert words in lost
    only = fairness_estimates().filter(pl.col("model").is_in(["failed", "flagged", "people"]))
    alone = text_of(only)
    assert "The estimates hold no comparison with a reference." in alone and "Predicted risks" not in alone


@pytest.mark.usefixtures("quick")
def test_a_page_for_release_says_what_is_hidden(html: str) -> None:
    text = Page(html).text()
    assert "Not cleared for release" not in text and "\nsuppressed\n" in text
    shown = text_of(fairness_estimates(replace(MADE, suppressed=False)), suppressed=False)
    assert "Not cleared for release." in shown and "suppressed" not in shown


@pytest.mark.usefixtures("quick")
def test_methods_tell_only_what_was_done() -> None:
    said = text_of(fairness_estimates())
    methods = said[said.index("\nMethods\nGroups\n") :]
    for words in ("1 000 times", "age and bmi", "all 31 gaps", "Benjamini-Hochberg", "standard errors"):
        assert words in methods
    assert "No p is below" not in methods
    assert "No p is below 0.05:" in text_of(fairness_estimates(), n_permutations=19)
    few = text_of(fairness_estimates().filter(pl.col("analysis") == "group_metric"))
    for words in ("at random", "bootstrap", "q values", "adjusted gap is"):
        assert words not in few[few.index("\nMethods\n") :]
    assert "No gap between groups could be estimated." in few


@pytest.mark.usefixtures("quick")
def test_checklists_claim_what_the_page_has_and_list_the_rest() -> None:
    whole = text_of(fairness_estimates())
    for words in ("\nTRIPOD+AI\n", "\nSTROBE, cohort studies\n", "Gaps between the groups of sex and site; why",
                  "heart failure, horizon 5 years", "Gaps with age and bmi held equal"):  # fmt: skip
        assert words in whole
    assert whole.count("Left to the author:") == 2 and "Known health inequalities between groups" in whole
    few = text_of(fairness_estimates().filter(pl.col("model") == "failed"))
    for words in ("Cox proportional hazards; details", "in each group\n", "horizon 5 years"):
        assert words in whole and words not in few


@pytest.mark.usefixtures("quick")
def test_each_way_to_lie_apart_stands_beside_chance() -> None:
    said = text_of(fairness_estimates())
    assert "0.92 to 0.98\np = 0.210\nchance 0.98" in said and "86.0 to 90.0\np = 0.210\nchance 89.0" in said


def test_groups_of_which_a_gap_stands_out_are_open(html: str) -> None:
    opened = re.findall(r"<details open><summary>([^<]+)</summary>", html)
    assert "Dice, LV cavity" in opened and "Dice, RV cavity" not in opened


@pytest.mark.usefixtures("quick")
def test_an_empty_table_says_that_there_is_nothing() -> None:
    text = text_of(table_of([]))
    assert "No gap between groups could be estimated." in text and "None" not in text.split()
    assert "no sizes of groups" in text and "no failures, flags or missing values" in text


@pytest.mark.usefixtures("quick")
def test_many_gaps_are_folded_those_with_evidence_are_not() -> None:
    rows = [
        Estimate("gap", model="dice", term=f"t{k}", group="sex", estimate=0.01, p=0.001, q=0.01 if k < 14 else 0.5)
        for k in range(40)
    ]
    html = render_fairness(table_of(rows), fairness_facts())
    folded = html[html.index("<summary>Other gaps</summary>") :]
    folded = folded[: folded.index("</details>")]
    assert folded.count("<tr>") == 1 + 40 - 14 and "flagged" not in folded


def test_words_of_groups() -> None:
    assert column_of("sex=F & site=a=b") == "sex & site" and column_words("sex & site") == "sex and site"
    assert value_words("sex=F & site=a=b") == "F, a=b" and group_words("sex=F & site=n") == "sex = F and site = n"
    assert named(Estimate("gap", model="failed", term="analysis")) == "Analysis failed"
    assert named(Estimate("gap", model="flagged", term="gap_in_stack")) == "Quality flag, gap in stack"


@pytest.mark.skipif(BROWSER is None, reason="no chromium here: .ci/packages installs it")
@pytest.mark.parametrize("width", [390, 1280, PAPER_PX])
def test_the_page_fits_phone_desk_and_paper(html: str, width: int, tmp_path: Path) -> None:
    open_page = html.replace("<details>", "<details open>")
    if width == PAPER_PX:
        open_page = open_page.replace("@media print", "@media all")
    page = tmp_path / "fairness.html"
    page.write_text(open_page, encoding="utf-8")
    scroll_width, inner_width, wide, asked, cut = probe(page, width=width, html=open_page, profile=tmp_path / "p")
    assert (inner_width, wide, asked) == (width, "none", 0)
    assert scroll_width <= width
    assert width == 390 or cut == 0


@pytest.mark.skipif(BROWSER is None, reason="no chromium here: .ci/packages installs it")
def test_the_page_prints_on_a4(html: str, tmp_path: Path) -> None:
    page, paper = tmp_path / "fairness.html", tmp_path / "fairness.pdf"
    page.write_text(html, encoding="utf-8")
    browse(page, f"--print-to-pdf={paper}", "--no-pdf-header-footer", profile=tmp_path / "profile")
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper.read_bytes())
    assert 4 < len(boxes) < 20
    assert all(float(w) == pytest.approx(595, abs=2) for w, _ in boxes)
