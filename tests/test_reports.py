"""The pages: what they say, that they stand alone, stay light and cannot be made to run a participant's id."""

import io
import os
import re
import shutil
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cinema_cli.commands.cohort_page import write_report
from cinema_cli.domain.assets import heads_directory, templates_directory
from cinema_cli.domain.cine import Cine, CineStudy, Label, Note, StudyFacts, View
from cinema_cli.domain.errors import OutputError
from cinema_cli.domain.moments import Moments
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import Check, CheckStatus, HeadUse, Measurement, StudyResult, VolumeCurves
from cinema_cli.io.index import SERIES_SCHEMA
from cinema_cli.io.ledger import Failure, read_records, record
from cinema_cli.io.records import gather
from cinema_cli.reports import charts, pictures
from cinema_cli.reports.beats import beats_figure, beats_of
from cinema_cli.reports.cohort import CohortTables, HeadFacts, RunFacts, render_cohort
from cinema_cli.reports.failure import render_failure
from cinema_cli.reports.heads import figure_sentences
from cinema_cli.reports.numbers import number_rows
from cinema_cli.reports.outliers import method_words, robust_z, studies
from cinema_cli.reports.planes import cut_line, heart_point
from cinema_cli.reports.render import href, number, percent, words
from cinema_cli.reports.study import render_study, thumbnail

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = "sub-<script>alert('x')</script>\"&"
FLAGS = (
    Check("gap_in_stack", CheckStatus.PASS, "Slices are evenly spaced, 10.0 mm apart."),
    Check("stroke_volumes_agree", CheckStatus.FLAG, "LV and RV stroke volume differ by 31%.", 31.0),
    Check("lvef_plausible", CheckStatus.NOT_RUN, "There is no LV ejection fraction."),
)


