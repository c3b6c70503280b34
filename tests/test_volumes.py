"""Formulas from masks to phenotypes, and their laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.domain.cine import StudyFacts
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import Measurement
from cinema_cli.domain.volumes import VentricularVolumes, body_surface_area_m2, measure


def masks_of(*, lv: tuple[int, int], rv: tuple[int, int], myo: tuple[int, int]) -> np.ndarray:
    """Two frames (ED, ES) with the given numbers of voxels of each label."""
    masks = np.zeros((2, 2, 40, 40), np.uint8)
    for frame in range(2):
        flat = masks[frame].reshape(-1)
        ends = np.cumsum([rv[frame], myo[frame], lv[frame]])
        flat[: ends[2]], flat[: ends[1]], flat[: ends[0]] = 3, 2, 1
    return masks


ADULT = StudyFacts(height_cm=180.0, weight_kg=80.0)


def sheet(
    masks: np.ndarray,
    *,
    voxel_ml: float = 0.1,
    ed_frame: int | None = 0,
    es_frame: int | None = 1,
    cycle_ms: float | None = 1000.0,
    facts: StudyFacts = ADULT,
) -> dict[str, Measurement]:
    found = measure(masks, voxel_ml=voxel_ml, ed_frame=ed_frame, es_frame=es_frame, cycle_ms=cycle_ms, facts=facts)
    assert [m.name for m in found] == [p.name for p in PHENOTYPES]
    assert all((m.value is None) == bool(m.reason) for m in found)
    return {m.name: m for m in found}


def test_every_formula_by_hand() -> None:
    values = {n: m.value for n, m in sheet(masks_of(lv=(1500, 600), rv=(800, 500), myo=(900, 850))).items()}
    assert values == pytest.approx(
        {
            "lvedv_ml": 150.0, "lvesv_ml": 60.0, "lvsv_ml": 90.0, "lvef_pct": 60.0, "lvm_g": 94.5,
            "rvedv_ml": 80.0, "rvesv_ml": 50.0, "rvsv_ml": 30.0, "rvef_pct": 37.5,
            "heart_rate_bpm": 60.0, "lvco_l_min": 5.4, "bsa_m2": 2.0,
            "lvedvi_ml_m2": 75.0, "lvesvi_ml_m2": 30.0, "lvsvi_ml_m2": 45.0, "lvmi_g_m2": 47.25,
            "lvci_l_min_m2": 2.7, "rvedvi_ml_m2": 40.0, "rvesvi_ml_m2": 25.0, "rvsvi_ml_m2": 15.0,
            "ed_frame": 0.0, "es_frame": 1.0,
        }
    )  # fmt: skip


def test_a_moment_that_no_frame_shows_has_no_numbers() -> None:
    masks = masks_of(lv=(1500, 600), rv=(800, 500), myo=(900, 850))
    only_ed, only_es, neither = (
        {n: m.value for n, m in sheet(masks, ed_frame=ed, es_frame=es).items() if m.value is not None}
        for ed, es in ((0, None), (None, 1), (None, None))
    )
    assert (only_ed["lvedv_ml"], only_ed["rvedv_ml"], only_ed["lvm_g"]) == pytest.approx((150.0, 80.0, 94.5))
    assert (only_es["lvesv_ml"], only_es["rvesv_ml"]) == pytest.approx((60.0, 50.0))
    apart = {"lvesv_ml", "lvef_pct", "rvef_pct", "lvsv_ml", "lvco_l_min", "es_frame"}
    assert not apart & only_ed.keys() and not {"lvedv_ml", "lvef_pct", "lvm_g", "lvmi_g_m2"} & only_es.keys()
    assert neither.keys() == {"heart_rate_bpm", "bsa_m2"}


def test_mosteller_published_example() -> None:
    # Mosteller 1987: square root of height (cm) x weight (kg) over 3600; 178 cm and 75 kg give 1.93 m2
    assert body_surface_area_m2(height_cm=178, weight_kg=75) == pytest.approx(1.926, abs=0.001)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 900), st.integers(0, 900), st.integers(0, 900), st.integers(0, 900), st.floats(0.001, 1))
def test_ef_is_within_limits_and_ignores_the_voxel(lv_ed: int, lv_es: int, rv_ed: int, rv_es: int, ml: float) -> None:
    masks = masks_of(lv=(lv_ed, lv_es), rv=(rv_ed, rv_es), myo=(50, 50))
    found, doubled = sheet(masks, voxel_ml=ml), sheet(masks, voxel_ml=2 * ml)
    for name in ("lvef_pct", "rvef_pct"):
        value = found[name].value
        assert value is None or 0 <= value <= 100
        assert doubled[name].value == pytest.approx(value)
    assert doubled["lvedv_ml"].value == pytest.approx(2 * (found["lvedv_ml"].value or 0))
    assert doubled["lvm_g"].value == pytest.approx(2 * (found["lvm_g"].value or 0))


@pytest.mark.parametrize(
    ("change", "name", "reason"),
    [
        ({"cycle_ms": None}, "lvco_l_min", "R-R interval"),
        ({"cycle_ms": 20.0}, "heart_rate_bpm", "not one heart beat"),
        ({"cycle_ms": 0.0}, "heart_rate_bpm", "not one heart beat"),
        ({"facts": StudyFacts(weight_kg=80.0)}, "lvedvi_ml_m2", "height unknown"),
        ({"facts": StudyFacts()}, "bsa_m2", "height and weight unknown"),
        ({"facts": StudyFacts(height_cm=1.8, weight_kg=80.0)}, "lvmi_g_m2", "outside"),
        ({"es_frame": 0}, "lvef_pct", "same frame"),
    ],
)
def test_a_missing_value_says_why(change: dict[str, object], name: str, reason: str) -> None:
    found = sheet(masks_of(lv=(500, 200), rv=(400, 200), myo=(300, 300)), **change)  # type: ignore[arg-type]
    assert found[name].value is None and reason in found[name].reason


def test_empty_chambers_and_a_growing_rv_have_reasons_not_nan() -> None:
    found = sheet(masks_of(lv=(500, 200), rv=(300, 400), myo=(0, 0)))
    assert found["rvedv_ml"].value == 30 and "larger" in found["rvef_pct"].reason
    assert found["lvm_g"].value is None and "no myocardium" in found["lvmi_g_m2"].reason
    assert "no RV" in sheet(masks_of(lv=(500, 200), rv=(0, 0), myo=(9, 9)))["rvsvi_ml_m2"].reason


def test_volumes_that_no_heart_has_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        VentricularVolumes(0.0, 0.0)
    with pytest.raises(ValueError, match="larger"):
        VentricularVolumes(100.0, 101.0)
