"""A made study with odd geometry, and a made result of it: what tests need that are about neither."""

import dataclasses

import numpy as np

from cinema_cli.domain.cine import Cine, CineStudy, StudyFacts, View
from cinema_cli.domain.moments import Moments
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import Check, CheckStatus, HeadUse, Measurement, StudyResult, VolumeCurves


def a_cine() -> Cine:
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


def a_study() -> CineStudy:
    """A study of that cine whose headers know the sex and nothing else."""
    return CineStudy("sub-0001", "ses-1", "1.2.840.1", {View.SAX: a_cine()}, facts=StudyFacts(sex="F"))


def a_result(study: CineStudy) -> StudyResult:
    """A result of a study: measured values count up from 100.5, the output is missing for a reason."""
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