class Page(HTMLParser):
    """Text, addresses and images of a page; complains about tags that are left open."""

    void = frozenset({"meta", "img", "source", "br", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.addresses += [v or "" for k, v in attrs if k in {"href", "src", "srcset", "xlink:href", "action"}]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.void:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and data.strip():
            self.words.append(re.sub(r"\s+", " ", data.strip()))

    def text(self) -> str:
        return "\n".join(self.words) + "\n"


def disk_heart(*, n_frames: int = 6, n_slices: int = 4, size: int = 48) -> tuple[Cine, np.ndarray]:
    """A beating disk: LV of 6 to 9 px radius in a ring of MYO, an RV disk beside it."""
    rows, columns = np.mgrid[:size, :size]
    phase = np.arange(n_frames) / n_frames
    radius = 7.5 + 1.5 * np.cos(2 * np.pi * phase)  # ED in frame 0, ES in the middle
    masks = np.zeros((n_frames, n_slices, size, size), np.uint8)
    for f in range(n_frames):
        for s in range(n_slices):
            lv = radius[f] - 0.5 * s
            masks[f, s][np.hypot(rows - 24, columns - 14) < lv] = Label.RV
            distance = np.hypot(rows - 24, columns - 26)
            masks[f, s][distance < lv + 4] = Label.MYO
            masks[f, s][distance < lv] = Label.LV
    brightness = np.array([60.0, 200.0, 90.0, 220.0], np.float32)
    cine = Cine(
        view=View.SAX,
        pixels=brightness[masks] + (rows % 5).astype(np.float32),
        pixel_spacing_mm=(1.5, 1.25),
        slice_spacing_mm=10.0,
        thickness_mm=8.0,
        origins_mm=np.array([[0.0, 0.0, 10.0 * s] for s in range(n_slices)]),
        row_direction=np.array([1.0, 0.0, 0.0]),
        column_direction=np.array([0.0, 1.0, 0.0]),
        times_ms=np.linspace(0, 900, n_frames, endpoint=False),
        cycle_ms=900.0,
        series_uids=("1.2.3", "1.2.4"),
        notes=(Note("trigger", "Trigger times differ between slices."),),
    )
    return cine, masks


def four_chamber(n_frames: int = 6) -> Cine:
    """A plane along x and z that crosses disk_heart's slices at right angles, its upper edge 25 mm before the base."""
    rows, columns = np.mgrid[:60, :48]
    return Cine(
        view=View.LAX_4C,
        pixels=np.repeat(((rows + columns) % 17 * 10.0).astype(np.float32)[None, None], n_frames, axis=0),
        pixel_spacing_mm=(1.5, 1.25),
        slice_spacing_mm=8.0,
        thickness_mm=8.0,
        origins_mm=np.array([[0.0, 24 * 1.5, -25.0]]),
        row_direction=np.array([1.0, 0.0, 0.0]),
        column_direction=np.array([0.0, 0.0, 1.0]),
        times_ms=np.linspace(0, 900, n_frames, endpoint=False),
        cycle_ms=900.0,
        series_uids=("1.2.5",),
    )


def a_study(*, sex: str | None = "M", n_frames: int = 6, participant: str = "sub-01") -> tuple[CineStudy, StudyResult]:
    cine, masks = disk_heart(n_frames=n_frames)
    lv, rv, myo = ((masks == label).sum(axis=(1, 2, 3)) * cine.voxel_ml for label in (Label.LV, Label.RV, Label.MYO))
    values = {"lvedv_ml": 150.0, "lvesv_ml": 120.0, "lvsv_ml": 48.0, "lvef_pct": 20.0, "ed_frame": 0.0}
    facts = StudyFacts(sex=sex, age_years=61.0, scanner="Test 1", field_strength_t=1.5)
    study = CineStudy(participant, "ses-1", "1.2.840.1", {View.SAX: cine, View.LAX_4C: four_chamber(n_frames)}, facts)
    result = StudyResult(
        participant_id=participant,
        session_id="ses-1",
        study_uid=study.study_uid,
        facts=facts,
        measurements=tuple(
            Measurement(p.name, values.get(p.name), "" if p.name in values else "no height") for p in PHENOTYPES
        ),
        checks=FLAGS,
        curves=VolumeCurves(cine.times_ms, lv, rv, myo, lv),
        masks={View.SAX: masks},
        moments=Moments(View.SAX, 0, n_frames // 2),
        heads=(HeadUse("starter_sax", "ab12" * 16),),
        seconds={"read": 1.25, "infer": 8.0},
    )
    return study, result


def a_page(study: CineStudy, result: StudyResult, **changes: object) -> str:
    return render_study(study, replace(result, **changes), version="9.9.9", generated="2026-01-02 03:04 UTC")


def a_cohort(
    n: int, *, participant: str = "sub-{:05d}", run: RunFacts | None = None, not_reached: int = 0
) -> CohortTables:
    """n studies: women and men, one far outlier, every 17th failed, every 11th flagged, the last few not reached."""
    k = np.arange(n)
    waiting = k >= n - not_reached
    failed = (k % 17 == 8) & ~waiting
    status = np.where(waiting, "not_run", np.where(failed, "failed", "done"))
    edv = 140 + 25 * np.sin(k * 1.7)
    ef = 60 + 5 * np.cos(k * 2.3)
    edv[3:4], ef[3:4] = 400.0, 15.0
    esv = edv * (1 - ef / 100)
    numbers = {"lvedv_ml": edv, "lvesv_ml": esv, "lvsv_ml": edv - esv, "lvef_pct": ef, "rvedv_ml": edv * 1.1}
    ids = pl.Series("participant_id", [participant.format(i + 1) for i in k], dtype=pl.String)
    table = pl.DataFrame(
        [
            ids,
            pl.Series("session_id", ["ses-1"] * n, dtype=pl.String),
            pl.Series("status", status.tolist(), dtype=pl.String),
            pl.Series("sex", ["F" if i % 2 else "M" for i in k], dtype=pl.String),
            pl.Series("age_years", [None if i % 10 == 9 else 40.5 + i % 30 for i in k], dtype=pl.Float64),
            *(
                pl.Series(
                    name,
                    [None if f else float(v) for v, f in zip(values, status != "done", strict=True)],
                    dtype=pl.Float64,
                )
                for name, values in numbers.items()
            ),
            pl.Series("ed_frame", [9 if s == "done" else None for s in status], dtype=pl.Int64),  # see curves_of
            pl.Series(
                "qc_gap_in_stack",
                [None if status[i] != "done" else "flag" if i % 11 == 5 else "pass" for i in k],
                dtype=pl.String,
            ),
        ]
    )
    tried = pl.col("status") == "failed"
    failures = table.filter(pl.col("status") != "done").select(
        "participant_id",
        "session_id",
        "status",
        stage=pl.when(tried).then(pl.lit("read")).otherwise(pl.lit("run")),
        code=pl.when(tried).then(pl.lit("missing_frames")).otherwise(pl.lit("not_reached")),
        reason=pl.when(tried).then(pl.lit("slice 4 has 19 frames, the others 20")).otherwise(pl.lit("the run stopped")),
        hint=pl.when(tried).then(pl.lit("Copy the study again.")).otherwise(pl.lit("Run the same command again.")),
    )
    series = pl.DataFrame(
        {
            "participant_id": [p for p in ids for _ in range(2)],
            "verdict": ["used", "rejected"] * n,
            "reason_code": [code for i in range(n) for code in ("", "not_mr" if i % 8 == 7 else "localizer")],
        },
        schema={"participant_id": pl.String, "verdict": pl.String, "reason_code": pl.String},
    )
    head = HeadFacts(
        "starter_sax",
        "ab12" * 16,
        "Starter head",
        "9,000 synthetic hearts",
        "trying out",
        "weak at the apex",
        measures=True,
        figures={"acdc_n": 20, "acdc_dice_rv": 0.861, "acdc_dice_lv": 0.93, "acdc_lvef_mae": 4.12},
    )
    run = run or RunFacts(
        version="9.9.9",
        cohort_name="Disks",
        command="cinema analyse disks",
        n_files=n * 40,
        heads=(head,),
        made_by=(("cinema 9.9.9, starter_sax (weights sha256 ab12ab12ab12…)", n - 1), ("cinema 9.9.8, no head", 1)),
    )
    return CohortTables(table, series, failures, curves_of(table), run)


def curves_of(table: pl.DataFrame, *, n_frames: int = 12) -> pl.DataFrame:
    """Volume over the cycle of each study with an EDV: a cosine from EDV to ESV and back that starts late in it."""
    phase = np.cos(2 * np.pi * (np.arange(n_frames) + 3) / n_frames)
    done = table.filter(pl.col("lvedv_ml").is_not_null())
    edv, esv = (done[name].to_numpy()[:, None] for name in ("lvedv_ml", "lvesv_ml"))
    return pl.DataFrame(
        {
            "participant_id": [p for p in done["participant_id"] for _ in phase],
            "session_id": ["ses-1"] * (done.height * n_frames),
            "frame": list(range(n_frames)) * done.height,
            "lv_smooth_ml": ((edv + esv) / 2 + (edv - esv) / 2 * phase).ravel(),
        },
        schema={"participant_id": pl.String, "session_id": pl.String, "frame": pl.Int64, "lv_smooth_ml": pl.Float64},
    )


def check_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("CINEMA_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"{name} changed; `make golden` rewrites it for review"


def stands_alone(html: str) -> Page:
    page = Page(html)
    outside = [a for a in page.addresses if re.match(r"(?i)(https?:|//|file:|javascript:)", a)]
    assert not outside
    assert "script" not in {tag for tag, _ in page.tags}
    assert "url(" not in html and "@import" not in html
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
    assert all(attrs.get("scope") for tag, attrs in page.tags if tag == "th")
    assert "Research use only, not a medical device" in html
    return page


def test_golden_study_page_says_what_a_reader_signs() -> None:
    known = {"series_uid", "view", "view_rule", "slices", "frames", "verdict", "reason"}
    assert known <= set(SERIES_SCHEMA)
    series = pl.DataFrame(
        {
            "view": ["sax", None],
            "view_rule": ["sax_geometry", None],
            "slices": [4, 3],
            "frames": [6, 1],
            "verdict": ["used", "rejected"],
            "reason": [None, "a localizer: three planes, one frame"],
        }
    )
    html = render_study(*a_study(), version="9.9.9", generated="2026-01-02 03:04 UTC", series=series)
    check_golden("study.txt", stands_alone(html).text())


def test_golden_cohort_page_says_what_was_done(tmp_path: Path) -> None:
    check_golden("cohort.txt", stands_alone(render_cohort(a_cohort(24), out_dir=tmp_path)["report.html"]).text())


def test_study_page_is_the_same_to_the_byte_and_light() -> None:
    first, second = (a_page(*a_study(n_frames=16)) for _ in range(2))
    assert first == second
    assert len(first) < 1_500_000
    film = re.search(r"data:image/webp;base64,([^\"]+)", first)
    assert film and len(film[1]) < 400_000


def test_film_moves_and_has_a_still_for_those_who_ask_for_calm() -> None:
    import base64

    html = a_page(*a_study())
    film = re.search(r"data:image/webp;base64,([^\"]+)", html)
    assert film
    with Image.open(io.BytesIO(base64.b64decode(film[1]))) as moving:
        assert moving.n_frames == 6
    assert re.search(r'<source media="\(prefers-reduced-motion: reduce\)" srcset="data:image/jpeg', html)


@pytest.mark.parametrize(
    "changes",
    [
        {"curves": None, "masks": {}, "moments": None, "heads": (), "seconds": {}, "checks": ()},
        {"masks": {View.SAX: np.zeros((6, 4, 48, 48), np.uint8)}},
        {"masks": {View.SAX: np.zeros((1, 1, 3, 3), np.uint8)}},  # of another grid: not shown as if it fitted
        {"measurements": ()},
        {"facts": StudyFacts()},
        {"moments": Moments(View.SAX, 99, 3)},
    ],
    ids=["failed-quality", "empty-masks", "foreign-masks", "no-numbers", "no-facts", "frame-outside"],
)
def test_study_page_works_with_what_is_missing(changes: dict[str, object]) -> None:
    study, result = a_study()
    text = stands_alone(a_page(study, result, **changes)).text()
    assert "NaN" not in text and "None" not in text and "nan" not in text.split()
    assert len(thumbnail(study, replace(result, **changes))) > 500  # type: ignore[arg-type]


def test_study_without_short_axis_and_with_one_or_two_frames() -> None:
    study, result = a_study()
    html = a_page(replace(study, cines={}), result, masks={}, curves=None)
    assert "no usable short-axis cine" in stands_alone(html).text()
    assert "nothing moves" in stands_alone(a_page(*a_study(n_frames=1))).text()
    assert "image/webp" in a_page(*a_study(n_frames=2))


def test_reference_is_judged_by_sex_and_by_both_where_unknown() -> None:
    study, result = a_study()
    man, unknown = (Page(a_page(study, result, facts=StudyFacts(sex=s))).text() for s in ("M", None))
    assert "93–232" in man and "80–175" not in man
    assert "women 80–175, men 93–232" in unknown
    at_180 = tuple(replace(m, value=180.0) if m.name == "lvedv_ml" else m for m in result.measurements)
    mixed = Page(a_page(study, result, facts=StudyFacts(), measurements=at_180)).text()
    assert "inside for men only" in mixed


@pytest.mark.parametrize(
    ("value", "facts", "css", "title"),
    [
        (150.0, StudyFacts("M", 61.0), "inside", "Inside the reference range"),
        (300.0, StudyFacts("M", 61.0), "outside", "Outside the reference range"),
        (180.0, StudyFacts(None, 61.0), "mixed", "Inside the reference range for men only"),
        (300.0, StudyFacts("M", 32.0), "mixed", "Outside the reference range, for ages 45–74"),
        (180.0, StudyFacts(), "mixed", "Inside the reference range for men only, for ages 45–74"),
    ],
)
def test_the_strip_says_and_shows_what_the_verdict_says(value: float, facts: StudyFacts, css: str, title: str) -> None:
    _, result = a_study()
    rows, _ = number_rows(replace(result, facts=facts, measurements=(Measurement("lvedv_ml", value),)))
    row = next(r for r in rows if r.title == "LV end-diastolic volume")
    assert row.css == css and f"<title>{title}</title>" in row.strip
    assert re.findall(r'<circle [^>]*class="([^"]+)" fill="currentColor"', row.strip) == [css]  # the verdict's colour


def test_contours_lie_on_the_border_of_the_mask() -> None:
    cine, masks = disk_heart()
    crop = pictures.Crop((24.0, 26.0), 60.0)
    (line,) = pictures.outlines(masks[0, 0], cine, crop, size_px=120)["lv"]
    from_centre = (
        line - 60.0
    )  # tile pixels of 0.5 mm; the disk reaches 8.5 px: 12.75 mm up and down, 10.625 mm sidewards
    assert np.abs(from_centre[:, 1]).max() == pytest.approx(12.75 / 0.5, abs=0.3)
    assert np.abs(from_centre[:, 0]).max() == pytest.approx(10.625 / 0.5, abs=0.3)
    shown = pictures.tile(cine.pixels[0, 0], cine, crop, window=(0.0, 230.0), size_px=120)
    assert shown[60, 60] > 200 > 120 > shown[60, 60 + 26]  # LV inside, MYO just outside


def test_thumbnail_is_a_small_colour_jpeg() -> None:
    content = thumbnail(*a_study(), size_px=96)
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (96, 96), "RGB")
        red, green, _ = np.moveaxis(np.asarray(image, dtype=int), 2, 0)
    assert ((red - green) > 60).any() and ((green - red) > 40).any()  # LV and myocardium are outlined
    assert len(content) < 12_000


def test_hostile_text_is_only_ever_text(tmp_path: Path) -> None:
    study, result = a_study(participant=HOSTILE)
    page = stands_alone(a_page(study, result, checks=(Check("x", CheckStatus.FLAG, HOSTILE),)))
    assert HOSTILE in page.text()
    run = RunFacts(version=HOSTILE, cohort_name=HOSTILE, command=HOSTILE, heads=(HeadFacts(HOSTILE, HOSTILE, HOSTILE),))
    cohort = a_cohort(24, participant=HOSTILE + "{}", run=run)
    page = stands_alone(render_cohort(cohort, out_dir=tmp_path)["report.html"])
    assert HOSTILE in page.text()
    links = [a for a in page.addresses if a.endswith("study.html")]
    assert links and all(re.fullmatch(r"[\w./%~-]+", a) for a in links)


@pytest.mark.parametrize("n", [0, 1, 2, 12, 200])
def test_cohort_page_works_for_any_small_number(n: int, tmp_path: Path) -> None:
    pages = render_cohort(a_cohort(n), out_dir=tmp_path)
    assert list(pages) == ["report.html"]
    text = stands_alone(pages["report.html"]).text()
    assert "NaN" not in text and "None" not in text.split()
    assert ("every value is shown" in text) == (0 < n < 30)


def test_ten_thousand_studies_are_paged_and_quick(tmp_path: Path) -> None:
    tables = a_cohort(10_000)
    start = time.process_time()  # of this process: a busy machine does not decide
    pages = render_cohort(tables, out_dir=tmp_path)
    assert time.process_time() - start < 10
    assert len(pages) == 51
    assert max(len(html) for html in pages.values()) < 600_000
    page = stands_alone(pages["report.html"])
    assert {f"report/wall-{k:04d}.html" for k in range(1, 51)} <= set(page.addresses)
    last = stands_alone(pages["report/wall-0050.html"])
    assert "../sub-10000/ses-1/study.html" in last.addresses
    assert "../report.html" in last.addresses


def test_pages_of_an_earlier_larger_cohort_go_once_the_new_ones_are_there(tmp_path: Path) -> None:
    for k in range(201):
        record(tmp_path, Failure(f"sub-{k:03d}", "ses-1", "read", "gap", "a gap"), "d", version="1")
    folder = tmp_path / "report"
    folder.mkdir()
    for name in ("wall-0002.html", "wall-0003.html", "notes.html"):
        (folder / name).write_text("sub-999, who has left")
    records = read_records(tmp_path)
    write_report(tmp_path, gather(records))
    assert sorted(p.name for p in folder.iterdir()) == ["notes.html", "wall-0001.html", "wall-0002.html"]
    assert "sub-999" not in (folder / "wall-0002.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html" / "x").mkdir(parents=True)  # refused also to root
    with pytest.raises(OutputError):
        write_report(tmp_path, gather(records[:1]))
    assert len(list(folder.glob("wall-*"))) == 2  # nothing goes before the new is there
    shutil.rmtree(tmp_path / "report.html")
    write_report(tmp_path, gather(records[:1]))
    assert [p.name for p in folder.iterdir()] == ["notes.html"]


def test_thumbnails_are_embedded_in_small_cohorts_and_linked_in_large_ones(tmp_path: Path) -> None:
    content = thumbnail(*a_study(), size_px=64)
    file = tmp_path / "sub-00001" / "ses-1" / "figures" / "thumbnail.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    small = render_cohort(a_cohort(12), out_dir=tmp_path)["report.html"]
    assert small.count("data:image/jpeg;base64,") == 1
    large = render_cohort(a_cohort(250), out_dir=tmp_path)["report/wall-0001.html"]
    assert 'src="../sub-00001/ses-1/figures/thumbnail.jpg"' in large and 'loading="lazy"' in large


def test_studies_never_reached_are_no_failures(tmp_path: Path) -> None:
    tables = a_cohort(34, not_reached=5)
    page = Page(render_cohort(tables, out_dir=tmp_path)["report.html"])
    text = page.text()
    assert "34 studies of 34 participants; 27 analysed, 2 failed, 5 not reached." in text
    assert "2\nfailed\n5\nnot reached\n" in text  # headline
    assert "Failed: 2 studies\n2 × read: missing frames\nNot reached: 5 studies\nthe run stopped before them\n" in text
    wall = text[text.index("Wall of all studies") : text.index("Quality checks")]
    assert (wall.count("\nfailed\n"), wall.count("\nnot reached\n")) == (2, 5)
    assert "The run stopped before 5 studies: nothing is known of them yet. Run the same command again." in text
    rows = text[text.index("What helps\n") : text.index("Not reached\nThe run stopped")]
    assert rows.count("ses-1") == 2 and "not_reached" not in rows
    kinds = [attrs.get("class") for tag, attrs in page.tags if tag == "li"]
    assert (kinds.count("is-failed"), kinds.count("is-waiting")) == (2, 5)
    none = Page(render_cohort(a_cohort(3, not_reached=3), out_dir=tmp_path)["report.html"]).text()
    assert "0 analysed, none failed, 3 not reached" in none and "No quality check was run." in none
    assert "No study failed.\nNot reached" in none


def test_flags_and_outliers_are_told_apart(tmp_path: Path) -> None:
    page = Page(render_cohort(a_cohort(40), out_dir=tmp_path)["report.html"])
    kinds = [attrs.get("class") for tag, attrs in page.tags if tag == "li"]
    assert (kinds.count("is-outlier"), kinds.count("is-flagged")) == (1, 4)
    assert "Of 38 analysed studies, 1 (3%) is an outlier; 4 (11%) have a quality flag." in page.text()
    few = Page(render_cohort(a_cohort(6), out_dir=tmp_path)["report.html"]).text()
    assert "0 (0%) are outliers; 1 (17%) has a quality flag" in few  # a flag makes nobody an outlier


def test_outliers_are_scored_within_sex_where_there_are_enough() -> None:
    women, men = [100.0 + i for i in range(12)], [200.0 + i for i in range(12)]
    women[0] = 150.0  # far from women, ordinary among all
    ids = [f"sub-{i}" for i in range(24)]
    table = pl.DataFrame(
        {"participant_id": ids, "session_id": "ses-1", "sex": ["F"] * 12 + ["M"] * 12, "lvedv_ml": women + men}
    )
    (odd,) = [s for s in studies(table) if s.far]
    assert odd.participant_id == "sub-0" and odd.far[0].startswith("LVEDV 150 ml (z ")
    assert "among women and among men" in method_words(studies(table))
    fewer = table.filter(pl.col("participant_id") != "sub-23").with_columns(
        sex=pl.when(pl.col("participant_id").is_in(["sub-21", "sub-22"])).then(None).otherwise("sex")
    )
    assert not [s for s in studies(fewer) if s.far]
    assert "both sexes together" in method_words(studies(fewer))


@pytest.mark.parametrize(("age", "said"), [(61.0, "below\n"), (74.9, "below\n"), (32.0, "below, for ages 45–74\n")])
def test_a_verdict_says_when_the_ranges_are_of_another_age(age: float, said: str) -> None:
    text = Page(a_page(*a_study(), facts=StudyFacts(sex="M", age_years=age))).text()
    assert said in text
    assert ("This person is 32 years old: ranges of ages 45–74 need not apply." in text) == (age == 32.0)
    unknown = Page(a_page(*a_study(), facts=StudyFacts(sex="M"))).text()
    assert "The age of this person is unknown" in unknown and "below\n" not in unknown


def test_figures_of_a_card_are_said_in_words_and_none_are_promised(tmp_path: Path) -> None:
    figures = {"acdc_dice_rv": 0.86, "acdc_dice_myo": 0.85, "acdc_dice_lv": 0.931, "acdc_lvef_mae": 4.12, "acdc_n": 20}
    others = {"scd_lvedv_mae_ml": 5.0, "scd_lvesv_bias_pct": -3.25}
    assert figure_sentences(figures | others) == [
        "On 20 labelled ACDC patients it was not trained on: Dice RV 0.86, MYO 0.85, LV 0.93; "
        "LVEF mean absolute error 4.12 points.",
        "On labelled SCD (Sunnybrook) patients it was not trained on: LVEDV mean absolute error 5 ml; "
        "LVESV bias -3.25%.",
    ]
    bare = RunFacts(version="1", heads=(HeadFacts("starter_sax", "ab"),))
    text = Page(render_cohort(a_cohort(3, run=bare), out_dir=tmp_path)["report.html"]).text()
    assert "Figures\nNone stand in its card" in text


def test_codes_are_worded_for_readers() -> None:
    known = {"not_mr": "not MR images", "t1_map": "T1 map", "lge": "LGE (late gadolinium enhancement)"}
    known |= {"no_sax": "no short-axis cine", "lax_4c": "LAX 4C", "missing_frames": "missing frames"}
    assert {code: words(code) for code in known} == known


def test_on_paper_a_heading_keeps_its_figure(tmp_path: Path) -> None:
    for html in (render_cohort(a_cohort(24), out_dir=tmp_path)["report.html"], a_page(*a_study())):
        assert not re.search(r"(?<!<section class=\"keep\">)<h2>[^<]*</h2>\s*<(figure|ol class=\"flow\"|table)", html)
        assert html.count('<section class="keep">') == html.count("</section>") - html.count('<section class="flags"')
        assert re.search(r"\.keep[^}]*\{ break-inside: avoid", html)


def test_study_page_says_what_measured_it() -> None:
    run = (("Device", "cpu, fp32"), ("Settings", "allow_missing_frames 0"))
    text = Page(render_study(*a_study(), version="9.9.9", generated="2026-01-02 03:04 UTC", run=run)).text()
    assert "Program\ncinema 9.9.9\nDevice\ncpu, fp32\nSettings\nallow_missing_frames 0\n" in text
    assert f"weights sha256 {'ab12' * 16}\n" in text
    assert "Sex, age, height, weight\nfrom the clinical file where it says them, else from the DICOM headers" in text


def test_no_dot_lies_on_an_axis() -> None:
    points = [charts.Point(x, y, "", f"{x}", f"{x}.html") for x, y in ((50.0, 20.0), (400.0, 80.0), (120.0, 55.0))]
    drawing = str(
        charts.scatter(points, x_title="x", y_title="y", x_span=(50, 250), y_span=(0, 80), title="t", dots_up_to=9)
    )
    at = [
        (float(x), float(y)) for x, y in re.findall(r'</title> <g> <use href="#\w+" x="([\d.]+)" y="([\d.]+)"', drawing)
    ]
    assert len(at) == 3
    assert all(62 + 8 < x < 704 - 8 and 14 + 8 < y < 350 - 8 for x, y in at)  # the axes' box in drawing units


def test_outlier_is_marked_with_its_reason_and_linked(tmp_path: Path) -> None:
    html = render_cohort(a_cohort(40), out_dir=tmp_path)["report.html"]
    row = re.search(r"<tr><th[^>]*><a href=\"sub-00004/ses-1/study.html\">.*?</tr>", html, re.DOTALL)
    assert row and "LVEDV 400 ml" in row[0] and "LVEF 15%" in row[0]
    assert "sub-00001/ses-1/study.html" in html and '<a href="sub-00001/ses-1/study.html">sub-00001' not in html


def test_flow_adds_up(tmp_path: Path) -> None:
    text = Page(render_cohort(a_cohort(34), out_dir=tmp_path)["report.html"]).text()
    for said in ("68 series in 1 360 files", "34 studies of 34 participants", "Failed: 2 studies", "32 studies (94%)"):
        assert said in text
    flagged, clean = re.search(r"Flagged: (\d+) stud", text), re.search(r"Without any flag\n(\d+) stud", text)
    assert flagged and clean and int(flagged[1]) + int(clean[1]) == 32


def test_robust_z_is_the_published_formula() -> None:
    x = [2.0, 4.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 100.0, None]
    z = robust_z(x)
    median, mad = 6.5, 2.5  # by hand: |x - 6.5| sorted is .5 .5 1.5 1.5 2.5 2.5 2.5 3.5 4.5 93.5
    assert z[9] == pytest.approx(0.6745 * (100 - median) / mad)
    assert np.isnan(z[10])
    assert np.isnan(robust_z([1.0] * 20)).all() and np.isnan(robust_z(x[:9])).all()


def test_numbers_are_worded_for_people() -> None:
    assert [number(v, decimals=1) for v in (None, float("nan"), -0.04, -3.25, 12345.6)] == [
        "–",
        "–",
        "0.0",
        "\u22123.2",
        "12\u202f345.6",
    ]
    assert (percent(1, 1000), percent(0, 10), percent(1, 0)) == ("<1%", "0%", "–")
    assert href("..", "sub-ä b", 'x"<') == "../sub-%C3%A4%20b/x%22%3C"


def chart_lines(drawing: str) -> list[np.ndarray]:
    """The (x, y) points of each line of a chart, in drawing units."""
    paths = re.findall(r'<path d="(M[^"Zz]+)"[^>]*style="fill: none', drawing)
    return [np.array(re.findall(r"([\d.]+) ([\d.]+)", d), dtype=float) for d in paths]


def test_charts_take_their_colours_from_the_style_sheet_and_repeat_to_the_byte() -> None:
    _, result = a_study()
    assert result.curves is not None
    first, second = (str(charts.volume_curve(result.curves, ed_frame=0, es_frame=3)) for _ in range(2))
    assert first == second
    css = (templates_directory() / "style.css").read_text(encoding="utf-8")
    used = set(re.findall(r"var\((--[\w-]+)\)", first))
    assert {"--lv", "--rv", "--soft"} <= used
    assert all(f"{name}:" in css for name in used)
    assert not re.search(r"#(?!m)[0-9a-f]{6}", first) or "#f0e1" not in first
    assert "<style" not in first and "font-family" not in first and 'id="axes' not in first


def test_volume_curve_is_drawn_to_scale() -> None:
    _, result = a_study(n_frames=6)
    assert result.curves is not None
    lv = result.curves.lv_smooth_ml
    lines = [xy for xy in chart_lines(str(charts.volume_curve(result.curves, ed_frame=0, es_frame=3))) if len(xy) == 6]
    heights = [(y.max() - y) / (y.max() - y.min()) for _, y in (xy.T for xy in lines)]
    expected = (lv - lv.min()) / (lv.max() - lv.min())
    assert any(np.allclose(h, expected, atol=1e-4) for h in heights)


@pytest.mark.parametrize(("first_ms", "said"), [(0.0, "since the first frame"), (25.0, "since the R wave")])
def test_the_time_axis_says_from_when_it_counts(first_ms: float, said: str) -> None:
    _, result = a_study()
    assert result.curves is not None
    curves = replace(result.curves, times_ms=result.curves.times_ms + first_ms)
    drawing = str(charts.volume_curve(curves, ed_frame=0, es_frame=3))
    assert re.findall(r"time since [\w ]+, ms", drawing) == [f"time {said}, ms"]


def test_beats_start_at_end_diastole_in_shares_of_it() -> None:
    table, first = a_cohort(24).phenotypes, ("sub-00001", "ses-1")
    told = {s.folder: s.ed_frame for s in studies(table)}
    beats = beats_of(curves_of(table), told)
    assert len(beats) == table["lvedv_ml"].count()
    share, volume = beats[first]
    assert (share[0], share[-1], volume[0], volume[-1]) == (0.0, 100.0, 100.0, 100.0)
    assert volume.min() == pytest.approx(100 - table["lvef_pct"][0])  # what is left at ES
    assert share[volume.argmin()] == pytest.approx(50.0)
    share, volume = beats_of(curves_of(table), told | {first: 8})[first]  # the frame that was found, not the largest
    assert volume[1] == volume.max() > 100.0 and share[volume.argmin()] == pytest.approx(100 * 7 / 12)
    gap = curves_of(table).with_columns(
        lv_smooth_ml=pl.when(participant_id="sub-00001", frame=4).then(None).otherwise("lv_smooth_ml")
    )
    assert first not in beats_of(gap, told) and first not in beats_of(curves_of(table), told | {first: None})


def test_beats_are_lines_in_small_cohorts_and_a_band_in_large_ones() -> None:
    def drawn(n: int) -> tuple[str, str]:
        tables = a_cohort(n)
        figure = beats_figure(tables.curves, studies(tables.phenotypes))
        assert figure is not None
        return str(figure[0]), figure[1]

    few, said = drawn(24)
    assert few.count("stroke: var(--accent)") == 21 and few.count("stroke: var(--warn)") == 2
    assert said == "A line is one of 23 studies; the 2 with a quality flag in the colour of warnings."
    many, said = drawn(300)
    assert "fill: var(--band)" in many and many.count("stroke: var(--accent)") == 1
    assert said.startswith("Line: median of 282 studies; band: 5th to 95th percentile; the 2")
    assert beats_figure(None, []) is None


def test_line_of_a_short_axis_slice_lies_where_the_planes_meet() -> None:
    sax, masks = disk_heart()
    lax = four_chamber()
    for s in range(4):
        line = cut_line(lax, 0, sax, s)
        assert line is not None
        rows, columns = line.T
        assert rows == pytest.approx((25 + 10 * s) / 1.5)  # z of the slice from the plane's upper edge
        assert sorted(columns) == pytest.approx([-0.5, 47.5])  # the whole width, in both fields
    assert cut_line(sax, 0, sax, 1) is None  # parallel
    aside = replace(lax, origins_mm=lax.origins_mm + np.array([0, 500.0, 0]))
    assert cut_line(aside, 0, sax, 1) is None  # beside the field of the short axis
    centre = heart_point(sax, masks)
    assert centre is not None
    assert centre[:2] == pytest.approx([26 * 1.25, 24 * 1.5], abs=0.2) and 10 < centre[2] < 20


def test_the_heart_lies_at_the_true_place_of_its_slices() -> None:
    sax, _ = disk_heart(n_slices=4)
    sax = replace(sax, origins_mm=np.array([[0.0, 0.0, z] for z in (0.0, 10.0, 20.0, 50.0)]))
    masks = np.zeros(sax.pixels.shape, np.uint8)
    masks[0, 1:3, 8, 20] = Label.LV
    centre = heart_point(sax, masks)
    assert centre == pytest.approx([20 * 1.25, 8 * 1.5, 15.0])


def test_long_axis_views_are_shown_with_their_names() -> None:
    page = Page(a_page(*a_study()))
    assert "Long-axis views" in page.text() and "4-chamber long axis, frame 3" in page.text()
    cut = [t for t, attrs in page.tags if t == "path" and attrs.get("class") == "c-cut"]
    assert len(cut) == 1
    study, result = a_study()
    bare = a_page(replace(study, cines={View.SAX: study.cines[View.SAX]}), result)
    assert "Long-axis views" not in bare and "c-cut" not in Page(bare).text()


def test_top_of_the_study_page_says_its_state_in_one_line() -> None:
    study, result = a_study()
    flagged = Page(a_page(study, result)).text().split("\n")
    at = flagged.index("Flagged")
    assert flagged[at + 1] == "LV and RV stroke volumes disagree" and at < flagged.index("LVEDV")
    passed = Page(a_page(study, result, checks=(FLAGS[0],))).text()
    assert "Analysed\nno flag raised, 1 check passed" in passed and "Flagged" not in passed


def test_reference_ranges_are_ordered_and_sourced() -> None:
    ranged = [p for p in PHENOTYPES if p.ranges]
    assert {p.name for p in ranged} >= {"lvedv_ml", "lvesv_ml", "lvef_pct", "rvedv_ml", "lvmi_g_m2"}
    for p in ranged:
        assert sorted(r.sex for r in p.ranges) == ["F", "M"]
        assert all(r.lower < r.upper and "J Cardiovasc Magn Reson 2017;19:18" in r.source for r in p.ranges)


def test_assets_are_found_in_a_checkout() -> None:
    assert (templates_directory() / "page.html").is_file()
    assert heads_directory().is_dir()


def test_a_failure_is_said_once_and_commands_are_code() -> None:
    why = {"view": "sax", "verdict": "rejected", "reason": "3 frames are missing", "slices": 1}
    series = pl.DataFrame([why | {"frames": frames} for frames in (9, 10, 9)])
    failure = Failure("sub-1", "ses-1", "segment", "missing_frames", "<b>", "See `cinema scan --explain <x>`.")
    html = render_failure(failure, version="1", generated="now", series=series)
    assert "<code>cinema scan --explain &lt;x&gt;</code>." in html and "`cinema" not in html
    assert "&lt;b&gt;" in html and html.count("3 frames are missing") == 1
    assert "3 series of 1 slice × 9 frames or 1 slice × 10 frames" in html
