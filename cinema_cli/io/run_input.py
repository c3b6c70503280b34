"""What a run read, found again by its log: images for pictures, never for numbers."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from cinema_cli.domain.cine import Cine, View
from cinema_cli.domain.errors import InputError
from cinema_cli.io.cohort_index import CohortIndex, plan_of, studies
from cinema_cli.io.index import scan
from cinema_cli.io.index_store import index_folder
from cinema_cli.io.nifti_names import stem_of
from cinema_cli.io.study import read_study

MOST_FILES = 100_000  # of a cohort that is looked through again
_MASK = "_dseg"


@dataclass(frozen=True, slots=True, eq=False)
class RunInput:
    """The cohort of a run, and the options of its scan."""

    cohort: Path
    settings: Mapping[str, Any]


def run_input(out: Path) -> RunInput:
    """The input of the latest run in an output folder.

    Raises InputError, in words for a reader: nobody says where it was, it is not there now, or it is too large to be
    looked through for a few pictures.
    """
    for log in sorted(out.glob("logs/*/config.toml"), reverse=True):
        try:
            settings = tomllib.loads(log.read_text(encoding="utf-8"))
            n_files = json.loads(log.with_name("run.json").read_text(encoding="utf-8"))["n_files"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if not isinstance(settings.get("cohort"), str):
            continue
        cohort = Path(settings["cohort"])
        if not cohort.is_dir():
            raise InputError("the input of the run is no longer where it was")
        if n_files > MOST_FILES:
            raise InputError(f"the input of the run has more than {MOST_FILES:,} files, which are not searched again")
        return RunInput(cohort, settings)
    raise InputError("the logs of the run do not say where its input is")


def nifti_of(run: RunInput, mask: Path) -> Path | None:
    """The NIfTI file that `NAME_dseg.nii.gz` is the mask of; None where there is not exactly one."""
    name = stem_of(mask.name).removesuffix(_MASK)
    found = [path for path in run.cohort.rglob("*.nii*") if stem_of(path.name) == name]
    return found[0] if len(found) == 1 else None


def index_of(run: RunInput) -> CohortIndex:
    """The cohort scanned again, by what the first scan kept. Raises InputError, ConfigError."""
    work, views = (run.settings.get(name) for name in ("work_dir", "views"))
    return scan(
        run.cohort,
        id_from=run.settings.get("id_from", "auto"),
        views_file=Path(views) if views else None,
        allow_missing_frames=int(run.settings.get("allow_missing_frames", 0)),
        index_dir=index_folder(run.cohort, work_dir=Path(work) if work else None),
    )


def cine_of(index: CohortIndex, participant_id: str, session_id: str) -> Cine:
    """The short-axis cine of a visit. Raises InputError where it has none, StudyError where it cannot be read."""
    for key in studies(index):
        if (key.participant_id, key.session_id) == (participant_id, session_id):
            plan = plan_of(index, key)
            stacks = plan.stacks.filter(pl.col("view") == View.SAX)
            if stacks.height:
                return read_study(replace(plan, stacks=stacks)).cines[View.SAX]
    raise InputError("the input of the run has no short-axis cine of this visit")
