"""A whole made-up cohort on disk: study by study, tables row by row, resumable, the same bytes for a seed."""

import csv
import io
import json
import os
import re
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
_TABLES = ("truth.csv", "series.csv", "landmarks.csv", "clinical.csv")
_OURS = {*_TABLES, _SETTINGS_NAME, _LABELS_NAME, "README"}
_STUDY = re.compile(r"SIM(\d{4,})")
_PART = re.compile(r"\.part-SIM\d{4,}-\d+")
_LABEL = re.compile(r"sub-SIM(\d{4,})_\w+_dseg\.nii\.gz")


@dataclass(frozen=True, slots=True)
class Done:
    """One participant is on disk. `kept`: the study was there already."""

    patient_id: str
    kept: bool


def simulate_cohort(
    out: Path, settings: Settings, *, participants: int, jobs: int = 1, force: bool = False
) -> Iterator[Done]:
    """Write a cohort into `out`, participant by participant; goes on where an earlier run of the same settings stopped.

    The cohort has exactly that many participants. A folder that holds more of them, a cohort of other settings or files
    of others is refused (UsageError) unless `force`, which removes what a simulation wrote there and is not asked for;
    files of others stay, and where one would be overwritten the folder is refused all the same. Raises OutputError
    where it cannot be written.
    """
    if participants < 1:
        raise UsageError(f"{participants} participants", hint="Ask for at least one.", code="participants")
    _prepare(out, settings, participants=participants, force=force)
    first = _trim_tables(out, participants=participants)
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
        part = out / f".part-{setup.person.patient_id}-{os.getpid()}"
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


def _prepare(out: Path, settings: Settings, *, participants: int, force: bool) -> None:
    """Make or check the folder; removes half-written studies, and with `force` what is not asked for."""
    wanted = _settings_json(settings)
    with output_errors(out):
        if out.exists() and not out.is_dir():
            raise OutputError(f"{out} is not a folder", hint="Give another folder.", code="not_a_folder")
        out.mkdir(parents=True, exist_ok=True)
        found = _read_settings(out)
        if found is None or found.keys() != wanted.keys():
            _check_others(out, force=force)
        elif found != wanted:
            if not force:
                raise UsageError(
                    f"{out} holds a cohort of other settings",
                    hint="Give an empty folder, or --force to replace that cohort.",
                    code="not_empty",
                )
            _remove_studies(out, above=0)
            for name in _TABLES:
                (out / name).unlink(missing_ok=True)
        else:
            present = max((number for number, _ in _studies(out)), default=0)
            if present > participants and not force:
                raise UsageError(
                    f"{out} holds {present} participants, more than the {participants} asked for",
                    hint=f"Ask for {present}, give another folder, or --force to remove the others.",
                    code="fewer_participants",
                )
            _remove_studies(out, above=participants)
        for part in out.iterdir():
            if _PART.fullmatch(part.name):
                shutil.rmtree(part, ignore_errors=True)
    write_atomic(out / _SETTINGS_NAME, json.dumps(wanted, indent=2) + "\n")
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


def _read_settings(out: Path) -> dict[str, object] | None:
    """What the settings file in `out` says; None where there is none or it is no table."""
    path = out / _SETTINGS_NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _check_others(out: Path, *, force: bool) -> None:
    """Raise UsageError where a cohort would overwrite files of others, and unless `force` where there are any."""
    names = sorted(path.name for path in out.iterdir() if path.name != LOCK_NAME)
    if taken := [name for name in names if name in _OURS or _STUDY.fullmatch(name)]:
        raise UsageError(
            f"{out} holds files of others that a cohort would overwrite: {', '.join(taken[:5])}",
            hint="Move them, or give another folder.",
            code="would_overwrite",
        )
    if names and not force:
        raise UsageError(
            f"{out} holds other files", hint="Give an empty folder, or --force to write beside them.", code="not_empty"
        )


def _studies(out: Path) -> list[tuple[int, Path]]:
    """Number and folder of every participant on disk."""
    return [(int(m[1]), path) for path in out.iterdir() if path.is_dir() and (m := _STUDY.fullmatch(path.name))]


def _remove_studies(out: Path, *, above: int) -> None:
    """Remove the studies and labels of participants with a number above `above`."""
    for number, folder in _studies(out):
        if number > above:
            shutil.rmtree(folder)
    labels = out / _LABELS_NAME
    for path in labels.glob("*"):
        if (m := _LABEL.fullmatch(path.name)) and int(m[1]) > above:
            path.unlink()
    if labels.is_dir() and not any(labels.iterdir()):
        labels.rmdir()


def _trim_tables(out: Path, *, participants: int) -> int:
    """Cut every table back to the asked participants whose rows are surely whole in all; the first one to append."""
    last = min((_last_participant(out / name) for name in _TABLES), default=0)
    first = max(min(last, participants), 1)  # the last one's rows may be incomplete: written again
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
