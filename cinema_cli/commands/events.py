"""What happens in a run, by name: the `event` of a line in JSON logs (docs/logs.md says what each holds)."""

from enum import StrEnum


class Level(StrEnum):
    """Weight of a message."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Event(StrEnum):
    """Names that programs may rely on."""

    RUN_STARTED = "run_started"
    RUN_ENDED = "run_ended"
    PROGRESS = "progress"
    STUDY_STARTED = "study_started"
    STUDY_DONE = "study_done"
    STUDY_FAILED = "study_failed"
    WORKER_DIED = "worker_died"
    BATCH_HALVED = "batch_halved"
    DEVICE_RESTARTED = "device_restarted"

    @property
    def level(self) -> Level:
        """Studies one by one are details; what went wrong is said also with -q."""
        if self in (Event.STUDY_FAILED, Event.WORKER_DIED, Event.BATCH_HALVED, Event.DEVICE_RESTARTED):
            return Level.WARNING
        return Level.DEBUG if self in (Event.STUDY_STARTED, Event.STUDY_DONE) else Level.INFO
