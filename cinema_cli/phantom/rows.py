"""A made-up cohort without images: phenotypes and outcomes of many people in seconds, and the truth about them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli import __version__
from cinema_cli.domain.errors import UsageError
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.tables import to_csv, to_parquet
from cinema_cli.phantom import hazard
from cinema_cli.phantom.anatomy import Condition
from cinema_cli.phantom.cohort import GROUPS, SITES
from cinema_cli.phantom.hazard import Floats
from cinema_cli.phantom.population import GROUPS as RANGES

FILES = ("phenotypes.parquet", "phenotypes.csv", "outcomes.csv", "truth.json")
COLUMNS = tuple(p.name for p in PHENOTYPES if not p.name.endswith("_frame"))
_DECIMALS = 4  # of what is written
_FIRST_DAY = np.datetime64("2014-05-01")  # of imaging, and how many days it went on
_DAYS = 1800
_WALL_FACTOR = 1.45  # mass of a wall round a cavity: fitted to the hearts of `sample_heart`, within 6 %
_BULGE = 1.28  # how much heavier a hypertrophic septum makes it
_DENSITY_G_ML = 1.05
# Shares of people without a value: no stack for the RV, a mass that failed, an unknown size of the body, no answer
_MISSING = {"rv": 0.02, "mass": 0.005, "body": 0.004, "smoker": 0.01}


def simulate_rows(out: Path, *, n: int, seed: int, force: bool = False) -> bool:
    """Write `FILES` of `n` people into `out`; False where those of the same settings were there.

    The same seed and number give the same bytes. Raises UsageError where other files of these names are there and not
    `force`, OutputError where the disk refuses.
    """
    settings = {"version": __version__, "rows": n, "seed": seed}
    there = [name for name in FILES if (out / name).exists()]
    if len(there) == len(FILES) and _settings(out) == settings:
        return False
    if there and not force:
        raise UsageError(
            f"{out} holds other {', '.join(there)}",
            hint="Give an empty folder, or --force to replace them.",
            code="would_overwrite",
        )
    phenotypes, outcomes, truth = sample_rows(n, seed=seed)
    write_atomic(out / "phenotypes.parquet", to_parquet(phenotypes))
    write_atomic(out / "phenotypes.csv", to_csv(phenotypes))
    write_atomic(out / "outcomes.csv", to_csv(outcomes))
    write_atomic(out / "truth.json", json.dumps(settings | truth, indent=2) + "\n")
    return True


def _settings(out: Path) -> dict[str, object]:
    try:
        found = json.loads((out / "truth.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: found.get(name) for name in ("version", "rows", "seed")} if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """Everybody of a cohort, one entry of each array a person."""

    male: Floats  # 0 or 1
    age_years: Floats
    height_cm: Floats
    weight_kg: Floats
    smoker: Floats  # 0 never, 1 past, 2 current
    group: list[str]
    site: list[str]
    heart: dict[str, Floats]  # by name of the phenotype

    @property
    def risk(self) -> Floats:
        """Log hazard ratio of the event."""
        return hazard.log_hazard(
            age_years=self.age_years,
            male=self.male,
            lvef_pct=self.heart["lvef_pct"],
            lvmi_g_m2=self.heart["lvmi_g_m2"],
        )

    @property
    def risk_of_death(self) -> Floats:
        """Log hazard ratio of death of another cause."""
        return hazard.log_hazard_of_death(
            age_years=self.age_years, male=self.male, smoker=(self.smoker == 2.0).astype(np.float64)
        )


def sample_rows(n: int, *, seed: int) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, object]]:
    """Phenotypes and outcomes of `n` people, in the same order, and the truth about them."""
    rng = np.random.default_rng([seed, n])
    people = _sample_people(rng, n)
    ids = pl.Series("participant_id", [f"sub-SIM{number:04d}" for number in range(1, n + 1)])
    outcomes = _outcomes(rng, people, ids)
    lost = {name: pl.Series(rng.uniform(size=n) < share) for name, share in _MISSING.items()}
    columns = pl.DataFrame({name: people.heart[name] for name in COLUMNS}).with_columns(pl.all().round(_DECIMALS))
    phenotypes = pl.DataFrame(
        {"participant_id": ids, "age_years": people.age_years, "sex": outcomes["sex"]}
        | {"height_cm": people.height_cm, "weight_kg": people.weight_kg, "site": people.site}
    ).with_columns(columns)
    for name, of_whom in {"rv": "^rv.*$", "mass": "^lvm.*$", "body": "^height_cm|weight_kg|bsa_m2|.*_m2$"}.items():
        phenotypes = phenotypes.with_columns(pl.when(~lost[name]).then(pl.col(of_whom)).name.keep())
    outcomes = outcomes.with_columns(pl.when(~lost["smoker"]).then(pl.col("smoker")).name.keep())
    return phenotypes, outcomes, _truth(rng, people, outcomes)


def _sample_people(rng: np.random.Generator, n: int) -> _People:
    """Bodies as `cohort.sample_participant` draws them, hearts from the ranges of `population`."""
    male = (rng.uniform(size=n) < 0.5).astype(np.float64)
    height = np.clip(rng.normal(163.0 + 13.0 * male, 7.0), 145.0, 205.0).round(1)
    weight = (np.clip(rng.normal(26.5, 3.8, n), 18.0, 42.0) * (height / 100.0) ** 2).round(1)
    group = rng.integers(0, len(GROUPS), n)
    names = [str(GROUPS[k]) for k in group]
    bsa = np.sqrt(height * weight / 3600.0)
    return _People(
        male=male,
        age_years=rng.uniform(40.0, 80.0, n).round(1),
        height_cm=height,
        weight_kg=weight,
        smoker=rng.choice(3, n, p=(0.55, 0.33, 0.12)).astype(np.float64),
        group=names,
        site=[list(SITES)[k] for k in rng.integers(0, len(SITES), n)],
        heart=_sample_hearts(rng, np.array(names), bsa=bsa, size=bsa / 1.85 * (0.93 + 0.10 * male)),
    )


def _sample_hearts(
    rng: np.random.Generator, group: NDArray[np.str_], *, bsa: Floats, size: Floats
) -> dict[str, Floats]:
    """Phenotypes (each (n,)) of hearts of their groups; volumes grow with the body."""

    def drawn(quantity: str) -> Floats:
        low, high = np.zeros((2, len(group)))
        for condition, ranges in RANGES.items():
            low[group == str(condition)], high[group == str(condition)] = getattr(ranges, quantity)
        return rng.uniform(low, high)

    lvedv, rvedv = drawn("edv_ml") * size, drawn("rv_ml") * size
    lvef, rvef = drawn("ef_pct"), drawn("rvef_pct")
    wall = drawn("wall_mm") * np.where(group == str(Condition.HYPERTROPHIC), _BULGE, 1.0)
    shell = (np.cbrt(lvedv) + _WALL_FACTOR * wall / 10.0) ** 3 - lvedv
    heart = {
        "lvedv_ml": lvedv,
        "lvsv_ml": lvedv * lvef / 100.0,
        "lvef_pct": lvef,
        "lvm_g": _DENSITY_G_ML * shell * rng.normal(1.0, 0.06, len(group)),
        "rvedv_ml": rvedv,
        "rvsv_ml": rvedv * rvef / 100.0,
        "rvef_pct": rvef,
        "heart_rate_bpm": np.clip(rng.normal(66.0, 10.0, len(group)), 40.0, 115.0).round(),
        "bsa_m2": bsa,
    }
    heart |= {f"{side}esv_ml": heart[f"{side}edv_ml"] - heart[f"{side}sv_ml"] for side in ("lv", "rv")}
    heart["lvco_l_min"] = heart["lvsv_ml"] * heart["heart_rate_bpm"] / 1000.0
    indexed = {name: (name.replace("_ml", "i_ml"), "_m2") for name in heart if name.endswith("v_ml")}
    indexed |= {"lvm_g": ("lvmi_g", "_m2"), "lvco_l_min": ("lvci_l_min", "_m2")}
    return heart | {"".join(words): heart[name] / bsa for name, words in indexed.items()}


def _outcomes(rng: np.random.Generator, people: _People, ids: pl.Series) -> pl.DataFrame:
    """Times, events and covariates; durations, ages and dates say the same."""
    n = len(ids)
    until_event = hazard.years_until_event(rng, people.risk)
    until_death = hazard.years_until_death(rng, people.risk_of_death)
    until_censored = hazard.years_until_censored(rng, (n,))
    first = np.argmin([until_censored, until_event, until_death], axis=0)
    years = hazard.observed_years(np.min([until_censored, until_event, until_death], axis=0))
    day_in = _FIRST_DAY + rng.integers(0, _DAYS, n)
    return pl.DataFrame(
        {
            "participant_id": ids,
            "time_years": years,
            "event": (first == 1).astype(np.int64),
            "event_any": first,
            "age_in": people.age_years,
            "age_out": (people.age_years + years).round(3),
            "date_in": day_in,
            "date_out": day_in + np.maximum(np.round(years * 365.25), 1).astype(np.int64),
            "age_years": people.age_years,
            "sex": np.where(people.male == 1.0, "M", "F").tolist(),
            "site": people.site,
            "group": people.group,
            "smoker": [("never", "past", "current")[int(k)] for k in people.smoker],
            "height_cm": people.height_cm,
            "weight_kg": people.weight_kg,
        }
    )


def _truth(rng: np.random.Generator, people: _People, outcomes: pl.DataFrame) -> dict[str, object]:
    """What acts, how strongly, and how well the true score ranks people."""
    acts = {
        "age_years": hazard.HAZARD_PER_YEAR_OF_AGE,
        "sex=M": hazard.HAZARD_MALE,
        "lvef_pct": hazard.HAZARD_PER_LVEF_POINT,
        "lvmi_g_m2": hazard.HAZARD_PER_LVMI_G_M2,
    }
    on_death = {
        "age_years": hazard.DEATH_PER_YEAR_OF_AGE,
        "sex=M": hazard.DEATH_MALE,
        "smoker=current": hazard.DEATH_CURRENT_SMOKER,
    }
    concordance, error = hazard.true_concordance(rng, people.risk, people.risk_of_death)
    values = {"age_years": people.age_years, **{name: people.heart[name] for name in COLUMNS}}
    return {
        "log_hazard_ratio_per_unit": acts,
        "weibull": {"shape": hazard.WEIBULL_SHAPE, "scale_years": hazard.WEIBULL_SCALE_YEARS},
        "acts_not": [
            *(name for name in (*COLUMNS, "height_cm", "weight_kg") if name not in acts),
            *("site", "group", "smoker"),
        ],
        "acts_not_means": "not once age, sex, lvef_pct and lvmi_g_m2 are known; by itself what goes with them predicts",
        "log_hazard_ratio_of_death_per_unit": on_death,
        "standard_deviation": {name: round(float(np.std(column, ddof=1)), 6) for name, column in values.items()},
        "concordance_of_the_true_score": round(concordance, 6),
        "concordance_error": round(error, 6),
        "n_events": int((outcomes["event_any"] == 1).sum()),
        "n_deaths": int((outcomes["event_any"] == 2).sum()),
    }
