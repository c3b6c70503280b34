"""A whole made-up cohort on disk: study by study, tables row by row, resumable, the same bytes for a seed."""

import csv
import io
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from cinema_cli import __version__
from cinema_cli.domain.errors import OutputError, UsageError
from cinema_cli.io.atomic import output_errors, write_atomic
from cinema_cli.io.lock import LOCK_NAME
from cinema_cli.phantom.cohort import clinical_row, readme, truth_row
from cinema_cli.phantom.study import Settings, Setup, plan_series, set_up, write_study

Row = dict[str, str | float | int]

_SETTINGS_NAME = "simulate.json"
_LABELS_NAME = "labels"
_PART = ".part-"
_TABLES = ("truth.csv", "series.csv", "landmarks.csv", "clinical.csv")
_OURS = {*_TABLES, _SETTINGS_NAME, _LABELS_NAME, "README", LOCK_NAME}


@dataclass(frozen=True, slots=True)
class Done:
    """One participant is on disk. `kept`: the study was there already."""

    patient_id: str
    kept: bool


def simulate_cohort(
    out: Path, settings: Settings, *, participants: int, jobs: int = 1, force: bool = False
) -> Iterator[Done]:
    """Write a cohort into `out`, participant by participant; goes on where an earlier run of the same settings stopped.

    Raises UsageError for a folder that holds something else, unless `force`; OutputError where it cannot be written.
    """
    if participants < 1:
        raise UsageError(f"{participants} participants", hint="Ask for at least one.", code="participants")
    _prepare(out, settings, force=force)
    first = _trim_tables(out)
    writers = {name: (out / name) for name in _TABLES}
    task = partial(_make, out=out, settings=settings)
    for number, (done, rows) in enumerate(_in_order(task, participants, jobs=jobs), start=1):
        if number >= first:
            for name, path in writers.items():
                _append(path, rows[name])
        yield done


def _make(number: int, *, out: Path, settings: Settings) -> tuple[Done, dict[str, list[Row]]]:
    """Write one study unless it is there; its rows."""
    setup = set_up(number, settings)
    folder = out / setup.person.patient_id
    kept = folder.is_dir()
    if not kept:
        part = out / f"{_PART}{setup.person.patient_id}-{os.getpid()}"
        with output_errors(folder):
            write_study(part, setup, labels_folder=out / _LABELS_NAME if settings.labels else None)
            if folder.is_dir():  # a worker that outlived a killed run was faster; it wrote the same bytes
                shutil.rmtree(part)
            else:
                part.rename(folder)
    return Done(setup.person.patient_id, kept), _rows(setup)


def _rows(setup: Setup) -> dict[str, list[Row]]:
    """Rows of one participant for each table."""
    person = setup.person
    ed, es = setup.ed_es_frames
    gating: Row = {
        "ed_frame": ed,
        "es_frame": es,
        "n_frames": setup.protocol.n_frames,
        "heart_rate_bpm": round(60000.0 / setup.protocol.cycle_ms, 1),
    }
    series: list[Row] = [
        {
            "participant_id": person.participant_id,
            "series_uid": s.header.series_uid,
            "kind": str(s.header.kind),
            "view": str(s.view or ""),
            "slices": len(s.planes),
            "frames": s.protocol.n_frames,
            "description": s.header.description,
        }
        for s in plan_series(setup)
    ]
    points: list[Row] = [
        {"participant_id": person.participant_id, "landmark": mark.name, "moment": mark.moment}
        | {f"{axis}_mm": round(value, 2) for axis, value in zip("xyz", mark.point_mm, strict=True)}
        for mark in setup.landmarks
    ]
    truth = truth_row(person) | gating
    return dict(zip(_TABLES, ([truth], series, points, [clinical_row(person)]), strict=True))


def _in_order(
    task: Callable[[int], tuple[Done, dict[str, list[Row]]]], participants: int, *, jobs: int
) -> Iterator[tuple[Done, dict[str, list[Row]]]]:
    """Results of `task(1..participants)` in order, at most a few of them waiting."""
    if jobs <= 1:
        yield from map(task, range(1, participants + 1))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[tuple[Done, dict[str, list[Row]]]]] = deque()
        try:
            for number in range(1, participants + 1):
                waiting.append(pool.submit(task, number))
                if len(waiting) >= 3 * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _prepare(out: Path, settings: Settings, *, force: bool) -> None:
    """Make or check the folder; removes half-written studies, and with `force` a cohort of other settings."""
    text = json.dumps(_settings_json(settings), indent=2) + "\n"
    known = out / _SETTINGS_NAME
    with output_errors(out):
        if out.exists() and not out.is_dir():
            raise OutputError(f"{out} is not a folder", hint="Give another folder.", code="not_a_folder")
        out.mkdir(parents=True, exist_ok=True)
        same = known.is_file() and known.read_text(encoding="utf-8") == text
        others = [p.name for p in out.iterdir() if p.name != LOCK_NAME]
        if others and not same:
            if not force:
                what = "a cohort of other settings" if known.is_file() else "other files"
                raise UsageError(
                    f"{out} holds {what}",
                    hint="Give an empty folder, or --force to write into this one.",
                    code="not_empty",
                )
            _remove_cohort(out)
        for part in out.glob(f"{_PART}*"):
            shutil.rmtree(part, ignore_errors=True)
    write_atomic(known, text)
    write_atomic(out / "README", readme())


def _settings_json(settings: Settings) -> dict[str, object]:
    return {
        "version": __version__,
        "seed": settings.seed,
        "small": settings.small,
        "views": [str(view) for view in settings.views],
        "frames": settings.frames,
        "labels": settings.labels,
    }


def _remove_cohort(out: Path) -> None:
    """Remove what an earlier simulation wrote; files of others stay."""
    for path in out.iterdir():
        if path.name == LOCK_NAME:
            continue
        if path.is_dir() and (path.name == _LABELS_NAME or path.name.removeprefix(_PART).startswith("SIM")):
            shutil.rmtree(path)
        elif path.name in _OURS and path.is_file():
            path.unlink()


def _trim_tables(out: Path) -> int:
    """Cut every table back to the participants whose rows are surely whole in all of them; the first one to append."""
    last = min((_last_participant(out / name) for name in _TABLES), default=0)
    first = max(last, 1)  # the last one's rows may be incomplete: written again
    for name in _TABLES:
        path = out / name
        if path.is_file():
            kept = path.with_name(f".{name}.part")
            with output_errors(path), path.open(encoding="utf-8", newline="") as old, kept.open("w", newline="") as new:
                new.writelines(line for line in old if _number(line) < first)
            with output_errors(path):
                kept.replace(path)
    return first


def _last_participant(path: Path) -> int:
    """Highest participant number of a table; 0 where there is none."""
    if not path.is_file():
        return 0
    with path.open(encoding="utf-8", newline="") as lines:
        return max((_number(line) for line in lines if line.endswith("\n")), default=0)


def _number(line: str) -> int:
    """Participant number of a table's line; 0 for its header."""
    digits = line.partition(",")[0].removeprefix("sub-SIM")
    return int(digits) if digits.isdigit() else 0


def _append(path: Path, rows: Sequence[Row]) -> None:
    """Append rows, with a header where the file is new."""
    text = io.StringIO()
    with output_errors(path):
        fresh = not path.exists() or path.stat().st_size == 0
        for row in rows:
            writer = csv.DictWriter(text, fieldnames=list(row), lineterminator="\n")
            if fresh:
                writer.writeheader()
                fresh = False
            writer.writerow(row)
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())
