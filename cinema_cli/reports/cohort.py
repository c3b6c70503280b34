"""The page of a whole cohort: who is in it, what was measured, who stands out, what failed and how it was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from markupsafe import Markup

from cinema_cli.domain.phenotypes import ReferenceRange
from cinema_cli.reports import charts, figures
from cinema_cli.reports.beats import beats_figure
from cinema_cli.reports.flow import participant_flow, rejected_by_reason
from cinema_cli.reports.methods import HeadFacts, RunFacts, method_paragraphs
from cinema_cli.reports.outliers import BY_NAME, LIMIT, METHOD, Study, short_name, studies
from cinema_cli.reports.render import count, href, number, percent, render_page, unit_words, words
from cinema_cli.reports.wall import card, page_words

__all__ = ["CohortTables", "HeadFacts", "RunFacts", "render_cohort"]

EMBED_UP_TO = 200  # studies; above, thumbnails are linked and the wall is paged
WALL_PAGE = 200
OUTLIERS_SHOWN = 48
OUTLIERS_LISTED = 60
RINGS_SHOWN = 300  # in the scatter plot of a large cohort, the farthest first; flags alone are not ringed there
DOTS_UP_TO = 1500  # more studies are drawn as a map of counts
ROWS_SHOWN = 200  # of a table in the page; the files hold all
DISTRIBUTIONS = ("lvedv_ml", "lvesv_ml", "lvef_pct", "lvm_g", "rvedv_ml", "rvesv_ml", "rvef_pct", "lvsv_ml")
SMALL_COHORT = 30


@dataclass(frozen=True, slots=True, eq=False)
class CohortTables:
    """What the cohort page is made from.

    `phenotypes`: participant_id, session_id, status (done, flagged or failed), optionally sex, the names of
    domain.phenotypes.PHENOTYPES, `qc_*` ("pass", "flag" or "not_run"). `series`: one row a series with verdict ("used"
    or not) and reason_code, code or reason. `failures`: participant_id, session_id, stage, code, reason, hint.
    `curves`: participant_id, session_id, frame, lv_smooth_ml.
    """

    phenotypes: pl.DataFrame
    series: pl.DataFrame
    failures: pl.DataFrame
    curves: pl.DataFrame | None
    run: RunFacts


def render_cohort(tables: CohortTables, *, out_dir: Path) -> dict[str, str]:
    """HTML by file name relative to the output folder: `report.html` and, for large cohorts, `report/wall-0001.html`...

    Thumbnails are read from `out_dir`/<participant>/<session>/figures/thumbnail.jpg: embedded in cohorts of at most 200
    studies, linked in larger ones. Nothing is written.
    """
    everyone = studies(tables.phenotypes)
    large = len(everyone) > EMBED_UP_TO
    outliers = sorted((s for s in everyone if s.why and not s.failed), key=lambda s: (-s.distance, s.folder))
    on_wall = outliers[:OUTLIERS_SHOWN] if large else everyone
    starts = list(range(0, len(everyone), WALL_PAGE)) if large else []
    walls = [(f"report/wall-{k + 1:04d}.html", everyone[s : s + WALL_PAGE]) for k, s in enumerate(starts)]
    run = tables.run
    pages = {
        "report.html": render_page(
            "cohort.html",
            title=f"Cohort report {run.cohort_name}".strip(),
            run=run,
            summary=_summary(tables, everyone),
            headline=_headline(tables, everyone),
            flow=participant_flow(everyone, series=tables.series, failures=tables.failures, n_files=run.n_files),
            small=_small_words(everyone),
            distributions=_distributions(everyone),
            range_sources=_range_sources(),
            scatter=_scatter(everyone, ringed=_ringed(outliers, large=large)),
            scatter_caption=_scatter_caption(len(everyone), large=large),
            beats=beats_figure(tables.curves, everyone),
            outlier_method=METHOD,
            outlier_sentence=_outlier_sentence(everyone, outliers),
            outliers=[_outlier_row(s) for s in outliers[:OUTLIERS_LISTED]],
            n_outliers_hidden=max(0, len(outliers) - OUTLIERS_LISTED),
            wall=[card(s, out_dir=out_dir, up="", embed=True) for s in on_wall],
            wall_is_outliers=large,
            wall_pages=[(name, page_words(several)) for name, several in walls],
            flags=_flags(tables.phenotypes),
            failures=tables.failures.head(ROWS_SHOWN).to_dicts(),
            n_failures_hidden=max(0, tables.failures.height - ROWS_SHOWN),
            rejected=rejected_by_reason(tables.series),
            methods=method_paragraphs(run),
            run_facts=_run_facts(run),
            version=run.version,
            generated=run.finished,
        )
    }
    for k, (name, several) in enumerate(walls):
        pages[name] = render_page(
            "wall.html",
            title=f"Wall {k + 1} of {len(walls)}",
            sentence=page_words(several),
            wall=[card(s, out_dir=out_dir, up="..", embed=False) for s in several],
            previous=walls[k - 1][0].removeprefix("report/") if k else "",
            following=walls[k + 1][0].removeprefix("report/") if k + 1 < len(walls) else "",
            outlier_method=METHOD,
            version=run.version,
            generated=run.finished,
        )
    return pages


def _summary(tables: CohortTables, everyone: Sequence[Study]) -> str:
    if not everyone:
        return "No study was found."
    people = tables.phenotypes["participant_id"].n_unique()
    failed = sum(s.failed for s in everyone)
    said = f"{count(len(everyone), one='study', many='studies')} of {count(people, one='participant')}; "
    said += f"{number(len(everyone) - failed, decimals=0)} analysed"
    return said + (f", {number(failed, decimals=0)} failed." if failed else ", none failed.")


def _headline(tables: CohortTables, everyone: Sequence[Study]) -> list[tuple[str, str, str]]:
    done = [s for s in everyone if not s.failed]
    flagged = sum(bool(s.flags) for s in done)
    items = [
        (number(len(everyone), decimals=0), "", "studies"),
        (number(len(done), decimals=0), "", "analysed"),
        (number(flagged, decimals=0), "", "with a quality flag"),
        (number(len(everyone) - len(done), decimals=0), "", "failed"),
    ]
    for name in ("lvef_pct", "lvedv_ml"):
        values = [v for s in done if (v := s.values.get(name)) is not None]
        if values:
            median = number(float(np.median(values)), decimals=0)
            items.append((median, BY_NAME[name].unit, f"median {short_name(name)}"))
    return items


def _small_words(everyone: Sequence[Study]) -> str:
    n = sum(not s.failed for s in everyone)
    if n == 0:
        return "No study was analysed: there are no distributions."
    if n < SMALL_COHORT:
        return (
            f"With {count(n, one='study', many='studies')} every value is shown; medians move with each study, "
            "and shares are no estimate of a prevalence."
        )
    return ""


def _distributions(everyone: Sequence[Study]) -> list[tuple[str, str, Markup]]:
    done = [s for s in everyone if not s.failed]
    plots = []
    for name in DISTRIBUTIONS:
        p = BY_NAME[name]
        groups = [
            (sex, [v for s in done if s.sex == sex and (v := s.values.get(name)) is not None]) for sex in figures.SEXES
        ]
        if any(values for _, values in groups):
            title = f"{p.title} by sex, with the reference range"
            plot = charts.distribution(groups, ranges=p.ranges, title=title, decimals=0)
            plots.append((p.title, unit_words(p.unit), plot))
    return plots


def _range_sources() -> list[str]:
    ranges: list[ReferenceRange] = [r for name in DISTRIBUTIONS for r in BY_NAME[name].ranges]
    return list(dict.fromkeys(r.source for r in ranges))


def _ringed(outliers: Sequence[Study], *, large: bool) -> Sequence[Study]:
    return [s for s in outliers if s.distance > LIMIT][:RINGS_SHOWN] if large else outliers


def _scatter(everyone: Sequence[Study], *, ringed: Sequence[Study]) -> Markup | None:
    marked = {s.folder for s in ringed}
    points = [
        charts.Point(
            x,
            y,
            outlier=s.folder in marked,
            label=f"{s.participant_id} {s.session_id}: EDV {x:.0f} ml, EF {y:.0f}%",
            link=href(*s.folder, "study.html"),
        )
        for s in everyone
        if (x := s.values.get("lvedv_ml")) is not None and (y := s.values.get("lvef_pct")) is not None
    ]
    if not points:
        return None
    return charts.scatter(
        points,
        x_title="LV end-diastolic volume, ml",
        y_title="LV ejection fraction, %",
        dots_up_to=DOTS_UP_TO,
        x_span=(50.0, 250.0),
        y_span=(20.0, 80.0),
        title="Ejection fraction against end-diastolic volume of the left ventricle, outliers ringed",
    )


def _scatter_caption(n: int, *, large: bool) -> str:
    rings = "studies far from the median, flags aside" if large else "outliers"
    if n > DOTS_UP_TO:
        return f"The darker, the more studies. Rings mark {rings}; each opens its study's page."
    return f"Each dot is a study and opens its page; rings mark {rings}."


def _outlier_sentence(everyone: Sequence[Study], outliers: Sequence[Study]) -> str:
    n = sum(not s.failed for s in everyone)
    if not outliers:
        return f"No study stands out, of {count(n, one='analysed study', many='analysed studies')}."
    of = count(n, one="analysed study", many="analysed studies")
    return f"{number(len(outliers), decimals=0)} of {of} ({percent(len(outliers), n)})."


def _outlier_row(study: Study) -> tuple[str, str, str, str]:
    return href(*study.folder, "study.html"), study.participant_id, study.session_id, "; ".join(study.why)


def _flags(table: pl.DataFrame) -> list[tuple[str, str, str, str, str]]:
    """(check, passed, flagged, not run, share flagged) over the studies where the check could be run."""
    rows = []
    for column in (c for c in table.columns if c.startswith("qc_")):
        passed, flagged, not_run = (int((table[column] == status).sum()) for status in ("pass", "flag", "not_run"))
        said = [number(n, decimals=0) for n in (passed, flagged, not_run)]
        share = percent(flagged, passed + flagged)
        rows.append((words(column.removeprefix("qc_")), said[0], said[1], said[2], share))
    return rows


def _run_facts(run: RunFacts) -> list[tuple[str, str]]:
    took = "" if run.seconds is None else f"{number(run.seconds, decimals=0)} s"
    if run.seconds is not None and run.seconds >= 120:
        took = f"{number(run.seconds / 60, decimals=0)} min"
    facts = [
        ("cinema", run.version),
        ("Started", run.started),
        ("Finished", run.finished),
        ("Took", took),
        ("Device", run.device),
        ("Files read", "" if run.n_files is None else number(run.n_files, decimals=0)),
        ("Versions", ", ".join(f"{name} {version}" for name, version in run.versions if name != "cinema")),
    ]
    return [(name, said) for name, said in facts if said]
