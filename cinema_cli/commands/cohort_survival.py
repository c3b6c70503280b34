"""The survival analysis that follows a cohort's report where the clinical file holds outcomes."""

import json
from pathlib import Path

from cinema_cli import __version__
from cinema_cli.analysis.survival.columns import outcome_columns
from cinema_cli.analysis.survival.reading import read_outcomes
from cinema_cli.analysis.survival.settings import SurvivalSettings
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.survival_asked import SurvivalJob
from cinema_cli.commands.survival_files import PLAN
from cinema_cli.commands.survival_run import Prepared, carry_out, prepare
from cinema_cli.domain.errors import CinemaError, fault_words
from cinema_cli.io.hashed import digest

FOLDER = "survival"  # in the output folder of the cohort


def cohort_survival(out: Path, clinical: Path, *, command: str, jobs: int, hash_key: bytes | None) -> None:
    """Analyse the cohort's phenotypes against the outcomes of the clinical file, into OUT/survival.

    Nothing happens where the file has no outcomes, or the analysis is there already. Where it cannot be done, one
    warning says why: the cohort itself is done.
    """
    try:
        columns = outcome_columns(read_outcomes(clinical))
        if columns is None:
            return
        settings = SurvivalSettings(jobs=jobs)
        job = SurvivalJob(out, clinical, out / FOLDER, columns, settings, hash_key=hash_key, command=command)
        ready = prepare(job)
        if not _is_current(job.out, ready):
            CONSOLE.info(f"survival: {carry_out(job, ready).report}")
    except CinemaError as error:  # its words may name people
        CONSOLE.warn("no survival analysis", aside=f": {error.message}{f' ({error.hint})' if error.hint else ''}")
    except Exception as error:
        CONSOLE.warn(f"no survival analysis: {fault_words(error)}")


def _is_current(out: Path, ready: Prepared) -> bool:
    """Whether the analysis in a folder was made of these files by this version."""
    try:
        run = json.loads((out / PLAN.run_name).read_text(encoding="utf-8"))
        made = [one["sha256"] for one in run["inputs"]]
        return bool(run["version"] == __version__ and made == [digest(path)[0] for path in ready.inputs])
    except (OSError, ValueError, LookupError, TypeError):
        return False
