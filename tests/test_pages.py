"""The pages in a real browser: they fit a phone, a desk and paper, show their colours and ask nothing of the net."""

import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from said_studies import a_said_cohort, a_said_study, facts
from test_reports import a_cohort, a_study

from cinema_cli.reports.cohort import render_cohort
from cinema_cli.reports.pictures import OVERLAY_COLOURS
from cinema_cli.reports.study import render_study, thumbnail

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--disable-dev-shm-usage",
)
PAGES = {
    "report": "report.html",
    "study": "sub-00001/ses-1/study.html",
    "said report": "said.html",
    "said study": "sub-00002/ses-1/study.html",
}
PAPER_PX = 688  # A4 less the style sheet's margins of 14 mm, at 96 px an inch
PROBE = """<script>addEventListener("load", () => {
  const root = document.documentElement, wide = [];
  for (const e of document.querySelectorAll("body *"))
    if (!e.closest(".scroll") && e.getBoundingClientRect().right > innerWidth + 1) wide.push(e.tagName);
  const cut = [...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth + 1).length;
  const asked = performance.getEntriesByType("resource").map(r => r.name).filter(n => !/^(data|file):/.test(n));
  root.dataset.probe = [root.scrollWidth, innerWidth, wide.join("+") || "none", asked.length, cut].join(" ");
});</script></body>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with report.html and the page and picture of two studies; of the second, heads said something.

    said.html is the report with predictions.
    """
    if BROWSER is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no chromium: .ci/packages installs it")
        pytest.skip("no chromium here: .ci/packages installs it")
    out = tmp_path_factory.mktemp("site")
    for name, made, heads in (("sub-00001", a_study, ()), ("sub-00002", a_said_study, facts())):
        study, result = made(participant=name)
        folder = out / name / "ses-1"
        (folder / "figures").mkdir(parents=True)
        (folder / "figures" / "thumbnail.jpg").write_bytes(thumbnail(study, result))
        (folder / "study.html").write_text(
            render_study(study, result, version="9.9.9", generated="2026-01-02 03:04 UTC", heads=heads),
            encoding="utf-8",
        )
    tables = a_cohort(3, not_reached=1)  # with a box of each kind in the flow
    for file, shown in (("report.html", tables), ("said.html", a_said_cohort(tables))):
        (out / file).write_text(render_cohort(shown, out_dir=out)["report.html"], encoding="utf-8")
    return out


def browse(page: Path, *options: str, width: int = 1280, height: int = 1200, profile: Path) -> str:
    """What the browser writes to stdout; it can reach no host."""
    assert BROWSER is not None
    fixed = [f"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND", f"--window-size={width},{height}"]
    done = subprocess.run(
        [BROWSER, *QUIET, *fixed, *options, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def page_of(site: Path, name: str) -> Path:
    return site / PAGES[name]


def probe(page: Path, *, width: int, html: str, profile: Path) -> tuple[int, int, str, int, int]:
    """(scroll width, inner width, elements that stick out, addresses asked for, tables and charts that are cut).

    The page lies in an iframe of that width: the browser itself opens no window as narrow as a phone.
    """
    copy, frame = page.with_name(f"probe-{width}.html"), page.with_name(f"frame-{width}.html")
    copy.write_text(html.replace("</body>", PROBE), encoding="utf-8")
    frame.write_text(
        f'<!DOCTYPE html><body><iframe src="{copy.name}" width="{width}" height="900" style="border:0"></iframe>'
        "<script>addEventListener('load', () => { document.body.dataset.probe = "
        "document.querySelector('iframe').contentDocument.documentElement.dataset.probe; });</script></body>",
        encoding="utf-8",
    )
    dom = browse(frame, "--dump-dom", "--allow-file-access-from-files", profile=profile)
    found = re.search(r'data-probe="(\d+) (\d+) (\S+) (\d+) (\d+)"', dom)
    assert found, dom[-500:]
    return int(found[1]), int(found[2]), found[3], int(found[4]), int(found[5])


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_page_fits_the_screen_and_asks_nothing_of_the_net(site: Path, name: str, width: int, tmp_path: Path) -> None:
    html = page_of(site, name).read_text(encoding="utf-8")
    assert "<script" not in html  # the probe goes into a copy
    scroll_width, inner_width, wide, asked, cut = probe(page_of(site, name), width=width, html=html, profile=tmp_path)
    assert (inner_width, wide, asked) == (width, "none", 0)
    assert scroll_width <= width
    assert width < 1280 or cut == 0  # on a phone, wide tables scroll inside their own frame


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_on_paper(site: Path, name: str, tmp_path: Path) -> None:
    html = page_of(site, name).read_text(encoding="utf-8")
    on_paper = html.replace("@media print", "@media all")
    assert on_paper != html
    _, width, wide, _, cut = probe(page_of(site, name), width=PAPER_PX, html=on_paper, profile=tmp_path)
    assert (width, wide, cut) == (PAPER_PX, "none", 0)


@pytest.mark.parametrize(("name", "tolerance"), [("report", 80), ("study", 40)])  # thumbnails are small JPEGs
def test_page_is_drawn_with_its_contours(site: Path, name: str, tolerance: int, tmp_path: Path) -> None:
    shot = tmp_path / "shot.png"
    browse(page_of(site, name), f"--screenshot={shot}", height=4500, profile=tmp_path / "profile")
    with Image.open(io.BytesIO(shot.read_bytes())) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    assert pixels.shape == (4500, 1280, 3)
    assert pixels.std() > 10  # not blank
    for contour, colour in OVERLAY_COLOURS.items():
        near = (np.abs(pixels - np.array(colour)).max(axis=2) < tolerance).sum()
        assert near > 30, f"{contour} is not drawn"


@pytest.mark.parametrize("name", PAGES)
def test_page_prints_whole(site: Path, name: str, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    browse(page_of(site, name), f"--print-to-pdf={paper}", "--no-pdf-header-footer", profile=tmp_path / "profile")
    content = paper.read_bytes()
    assert content.startswith(b"%PDF")
    pages = [tuple(map(float, box)) for box in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content)]
    assert 1 < len(pages) < 16
    assert all(w == pytest.approx(595, abs=2) and h == pytest.approx(842, abs=2) for w, h in pages)  # A4 upright
