"""report.html from what lies in an output folder: its records, its series table, the log of its last run."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cinema_cli import __version__
from cinema_cli.commands.head_facts import head_facts
from cinema_cli.commands.job_words import lost_words
from cinema_cli.commands.options import without_folders
from cinema_cli.domain.result import HeadUse
from cinema_cli.io.atomic import output_errors, write_atomic
from cinema_cli.io.cohort_list import former_studies, former_words
from cinema_cli.io.predictions import EMBEDDINGS, PREDICTIONS
from cinema_cli.io.records import CohortRecords
from cinema_cli.io.tables import read_series, scan_table
from cinema_cli.reports.cohort import CohortTables, RunFacts, render_cohort
from cinema_cli.reports.heads import HeadFacts

REPORT_NAME = "report.html"
_ANALYSES = {"survival": "Survival", "fairness": "For whom it works", "evaluation": "Agreement with a reference"}
_HIDDEN = {"cohort", "out", "participant_label", "dry_run"}  # settings that say where and who, not how


def write_report(out: Path, records: CohortRecords) -> Path:
    """Render the cohort page, and its further pages where it is large; the path of the first. Raises OutputError.

    Further pages of an earlier, larger cohort go once the new ones are there: they may show people who have left.
    """
    tables = CohortTables(
        phenotypes=records.phenotypes,
        series=read_series(out),
        failures=records.failures,
        curves=records.curves,
        run=run_facts(out, records),
        predictions=scan_table(out, PREDICTIONS),
        embeddings=scan_table(out, EMBEDDINGS),
    )
    pages = render_cohort(tables, out_dir=out)
    for name, html in pages.items():
        write_atomic(out / name, html)
    with output_errors(out):
        for path in out.glob("report/wall-*.html"):
            if path.relative_to(out).as_posix() not in pages:
                path.unlink(missing_ok=True)
    return out / REPORT_NAME


def run_facts(out: Path, records: CohortRecords) -> RunFacts:
    """What the log of the last run that analysed a study says, and what all records say."""
    logs = _runs(out)
    folder, log = next(((folder, log) for folder, log in logs if log.get("counts", {}).get("n_run")), (None, {}))
    libraries: dict[str, str] = log.get("libraries", {})
    versions = {"cinema": log.get("version", __version__), "python": log.get("python", ""), **libraries}
    settings = _settings(folder) if folder else {}
    return RunFacts(
        version=log.get("version", __version__),
        command=log.get("command", ""),
        cohort_name=log.get("cohort", ""),
        started=log.get("started", ""),
        finished=log.get("ended", ""),
        seconds=log.get("seconds"),
        n_files=next((log["n_files"] for _, log in logs if "n_files" in log), None),  # of the last scan, as the series
        device=log.get("device", ""),
        versions=tuple((name, text) for name, text in versions.items() if text),
        settings=tuple((name, without_folders(value)) for name, value in settings.items() if name not in _HIDDEN),
        heads=_heads(records),
        made_by=tuple((_maker(version, heads), count) for version, heads, count in records.made_by),
        doubts=doubts(next((log for _, log in logs if "n_lost_folders" in log), {})),
        left_out=former_words(former_studies(out)),
        analyses=tuple((f"{name}/{REPORT_NAME}", _ANALYSES[name]) for name in analysed(out)),
    )


def analysed(out: Path) -> tuple[str, ...]:
    """Folders with the report of an analysis of this cohort."""
    return tuple(name for name in _ANALYSES if (out / name / REPORT_NAME).is_file())


def n_lost_folders(out: Path) -> int:
    """Folders in which the last scan could read no file: whoever is in them is in no table."""
    return int(next((log["n_lost_folders"] for _, log in _runs(out) if "n_lost_folders" in log), 0))


def _heads(records: CohortRecords) -> tuple[HeadFacts, ...]:
    """Every head with its weights, once: first those on whose masks phenotypes were measured, then the most used."""
    made = [heads for _, heads, _ in records.made_by]
    uses: dict[tuple[str, str], HeadUse] = {(head.name, head.sha256): head for heads in made for head in heads}
    measuring = {(head.name, head.sha256) for heads in made for head in heads[:1]}
    facts = [head_facts(use, measures=key in measuring) for key, use in uses.items()]
    return tuple(sorted(facts, key=lambda head: not head.measures))


def doubts(log: Mapping[str, Any]) -> tuple[str, ...]:
    """What the last scan could not settle: unreadable files, people told apart, clinical rows without a match."""
    said = []
    if lost := log.get("n_lost_folders"):
        said.append(f"{lost_words(lost)}.".replace("no DICOM", "No DICOM", 1))
    if problems := log.get("problems"):
        said.append(f"Files that could not be read: {_counted(problems)}.")
    if notes := log.get("notes"):
        said.append(f"Doubts about who is who: {_counted(notes)}; notes.csv has a sentence for each.")
    clinical = log.get("clinical") or {}
    for name, words in (
        ("n_rows_without_participant", "of the clinical file's rows fit no participant"),
        ("n_participants_without_row", "of the participants have no row in the clinical file"),
    ):
        if clinical.get(name):
            said.append(f"{clinical[name]} {words}.")
    return tuple(said)


def _counted(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{code.replace('_', ' ')} {count}" for code, count in codes.items())


def _maker(version: str, heads: Sequence[HeadUse]) -> str:
    """Which program and weights made records: the head that measured, then the others."""
    measured, *others = (f"{h.name} (weights sha256 {h.sha256[:12]}…)" for h in heads) if heads else [""]
    beside = f"; beside it {', '.join(others)}" if others else ""
    return f"cinema {version}, {measured or 'no head: no result'}{beside}"


def _runs(out: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Folder and run.json of every run that was not cut off, the latest first."""
    logs = []
    for path in sorted(out.glob("logs/*/run.json"), reverse=True):
        try:
            logs.append((path.parent, dict(json.loads(path.read_text(encoding="utf-8")))))
        except (OSError, ValueError, TypeError):
            continue
    return logs


def _settings(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
