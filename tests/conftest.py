"""What the tests share: golden texts, and small studies and results with known numbers."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cinema_cli.domain.cine import Cine, CineStudy, StudyFacts, View
from cinema_cli.domain.moments import Moments
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import Check, CheckStatus, HeadUse, Measurement, StudyResult, VolumeCurves

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session", autouse=True)
def no_weights_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty store: which heads run must not depend on what was pulled here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CINEMA_WEIGHTS_DIR", str(tmp_path_factory.mktemp("no weights")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with tests/golden/<name>; `make golden` writes it anew for a reviewer to read."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("CINEMA_GOLDEN") == "write":
            path.write_text(text)
        assert text == path.read_text(), f"{path} differs: `make golden` rewrites it, then read the difference"

    return compare


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small networks on one thread: where the cores are busy, several wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def oblique_cine() -> Cine:
    """5 frames, 3 slices, 4 rows, 6 columns on a tilted grid with unequal spacing and a late first frame."""
    rng = np.random.default_rng(0)
    row = np.array([0.8, 0.6, 0.0])
    column = np.array([-0.36, 0.48, -0.8])
    origins = np.array([[-100.0, 20.0, 35.5] + 9.0 * i * np.cross(row, column) for i in range(3)])
    return Cine(
        view=View.SAX,
        pixels=rng.random((5, 3, 4, 6), dtype=np.float32),
        pixel_spacing_mm=(1.25, 1.5),
        slice_spacing_mm=9.0,
        thickness_mm=8.0,
        origins_mm=origins,
        row_direction=row,
        column_direction=column,
        times_ms=np.array([10.0, 45.0, 80.0, 115.0, 150.0]),
        cycle_ms=900.0,
        series_uids=("1.2.3",),
    )


@pytest.fixture
def study(oblique_cine: Cine) -> CineStudy:
    """A study of the oblique cine whose headers know the sex and nothing else."""
    return CineStudy("sub-0001", "ses-1", "1.2.840.1", {View.SAX: oblique_cine}, facts=StudyFacts(sex="F"))


@pytest.fixture
def result(study: CineStudy) -> StudyResult:
    """A result of that study: measured values count up from 100.5, the output is missing for a reason."""
    return a_result(study)


def a_result(study: CineStudy) -> StudyResult:
    """See `result`."""
    cine = study.cines[View.SAX]
    measured = [Measurement(p.name, 100.5 + i) for i, p in enumerate(PHENOTYPES)]
    measured = [Measurement(m.name, None, "no R-R interval") if m.name == "lvco_l_min" else m for m in measured]
    whole = {"ed_frame": 0.0, "es_frame": 3.0}
    measured = [dataclasses.replace(m, value=whole.get(m.name, m.value)) for m in measured]
    volumes = np.array([120.0, 90.0, 60.0, 50.0, 80.0])
    mask = np.zeros(cine.pixels.shape, dtype=np.uint8)
    mask[:, 1, 2, 3], mask[2, 0, 1, 5] = 3, 1
    return StudyResult(
        study.participant_id,
        study.session_id,
        study.study_uid,
        facts=study.facts,
        measurements=tuple(measured),
        checks=(
            Check("stack_gap", CheckStatus.PASS, "no gap"),
            Check("curve_shape", CheckStatus.FLAG, "two valleys", 2.0),
        ),
        curves=VolumeCurves(cine.times_ms, volumes, volumes + 10.0, volumes * 0 + 90.0, volumes),
        masks={View.SAX: mask},
        moments=Moments(View.SAX, 0, 3),
        heads=(HeadUse("starter_sax", "ab" * 32),),
        seconds={"segment": 1.25},
    )
