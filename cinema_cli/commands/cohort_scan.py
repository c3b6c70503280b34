"""The scan of a run: the index of the cohort, what is said of it, and the studies that it holds."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from cinema_cli.commands.asked import Job
from cinema_cli.commands.job_words import lost_words, n_studies, some, tally, unused_words
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.progress import clock, counting
from cinema_cli.commands.scan import say_index, series_words
from cinema_cli.domain.errors import InputError
from cinema_cli.inference.plan import Opened, StudyInput
from cinema_cli.io.facts import to_facts
from cinema_cli.io.identity import without_links
from cinema_cli.io.index import CohortIndex, StudyKey, of_study, plan_of, scan, studies
from cinema_cli.io.index_rows import KEY_SCHEMA
from cinema_cli.io.names import printable
from cinema_cli.io.problems import problem_words
from cinema_cli.io.study import read_study
from cinema_cli.io.tables import read_series, to_csv, write_notes, write_series


def scan_cohort(job: Job, *, hash_key: bytes | None, meanwhile: Callable[[], object] = tuple) -> CohortIndex:
    """Index the cohort with progress; `meanwhile` is called again and again, and may raise what ends the run.

    Raises InputError where there is no DICOM.
    """
    began = time.perf_counter()
    options = {**job.scan, "hash_key": hash_key}
    with counting(CONSOLE, "files", total=None) as counter:

        def follow(what: str, done: int, total: int) -> None:
            counter.follow(what, done, total)
            meanwhile()

        index = scan(job.cohort, **options, progress=follow)
    say_index(index)
    CONSOLE.info(
        f"scanned {index.n_files} files in {clock(time.perf_counter() - began)}: {n_studies(len(studies(index)))}, "
        f"{series_words(index.series, why='see series.csv')}"
    )
    if index.unused_overrides:
        CONSOLE.warn(unused_words(len(index.unused_overrides)), aside=f" ({some(index.unused_overrides)})")
    if words := problem_words(index.problems):
        CONSOLE.warn(f"{', '.join(words)}: `cinema scan` names them")
    if index.lost_folders:
        shown = f" ({some(index.lost_folders)})" if hash_key is None else ""
        CONSOLE.warn(f"{lost_words(len(index.lost_folders))}: `cinema scan` names them", aside=shown)
    return index


def scan_facts(job: Job, index: CohortIndex) -> dict[str, Any]:
    """What run.json says of the input; where ids are hashed, not what its folder is called."""
    return {
        "command": job.command,
        "cohort": "" if job.scan["hash_key"] else printable(job.cohort.resolve().name),
        "n_files": index.n_files,
        "problems": tally(index.problems["code"].to_list()),
        "n_lost_folders": len(index.lost_folders),
        "notes": tally(index.notes["code"].to_list()),
    }


def inputs(job: Job, index: CohortIndex, digests: Mapping[StudyKey, str]) -> tuple[StudyInput, ...]:
    """The studies that the job is about; raises InputError for a participant that is not there."""
    keys, wanted = studies(index), job.participants
    if missing := wanted - {k.participant_id for k in keys}:
        raise InputError(
            f"no participant {', '.join(sorted(missing))} in the cohort",
            hint="`cinema scan COHORT` lists the participants.",
            code="no_participant",
        )
    chosen = [k for k in keys if not wanted or k.participant_id in wanted]
    chosen = [k for k in chosen if job.shard is None or job.shard.has(k.participant_id)]
    sizes = _sizes(index)
    return tuple(_input(index, key, digests[key], *sizes.get(key, (0, 0))) for key in chosen)


def _input(index: CohortIndex, key: StudyKey, digest: str, n_images: int, n_bytes: int) -> StudyInput:
    facts = to_facts(of_study(index, "facts", key).row(0, named=True))
    opened = partial(_opened, index, key)
    return StudyInput(key.participant_id, key.session_id, digest, opened, facts, n_images=n_images, n_bytes=n_bytes)


def _sizes(index: CohortIndex) -> dict[StudyKey, tuple[int, int]]:
    """Images of each study, all views together, and the memory that their pixels take as float32."""
    n_images = pl.col("times_ms").list.len() * pl.col("origins_mm").list.len() // 3
    pixels = n_images.cast(pl.Int64) * pl.col("rows") * pl.col("columns")
    table = index.stacks.group_by(*KEY_SCHEMA).agg(n_images=n_images.sum(), n_bytes=(4 * pixels).sum())
    return {StudyKey(*row[:3]): row[3:] for row in table.select(*KEY_SCHEMA, "n_images", "n_bytes").iter_rows()}


def _opened(index: CohortIndex, key: StudyKey) -> Opened:
    plan = plan_of(index, key)
    return Opened(partial(read_study, plan), plan.series)


def write_scan(out: Path, index: CohortIndex, *, hash_key: bytes | None) -> bool:
    """Write what the scan found, before any study is done; whether that is new."""
    series = without_links(index.series, hash_key=hash_key)
    known = (out / "series.parquet").is_file() and read_series(out).equals(series)
    if known and _text(out / "notes.csv") == to_csv(index.notes):
        return False
    write_series(out, series)
    write_notes(out, index.notes)
    return True


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
