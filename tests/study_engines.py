"""Engines for study processes, which must be able to import them: some do their work, some die of it."""

import ctypes
import os
import signal
import time
from dataclasses import dataclass, replace

from made_results import a_result, a_study

from cinema_cli.domain.cine import CineStudy
from cinema_cli.domain.errors import OutputError
from cinema_cli.domain.result import StudyResult
from cinema_cli.inference.remote import DeviceLostError
from cinema_cli.inference.study_work import At


def made_study(participant_id: str) -> CineStudy:
    """What is read of a participant."""
    return replace(a_study(), participant_id=participant_id)


@dataclass
class Fates:
    """An engine, and what makes it: what becomes of each participant."""

    fates: dict[str, str]

    def __call__(self) -> "Fates":
        """In the study process."""
        return self

    def analyse(self, study: CineStudy, *, at: At) -> StudyResult:
        """A made result, unless the study has another fate."""
        fate = self.fates.get(study.participant_id, "")
        at("segment")
        if fate == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if fate == "segfault":
            ctypes.string_at(0)
        if fate == "exit":
            os._exit(7)
        if fate == "full":
            raise OutputError("cannot write: No space left on device", code="full")
        if fate == "device":
            raise DeviceLostError
        if fate == "fault":
            raise KeyError("/data/Doe^John/x.dcm")
        if fate == "slow":
            time.sleep(600)  # longer than any test waits: only a signal ends it
        at("measure")
        return a_result(study)


class NoStart:
    """What makes no engine: the process ends before it is ready."""

    def __call__(self) -> Fates:
        """In the study process."""
        os._exit(7)
