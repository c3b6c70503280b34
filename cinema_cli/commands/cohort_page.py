"""report.html from what lies in an output folder: its records, its series table, the log of its last run."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cinema_cli import __version__
from cinema_cli.commands.options import without_folders
from cinema_cli.domain.errors import CinemaError
from cinema_cli.inference.heads import read_card
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.ledger import Record
from cinema_cli.io.tables import curves, failures, phenotypes, read_series
from cinema_cli.reports.cohort import CohortTables, HeadFacts, RunFacts, render_cohort
from cinema_cli.reports.render import words

REPORT_NAME = "report.html"
_HIDDEN = {"cohort", "out", "participant_label", "dry_run"}  # settings that say where and who, not how
_PROPER = {"acdc": "ACDC", "mae": "MAE", "pct": "%"}  # words of a card's figures that are not said as they are


def write_report(out: Path, records: Sequence[Record]) -> Path:
    """Render the cohort page, and its further pages where it is large; the path of the first. Raises OutputError."""
    tables = CohortTables(
        phenotypes=phenotypes(records),
        series=read_series(out),
        failures=failures(records),
        curves=curves(records),
        run=run_facts(out, records),
    )
    for name, html in render_cohort(tables, out_dir=out).items():
        write_atomic(out / name, html)
    return out / REPORT_NAME


def run_facts(out: Path, records: Sequence[Record]) -> RunFacts:
    """What the log of the last run that analysed a study says; without one, what the records say."""
    log, settings = _last_run(out)
    libraries: dict[str, str] = log.get("libraries", {})
    versions = {"cinema": log.get("version", __version__), "python": log.get("python", ""), **libraries}
    uses = dict.fromkeys((h.name, h.sha256) for r in records for h in r.heads)
    return RunFacts(
        version=log.get("version", __version__),
        command=log.get("command", ""),
        cohort_name=log.get("cohort", ""),
        started=log.get("started", ""),
        finished=log.get("ended", ""),
        seconds=log.get("seconds"),
        n_files=log.get("n_files"),
        device=log.get("device", ""),
        versions=tuple((name, text) for name, text in versions.items() if text),
        settings=tuple((name, without_folders(value)) for name, value in settings.items() if name not in _HIDDEN),
        heads=tuple(_head(name, sha256) for name, sha256 in uses),
    )


def _last_run(out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    for path in sorted(out.glob("logs/*/run.json"), reverse=True):
        try:
            log: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if log.get("counts", {}).get("n_run"):
                return log, tomllib.loads((path.parent / "config.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # a run that was cut off
    return {}, {}


def _head(name: str, sha256: str) -> HeadFacts:
    try:
        card = read_card(name)
    except CinemaError:
        return HeadFacts(name, sha256)  # its card is not installed here
    return HeadFacts(
        name,
        sha256,
        title=card.title,
        training_data=card.training_data,
        intended_use=card.intended_use,
        limits=card.limits,
        metrics=tuple((_figure_words(key), f"{value:g}") for key, value in card.figures.items()),
    )


def _figure_words(key: str) -> str:
    """`acdc_dice_lv` as ACDC dice LV."""
    return " ".join(_PROPER.get(word, word) for word in words(key).split())
