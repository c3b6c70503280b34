"""The page of a whole cohort: who is in it, what was measured, who stands out, what failed and how it was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from markupsafe import Markup

from cinema_cli.domain.phenotypes import REFERENCE_AGES, ReferenceRange, in_reference_ages
from cinema_cli.io.ledger import Status
from cinema_cli.reports import charts, figures
from cinema_cli.reports.beats import beats_figure
from cinema_cli.reports.flow import participant_flow, rejected_by_reason
from cinema_cli.reports.heads import HeadFacts, figure_sentences
from cinema_cli.reports.methods import RunFacts, method_paragraphs
from cinema_cli.reports.outliers import BY_NAME, Study, method_words, short_name, studies
from cinema_cli.reports.predictions import prediction_section
from cinema_cli.reports.render import count, href, number, percent, render_page, unit_words, words
from cinema_cli.reports.wall import card, page_words

__all__ = ["CohortTables", "HeadFacts", "RunFacts", "render_cohort"]

EMBED_UP_TO = 200  # studies; above, thumbnails are linked and the wall is paged
WALL_PAGE = 200
STANDING_OUT_SHOWN = 48
STANDING_OUT_LISTED = 60
RINGS_SHOWN = 300  # in the scatter plot of a large cohort, the farthest first; flags alone are not ringed there
DOTS_UP_TO = 1500  # more studies are drawn as a map of counts
ROWS_SHOWN = 200  # of a table in the page; the files hold all
DISTRIBUTIONS = ("lvedv_ml", "lvesv_ml", "lvef_pct", "lvm_g", "rvedv_ml", "rvesv_ml", "rvef_pct", "lvsv_ml")
SMALL_COHORT = 30


@dataclass(frozen=True, slots=True, eq=False)
class CohortTables:
    """What the cohort page is made from.

    `phenotypes`: participant_id, session_id, status (done, failed or not_run), optionally sex, age_years, the names of
    domain.phenotypes.PHENOTYPES, `qc_*` ("pass", "flag" or "not_run"). `series`: one row a series with verdict ("used"
    or not) and reason_code, code or reason. `failures`: participant_id, session_id, status (failed or not_run), stage,
    code, reason, hint.
    `curves`: participant_id, session_id, frame, lv_smooth_ml. `predictions` and `embeddings`: as io.predictions writes
    them, with the columns of `run.heads`.
    """

    phenotypes: pl.DataFrame
    series: pl.DataFrame
    failures: pl.DataFrame
    curves: pl.DataFrame | None
    run: RunFacts
    predictions: pl.LazyFrame | None = None
    embeddings: pl.LazyFrame | None = None


def render_cohort(tables: CohortTables, *, out_dir: Path) -> dict[str, str]:
    """HTML by file name relative to the output folder: `report.html` and, for large cohorts, `report/wall-0001.html`...

    Thumbnails are read from `out_dir`/<participant>/<session>/figures/thumbnail.jpg: embedded in cohorts of at most 200
    studies, linked in larger ones. Nothing is written.
    """
    everyone = studies(tables.phenotypes)
    large = len(everyone) > EMBED_UP_TO
    method = method_words(everyone)
    standing_out = sorted((s for s in everyone if s.analysed and (s.far or s.flags)), key=_apart)
    on_wall = standing_out[:STANDING_OUT_SHOWN] if large else everyone
    starts = list(range(0, len(everyone), WALL_PAGE)) if large else []
    walls = [(f"report/wall-{k + 1:04d}.html", everyone[s : s + WALL_PAGE]) for k, s in enumerate(starts)]
    failed = tables.failures.filter(status=Status.FAILED)
    waiting = [s for s in everyone if s.status is Status.NOT_RUN]
    run = tables.run
    pages = {
        "report.html": render_page(
            "cohort.html",
            title=f"Cohort report {run.cohort_name}".strip(),
            run=run,
            summary=_summary(tables, everyone),
            headline=_headline(everyone),
            flow=participant_flow(everyone, series=tables.series, failures=tables.failures, n_files=run.n_files),
            small=_small_words(everyone),
            distributions=_distributions(everyone),
            range_sources=_range_sources(),
            ages_sentence=_ages_sentence(everyone),
            scatter=_scatter(everyone, ringed=_ringed(standing_out, large=large)),
            scatter_caption=_scatter_caption(len(everyone), large=large),
            beats=beats_figure(tables.curves, everyone),
            predictions=prediction_section(
                tables.predictions, tables.embeddings, phenotypes=tables.phenotypes, heads=run.heads
            ),
            outlier_method=method,
            outlier_sentence=_outlier_sentence(everyone),
            outliers=[_outlier_row(s) for s in standing_out[:STANDING_OUT_LISTED]],
            n_outliers_hidden=max(0, len(standing_out) - STANDING_OUT_LISTED),
            wall=[card(s, out_dir=out_dir, up="", embed=True) for s in on_wall],
            wall_is_part=large,
            wall_pages=[(name, page_words(several)) for name, several in walls],
            flags=_flags(tables.phenotypes),
            failures=failed.head(ROWS_SHOWN).to_dicts(),
            n_failures_hidden=max(0, failed.height - ROWS_SHOWN),
            waiting_sentence=_waiting_sentence(waiting, tables.failures),
            waiting=[f"{s.participant_id} {s.session_id}" for s in waiting[:ROWS_SHOWN]],
            n_waiting_hidden=max(0, len(waiting) - ROWS_SHOWN),
            rejected=rejected_by_reason(tables.series),
            methods=method_paragraphs(run),
            heads=[(head, figure_sentences(head.figures)) for head in run.heads],
            run_facts=_run_facts(run),
            made_by=[(number(n, decimals=0), said) for said, n in run.made_by],
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
            outlier_method=method,
            version=run.version,
            generated=run.finished,
        )
    return pages


def _apart(study: Study) -> tuple[bool, float, tuple[str, str]]:
    """Outliers first, the farthest in front; then those with a flag alone."""
    return not study.far, -study.distance, study.folder


def _summary(tables: CohortTables, everyone: Sequence[Study]) -> str:
    if not everyone:
        return "No study was found."
    people = tables.phenotypes["participant_id"].n_unique()
    done, failed, waiting = (_n(everyone, status) for status in (Status.DONE, Status.FAILED, Status.NOT_RUN))
    said = f"{count(len(everyone), one='study', many='studies')} of {count(people, one='participant')}; "
    said += f"{number(done, decimals=0)} analysed, "
    said += f"{number(failed, decimals=0)} failed" if failed else "none failed"
    return said + (f", {number(waiting, decimals=0)} not reached." if waiting else ".")


def _n(everyone: Sequence[Study], status: Status) -> int:
    return sum(s.status is status for s in everyone)


def _headline(everyone: Sequence[Study]) -> list[tuple[str, str, str]]:
    done = [s for s in everyone if s.analysed]
    counts = [
        (len(everyone), "studies"),
        (len(done), "analysed"),
        (sum(bool(s.flags) for s in done), "with a quality flag"),
        (_n(everyone, Status.FAILED), "failed"),
    ]
    if waiting := _n(everyone, Status.NOT_RUN):
        counts.append((waiting, "not reached"))
    items = [(number(n, decimals=0), "", name) for n, name in counts]
    for name in ("lvef_pct", "lvedv_ml"):
        values = [v for s in done if (v := s.values.get(name)) is not None]
        if values:
            median = number(float(np.median(values)), decimals=0)
            items.append((median, BY_NAME[name].unit, f"median {short_name(name)}"))
    return items


def _waiting_sentence(waiting: Sequence[Study], failures: pl.DataFrame) -> str:
    """What it means that studies were not reached, and what helps."""
    if not waiting:
        return ""
    hints = failures.filter(status=Status.NOT_RUN)["hint"].unique().sort().to_list()
    n = count(len(waiting), one="study", many="studies")
    return f"The run stopped before {n}: nothing is known of them yet. {' '.join(h for h in hints if h)}".strip()


def _small_words(everyone: Sequence[Study]) -> str:
    n = _n(everyone, Status.DONE)
    if n == 0:
        return "No study was analysed: there are no distributions."
    if n < SMALL_COHORT:
        return (
            f"With {count(n, one='study', many='studies')} every value is shown; medians move with each study, "
            "and shares are no estimate of a prevalence."
        )
    return ""


def _distributions(everyone: Sequence[Study]) -> list[tuple[str, str, Markup]]:
    done = [s for s in everyone if s.analysed]
    plots = []
    for name in DISTRIBUTIONS:
        p = BY_NAME[name]
        groups = [
            (sex, [v for s in done if s.sex == sex and (v := s.values.get(name)) is not None]) for sex in figures.SEXES
        ]
        if any(values for _, values in groups):
            title = f"{p.title} by sex, {'with the reference range' if p.ranges else 'no reference range'}"
            plot = charts.distribution(groups, ranges=p.ranges, title=title, decimals=0)
            plots.append((p.title, unit_words(p.unit), plot))
    return plots


def _range_sources() -> list[str]:
    ranges: list[ReferenceRange] = [r for name in DISTRIBUTIONS for r in BY_NAME[name].ranges]
    return list(dict.fromkeys(r.source for r in ranges))


def _ages_sentence(everyone: Sequence[Study]) -> str:
    """Of whom the reference ranges are, and how many of the cohort are not of that age."""
    fits = [in_reference_ages(s.age_years) for s in everyone if s.analysed]
    other, unknown = (number(fits.count(kind), decimals=0) for kind in (False, None))
    of = count(len(fits), one="analysed study", many="analysed studies")
    ages = f"{REFERENCE_AGES[0]}–{REFERENCE_AGES[1]}"
    return (
        f"The ranges are of healthy Caucasian adults aged {ages} years; of {of}, {other} are of people of another age "
        f"and {unknown} of unknown age."
    )


def _ringed(standing_out: Sequence[Study], *, large: bool) -> Sequence[Study]:
    return [s for s in standing_out if s.far][:RINGS_SHOWN] if large else standing_out


def _scatter(everyone: Sequence[Study], *, ringed: Sequence[Study]) -> Markup | None:
    marks = {s.folder: "far" if s.far else "warn" for s in ringed}
    points = [
        charts.Point(
            x,
            y,
            mark=marks.get(s.folder, ""),
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
        y_span=(0.0, 80.0),
        title="Ejection fraction against end-diastolic volume of the left ventricle, outliers ringed",
    )


def _scatter_caption(n: int, *, large: bool) -> str:
    rings = "Rings mark outliers" if large else "rings mark outliers and, in the colour of warnings, quality flags"
    if n > DOTS_UP_TO:
        return f"The darker, the more studies. {rings}; each opens its study's page."
    return f"Each dot is a study and opens its page; {rings[0].lower()}{rings[1:]}."


def _outlier_sentence(everyone: Sequence[Study]) -> str:
    done = [s for s in everyone if s.analysed]
    of = count(len(done), one="analysed study", many="analysed studies")
    outliers, flagged = sum(bool(s.far) for s in done), sum(bool(s.flags) for s in done)
    if not outliers and not flagged:
        return f"No study stands out, of {of}."
    said = [f"{number(k, decimals=0)} ({percent(k, len(done))})" for k in (outliers, flagged)]
    are, have = "is an outlier" if outliers == 1 else "are outliers", "has" if flagged == 1 else "have"
    return f"Of {of}, {said[0]} {are}; {said[1]} {have} a quality flag."


def _outlier_row(study: Study) -> tuple[str, str, str, str, str]:
    link = href(*study.folder, "study.html")
    return link, study.participant_id, study.session_id, "; ".join(study.far), "; ".join(study.flag_words)


def _flags(table: pl.DataFrame) -> list[tuple[str, str, str, str, str]]:
    """(check, passed, flagged, not run, share flagged) over the studies where the check could be run."""
    rows = []
    for column in (c for c in table.columns if c.startswith("qc_")):
        passed, flagged, not_run = (int((table[column] == status).sum()) for status in ("pass", "flag", "not_run"))
        if not passed + flagged + not_run:
            continue
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
        ("Files read in the last scan", "" if run.n_files is None else number(run.n_files, decimals=0)),
        ("Versions", ", ".join(f"{name} {version}" for name, version in run.versions if name != "cinema")),
    ]
    return [(name, said) for name, said in facts if said]
