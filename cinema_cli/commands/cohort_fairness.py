"""The audit of fairness that may follow a cohort's report, by what its tables and the clinical file say of people."""

from pathlib import Path

from cinema_cli.analysis.fairness.settings import FairnessSettings
from cinema_cli.commands.fairness_asked import FOLDER, FairnessJob
from cinema_cli.commands.fairness_run import carry_out, prepare
from cinema_cli.commands.options import CONSOLE
from cinema_cli.domain.errors import CinemaError, fault_words


def cohort_fairness(out: Path, clinical: Path | None, *, command: str, jobs: int, hash_key: bytes | None) -> None:
    """Compare who is lost and flagged between the usual groups of a cohort, into OUT/fairness.

    Where it cannot be done, one warning says why: the cohort itself is done.
    """
    try:
        job = FairnessJob(
            out, out / FOLDER, FairnessSettings(jobs=jobs), people=clinical, command=command, hash_key=hash_key
        )
        CONSOLE.info(f"fairness: {carry_out(job, prepare(job)).report}")
    except CinemaError as error:  # its words may name people
        CONSOLE.warn("no audit of fairness", aside=f": {error.message}{f' ({error.hint})' if error.hint else ''}")
    except Exception as error:
        CONSOLE.warn(f"no audit of fairness: {fault_words(error)}")
