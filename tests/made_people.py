"""A made output folder of `cinema analyse`: tables of people some of whose studies failed, with planted gaps."""

from pathlib import Path

import numpy as np
import polars as pl

from cinema_cli.analysis.evaluation.table import PROBABILITY, Compared, Kind, Note, evaluation_table
from cinema_cli.io.record_rows import PHENOTYPE_SCHEMA

N = 240


def a_folder(out: Path, *, n: int = N, evaluated: bool = True) -> Path:
    """Studies of `n` people: more fail in site `south`, more are flagged in women, whose LVEF and Dice are less right.

    people.csv has ethnicity and site; outcomes.csv the time to an event that goes with LVEF.
    """
    rng = np.random.default_rng(3)
    sex, south = rng.integers(0, 2, n), rng.uniform(size=n) < 0.4
    age = rng.uniform(41.0, 79.0, n).round(1)
    done = rng.uniform(size=n) > np.where(south, 0.3, 0.05)
    ef = rng.normal(58.0, 8.0, n)
    ids = [f"sub-{k:04d}" for k in range(n)]
    status = np.where(done, "done", "failed")
    flag = np.where(rng.uniform(size=n) < np.where(sex == 0, 0.3, 0.1), "flag", "pass")
    out.mkdir(parents=True, exist_ok=True)
    cells = {
        "participant_id": ids,
        "session_id": ["ses-1"] * n,
        "status": status.tolist(),
        "sex": ["FM"[k] for k in sex],
        "age_years": age,
        "height_cm": rng.normal(170.0, 8.0, n).round(1),
        "weight_kg": rng.normal(75.0, 10.0, n).round(1),
        "vendor": rng.choice(["GE", "Siemens"], n).tolist(),
        "lvef_pct": np.where(done, ef.round(3), np.nan),
        "lvm_g": np.where(done, rng.normal(100.0, 20.0, n).round(3), np.nan),
        "qc_lvef_plausible": [f if d else None for f, d in zip(flag.tolist(), done.tolist(), strict=True)],
        "qc_enough_slices": ["pass" if d else None for d in done.tolist()],
    }
    table = pl.DataFrame(cells).with_columns(pl.col(pl.Float64).fill_nan(None))
    missing = [pl.lit(None).cast(kind).alias(name) for name, kind in PHENOTYPE_SCHEMA.items() if name not in cells]
    table.with_columns(missing).select(*PHENOTYPE_SCHEMA).write_parquet(out / "phenotypes.parquet")
    apart = rng.gamma(2.0, 0.02 + 0.02 * (sex == 1))
    pl.DataFrame(
        {"participant_id": ids, "session_id": ["ses-1"] * n, "view": ["sax"] * n, "frame": [0] * n}
        | {"head_disagreement": apart, "other_point_disagreement_mm": apart}
    ).write_parquet(out / "predictions.parquet")
    ethnicity = np.where(np.arange(n) < 6, "rare", np.where(rng.uniform(size=n) < 0.3, "b", "a"))
    pl.DataFrame(
        {
            "participant_id": [i.removeprefix("sub-") for i in ids],
            "ethnicity": ethnicity,
            "site": np.where(south, "south", "north"),
        }
    ).write_csv(out / "people.csv")
    time = rng.exponential(8.0 * np.exp((ef - 58.0) / 12.0))
    pl.DataFrame(
        {"participant_id": ids, "time_years": np.minimum(time, 6.0).round(3) + 0.001, "event": (time < 6.0).astype(int)}
    ).write_csv(out / "outcomes.csv")
    if evaluated:
        folder = out / "evaluation" / "individual"
        folder.mkdir(parents=True, exist_ok=True)
        an_evaluation(ids, sex, done, rng).write_parquet(folder / "evaluation.parquet")
    return out


def an_evaluation(ids: list[str], sex: np.ndarray, done: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """Masks, LVEF and a class for most: half of the women have no reference."""
    rows: list[Compared] = []
    for k, name in enumerate(ids):
        if sex[k] == 0 and k % 2:
            rows.append(Compared(name, Kind.MASK, "lv", "dice", "1", note=Note.NO_REFERENCE))
            continue
        if not done[k]:
            rows.append(Compared(name, Kind.MASK, "lv", "dice", "1", note=Note.NO_PREDICTION))
            continue
        dice, error = 0.92 - 0.03 * (sex[k] == 0) + rng.normal(0, 0.02), rng.normal(0, 3.0 + 3.0 * (sex[k] == 0))
        for frame in ("ed", "es"):
            rows.append(Compared(name, Kind.MASK, "lv", "dice", "1", frame=frame, value=dice))
            rows.append(
                Compared(name, Kind.MASK, "lv", "volume_ml", "1", frame=frame, prediction=100.0, reference=96.0)
            )
        rows.append(
            Compared(name, Kind.VALUE, "lvef_pct", "value", "1", value=error, prediction=55 + error, reference=55.0)
        )
        ill, said = bool(k % 3 == 0), rng.uniform()
        said = min(1.0, said + 0.3 * ill)
        labels = {"prediction_label": "ill" if said > 0.5 else "well", "reference_label": "ill" if ill else "well"}
        rows.append(Compared(name, Kind.CLASS, "head", "class", "1", value=1.0, **labels))
        rows.append(Compared(name, Kind.CLASS, "head", f"{PROBABILITY}ill", "1", prediction=said, reference=float(ill)))
        rows.append(Compared(name, Kind.LANDMARK, "apex", "distance_mm", "1", value=float(rng.gamma(4.0))))
    return evaluation_table(rows)
