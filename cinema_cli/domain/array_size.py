"""How a cohort is cut into the tasks of a job array: how many, and how long each may take."""

import math
from dataclasses import dataclass

from cinema_cli.domain.errors import InputError

START_HOURS = 0.25  # at least, for weights and the walk over the cohort's folders
WARM = 30.0  # times as fast as the first scan is one that finds its index
FULLEST = 4.0  # standard deviations: parts are dealt by a digest, so their sizes scatter like a Poisson variable
ASSUMED_STUDIES_PER_HOUR = 6.0  # one published head in float32 on two processors: 50 frames of 8 s, and a third more
FILES_A_STUDY, FILES_PER_SECOND = 700, 1000  # a UK Biobank visit; a busy network disk
MERGE_STUDIES_PER_HOUR = 100_000
LEAST_HOURS = 1.0  # of a scan or merge job


@dataclass(frozen=True, slots=True)
class ArraySize:
    """Tasks of an array, all alike, and time limits of the jobs round it in hours."""

    n_studies: int
    n_tasks: int
    studies_per_hour: float  # of one task
    hours_a_task: float  # the work of an average task
    limit_hours: float  # enough for the fullest part, with the margin
    scan_hours: float
    merge_hours: float

    @property
    def studies_a_task(self) -> int:
        """On average, rounded up."""
        return math.ceil(self.n_studies / self.n_tasks)


def size_array(
    n_studies: int, *, studies_per_hour: float, hours_per_task: float, max_tasks: int, margin: float
) -> ArraySize:
    """Cut `n_studies` into tasks of about `hours_per_task`; fewer and longer ones where only `max_tasks` may be.

    `studies_per_hour` is the speed of one task; `margin` multiplies its time limit. Raises InputError for no studies.
    """
    if n_studies < 1:
        raise InputError("the cohort has no studies", hint="`cinema scan COHORT` says why.", code="no_studies")
    n_tasks = min(math.ceil(n_studies / (studies_per_hour * hours_per_task)), max_tasks, n_studies)
    mean = n_studies / n_tasks
    fullest = min(mean + FULLEST * math.sqrt(mean), n_studies)
    scan_hours = max(LEAST_HOURS, n_studies * FILES_A_STUDY / FILES_PER_SECOND / 3600)
    return ArraySize(
        n_studies=n_studies,
        n_tasks=n_tasks,
        studies_per_hour=studies_per_hour,
        hours_a_task=mean / studies_per_hour,
        limit_hours=max(START_HOURS, scan_hours / WARM) + margin * fullest / studies_per_hour,
        scan_hours=scan_hours,
        merge_hours=max(LEAST_HOURS, n_studies / MERGE_STUDIES_PER_HOUR),
    )
