"""A made table of estimates with every kind of row, plausible and from a seed; no statistics is done for it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.reports.survival import InputFile, SurvivalFacts

KNOWN = ("lvef_pct", "lvedv_ml", "lvm_g", "rvef_pct", "lvesv_ml", "lvsv_ml", "rvedv_ml", "rvesv_ml", "mapse_mm")
COVARIATES = ("age_years", "sex=M", "sbp_mmhg", "diabetes")
UNITS = {"age_years": "unit", "sex=M": "M against F", "sbp_mmhg": "unit", "diabetes": "unit"}
HORIZON = 10.0
TIMES = np.round(np.linspace(0, 12, 49), 2)
GRID = np.linspace(-2, 2, 41)
QUARTERS = ("up to 50 ml", "50 to 60 ml", "60 to 71 ml", "above 71 ml")
STRANGE = "<script>alert('x')</script> $a$ & \"b\""


@dataclass(frozen=True, slots=True)
class Made:
    """What a made table holds."""

    phenotypes: int = 5
    groups: tuple[str, ...] = ("F", "M")
    competing: bool = True
    suppressed: bool = True
    column: str = "sex"
    n: int = 4812
    events: int = 391
    seed: int = 5

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the phenotypes: known ones, then a user's own."""
        return (*KNOWN, *(f"my_strain_{k}" for k in range(99)))[: self.phenotypes]


def made_facts(made: Made = Made(), **changes: object) -> SurvivalFacts:
    """Facts that go with the table."""
    facts: dict[str, object] = {
        "version": "9.9.9",
        "outcome": "hf_event",
        "outcome_words": "heart failure",
        "cohort_name": "Disks",
        "horizon": HORIZON,
        "phenotypes": made.names,
        "covariates": ("age_years", "sex", "sbp_mmhg", "diabetes"),
        "groups": (made.column,) if made.groups else (),
        "cluster": "centre",
        "competing": "death" if made.competing else "",
        "suppressed": made.suppressed,
        "seed": 7,
        "n_resamples": 40,
        "command": "cinema survival phenotypes.parquet --outcomes outcomes.csv --out survival",
        "started": "2026-01-02 03:04 UTC",
        "finished": "2026-01-02 03:05 UTC",
        "versions": (("python", "3.11.2"), ("numpy", "2.1.0"), ("lifelines", "0.30.3")),
        "inputs": (InputFile("phenotypes.parquet", "ab12" * 16), InputFile("outcomes.csv", "cd34" * 16)),
        "options": (("Ties", "Efron"), ("Minimum cell", "10")),
    }
    return SurvivalFacts(**(facts | changes))  # type: ignore[arg-type]


def made_estimates(made: Made = Made()) -> pl.DataFrame:
    """The table."""
    return table_of(
        [*_people(made), *_table_one(made), *_curves(made), *_cox(made), *_checks(made), *_prediction(made)]
    )


def no_events(made: Made = Made()) -> pl.DataFrame:
    """The table of a cohort in which nothing happened."""
    rows = [r for r in _people(made) if r.analysis in {"flow", "follow_up", "person_time"}]
    rows += [
        Estimate(
            "rate",
            "hf_event",
            group=g,
            n=round(made.n * share),
            events=0,
            estimate=0,
            lower=0,
            upper=0.09,
            unit="per 1,000 person-years",
        )
        for g, share in _groups(made)
    ]
    rows += _table_one(made)
    rows += [
        Estimate("not_estimable", "hf_event", "adjusted", p, level="no events: no hazard ratio is estimable")
        for p in made.names
    ]
    return table_of(rows)


def _groups(made: Made) -> list[tuple[str, float]]:
    """Everyone and each group with its share."""
    shares = np.linspace(1.2, 0.8, max(len(made.groups), 1)) / max(len(made.groups), 1)
    return [("", 1.0), *((f"{made.column}={g}", float(s)) for g, s in zip(made.groups, shares, strict=False))]


def _people(made: Made) -> Iterator[Estimate]:
    few = made.suppressed
    yield Estimate("flow", term="rows of the phenotype table", level="kept", n=made.n + 211)
    yield Estimate("flow", term="no row among the outcomes", level="left out", n=178)
    yield Estimate("flow", term="event before imaging", level="left out", n=None if few else 4, suppressed=few)
    yield Estimate("flow", term="in both tables", level="kept", n=made.n + 29)
    yield Estimate("flow", term="sbp_mmhg missing", level="left out", n=29)
    yield Estimate("flow", term="analysed", level="kept", n=made.n)
    for term, value in (("median", 9.4), ("q1", 7.2), ("q3", 11.0)):
        yield Estimate("follow_up", term=term, estimate=value, unit="years")
    for group, share in _groups(made):
        years, events = made.n * share * 8.9, round(made.events * share)
        yield Estimate("person_time", group=group, estimate=years, unit="years")
        rate = 1000 * events / years
        half = 1.96 * rate / events**0.5
        limits = {"lower": rate - half, "upper": rate + half, "unit": "per 1,000 person-years"}
        yield Estimate("rate", "hf_event", group=group, n=round(made.n * share), events=events, estimate=rate, **limits)
        if made.competing:
            deaths = {"events": 2 * events, "estimate": 2 * rate, "unit": "per 1,000 person-years"}
            yield Estimate("rate", "death", group=group, n=round(made.n * share), **deaths)


def _table_one(made: Made) -> Iterator[Estimate]:
    rng = np.random.default_rng(made.seed)
    for k, (group, share) in enumerate(_groups(made)):
        n = round(made.n * share)
        yield Estimate("table_one", model="count", group=group, n=n, estimate=n)
        for term, mean, sd in (("age_years", 63.1, 7.6), *((p, 20.0 + 9 * i, 8.0) for i, p in enumerate(made.names))):
            at = mean + float(rng.normal()) * 0.1 * sd
            for model, value in (
                ("mean", at),
                ("sd", sd),
                ("median", at),
                ("q1", at - 0.7 * sd),
                ("q3", at + 0.7 * sd),
            ):
                yield Estimate("table_one", term=term, group=group, model=model, estimate=value)
        small = made.suppressed and k == len(made.groups)
        for level, part in (("yes", 0.05), ("no", 0.95)):
            hidden = {"suppressed": small}
            yield Estimate(
                "table_one",
                "",
                "count",
                "diabetes",
                group,
                level,
                estimate=None if small else round(n * part),
                **hidden,
            )
            yield Estimate(
                "table_one", "", "percent", "diabetes", group, level, estimate=None if small else 100 * part, **hidden
            )
        yield Estimate("table_one", "", "missing", "sbp_mmhg", group, estimate=29 if not group else 14)
        yield Estimate("table_one", "", "missing_percent", "sbp_mmhg", group, estimate=0.6)
    if made.groups:
        for term in ("age_years", *made.names, "diabetes"):
            yield Estimate("table_one", "", "smd", term, made.column, estimate=abs(float(rng.normal())) * 0.2)


def _falling(made: Made, hazard: float, n: int, **words: str) -> Iterator[Estimate]:
    """An exponential curve at TIMES, cut where fewer than ten are at risk."""
    for time in TIMES:
        left = int(n * np.exp(-hazard * time) * (1 - (time / 12.3) ** 4))
        if left < 10 and made.suppressed:
            return
        alive, se = float(np.exp(-hazard * time)), 0.6 * float(np.sqrt(hazard * time / max(n, 1)))
        limits = {"lower": max(alive - 1.96 * se, 0.0), "upper": min(alive + 1.96 * se, 1.0), "se": se}
        yield Estimate(
            "kaplan_meier",
            "hf_event",
            level=f"{time:g}",
            n=left,
            events=int(n * (1 - alive)),
            estimate=alive,
            **words,
            **limits,
        )


def _families(made: Made) -> Iterator[tuple[str, str, str, float, int]]:
    """(model, term, group, hazard, n) of every curve."""
    yield "overall", "", "", 0.0091, made.n
    for k, g in enumerate(made.groups):
        yield "group", made.column, f"{made.column}={g}", 0.007 + 0.004 * k, made.n // len(made.groups)
    for i, p in enumerate(made.names):
        for quarter in range(len(QUARTERS)):
            slope = 0.5 - 0.09 * i
            yield "quantile", p, f"Q{quarter + 1}", 0.009 * float(np.exp(slope * (1.5 - quarter))), made.n // 4


def _curves(made: Made) -> Iterator[Estimate]:
    for model, term, group, hazard, n in _families(made):
        words = {"model": model, "term": term, "group": group}
        values = {"unit": QUARTERS[int(group[1:]) - 1]} if model == "quantile" else {}
        yield from _falling(made, hazard, n, **words, **values)
        mean = float((1 - np.exp(-hazard * HORIZON)) / hazard)
        limits = {"lower": mean - 0.05, "upper": mean + 0.05, "se": 0.025}
        yield Estimate("rmst", "hf_event", level="10", estimate=mean, unit="years", **words, **limits)
        reached = float(-np.log(0.95) / hazard)
        limits = {"lower": reached - 0.4, "upper": reached + 0.5} if reached < 12 else {}
        yield Estimate(
            "survival_quantile", "hf_event", level="0.05", estimate=reached if reached < 12 else None, **words, **limits
        )
        for cause, part in (("hf_event", 1.0), ("death", 1.6)) if made.competing else ():
            for time in TIMES[::2]:
                risk = float(1 - np.exp(-hazard * part * time))
                yield Estimate(
                    "cumulative_incidence", cause, level=f"{time:g}", n=int(n * (1 - (time / 12.3) ** 4)),
                    estimate=risk, lower=risk * 0.9, upper=risk * 1.1, **words, **values,
                )  # fmt: skip
    for term in (made.column,) * bool(made.groups):
        df = str(len(made.groups) - 1)
        yield Estimate("log_rank", "hf_event", "group", term, level=df, estimate=9.2, p=0.0024)
        if made.competing:
            yield Estimate("gray", "hf_event", "group", term, level=df, estimate=5.5, p=0.019)
    for i, p in enumerate(made.names):
        yield Estimate("log_rank", "hf_event", "quantile", p, level="3", estimate=60.0 / (i + 1), p=10.0 ** (-6 + i))


def _hazard(
    analysis: str, model: str, term: str, log_hr: float, se: float, n: int, events: int, **more: object
) -> Estimate:
    values = np.exp([log_hr, log_hr - 1.96 * se, log_hr + 1.96 * se])
    from math import erfc

    return Estimate(
        analysis, "hf_event", model, term, n=n, events=events, estimate=float(values[0]), lower=float(values[1]),
        upper=float(values[2]), se=se, p=erfc(abs(log_hr) / se / 2**0.5), **more,
    )  # type: ignore[arg-type]  # fmt: skip


def _cox(made: Made) -> Iterator[Estimate]:
    rng = np.random.default_rng(made.seed + 1)
    for i, p in enumerate(made.names):
        beta, unit = -0.5 + 0.11 * i, f"SD ({8.2 + i:.1f} {'%' if p.endswith('pct') else 'ml'})"
        numbers = (0.055, made.n - 3 * i, made.events)
        yield _hazard("cox", "unadjusted", p, beta * 1.25, *numbers, unit=unit, q=0.0004 + 0.02 * (i > 5))
        if i == 3:
            reason = f"{p} and a covariate are collinear: its hazard ratio is not estimable"
            yield Estimate("not_estimable", "hf_event", "adjusted", p, level=reason)
            continue
        yield _hazard("cox", "adjusted", p, beta, *numbers, unit=unit, q=0.001 * (i + 1) if i < 4 else 0.3 / i)
        for j, c in enumerate(COVARIATES):
            yield _hazard(
                "cox",
                "adjusted",
                c,
                (0.07, 0.4, 0.012, 0.6)[j],
                (0.01, 0.1, 0.004, 0.15)[j],
                *numbers[1:],
                unit=UNITS[c],
                group=p,
            )
        yield _hazard("cox", "age_scale", p, beta * 1.02, *numbers, unit=unit)
        if made.competing:
            yield _hazard("fine_gray", "adjusted", p, beta * 0.95, *numbers, unit=unit)
        yield Estimate("model_fit", "hf_event", "adjusted", "events_per_term", p, estimate=made.events / 5)
        kind = "wald" if i == 1 else "likelihood_ratio"  # one of each, so that both have their place
        yield Estimate(kind, "hf_event", "adjusted", p, p, level="1", estimate=40 / (i + 1), p=0.001 * (i + 1))
        c = 0.72 + 0.004 * float(rng.normal())
        yield Estimate(
            "concordance", "hf_event", "adjusted", group=p, level="apparent", estimate=c, lower=c - 0.02, upper=c + 0.02
        )
        yield Estimate("imputation", "hf_event", "adjusted", p, p, estimate=0.04)
        yield Estimate("e_value", "hf_event", "adjusted", p, estimate=2.1 + 0.1 * i, lower=1.7)
        yield Estimate("second_opinion", "hf_event", "adjusted", group=p, estimate=3e-7)
    for model, terms in (("clinical", COVARIATES), ("clinical_cmr", (*COVARIATES, *made.names))):
        for term in terms:
            yield _hazard(
                "cox",
                model,
                term,
                float(rng.normal()) * 0.2,
                0.06,
                made.n,
                made.events,
                unit=UNITS.get(term, "SD (8.2 ml)"),
            )
        yield Estimate("model_fit", "hf_event", model, "aic", estimate=6000.0 - 50 * (model != "clinical"))
        yield Estimate("model_fit", "hf_event", model, "loglik", estimate=-2996.0 + 30 * (model != "clinical"))
        yield Estimate("model_fit", "hf_event", model, "events_per_term", estimate=made.events / len(terms))


def _checks(made: Made) -> Iterator[Estimate]:
    for i, p in enumerate(made.names):
        if i == 3:
            continue
        for j, term in enumerate((p, *COVARIATES, "GLOBAL")):
            bad = (i == 1 and j == 0) or (j == 3 and i == 0)
            group, df = "" if term == p else p, "5" if term == "GLOBAL" else "1"
            chi = 8.1 if bad else 0.9 + 0.1 * j
            yield Estimate(
                "proportional_hazards", "hf_event", "adjusted", term, group, df,
                estimate=chi, p=0.0044 if bad else 0.31 + 0.1 * j,
            )  # fmt: skip
            if term == "GLOBAL" or j > 2:
                continue
            for time in np.linspace(0.3, 11.5, 30):
                beta = -0.4 + 0.05 * time * bad + 0.02 * np.sin(time)
                limits = {"lower": beta - 0.2 - 0.02 * time, "upper": beta + 0.2 + 0.02 * time}
                yield Estimate(
                    "schoenfeld", "hf_event", "adjusted", term, group, f"{time:.3f}", estimate=beta, **limits
                )
        for z in GRID:
            log_hr, half = -0.35 * z + 0.12 * z * z, 0.1 * abs(z) + 0.06 * z * z
            value, low, high = (float(v) for v in np.exp([log_hr, log_hr - half, log_hr + half]))
            yield Estimate(
                "spline", "hf_event", "adjusted", p, level=f"{60 + 8 * z:g}", estimate=value, lower=low, upper=high
            )
        yield Estimate("nonlinearity", "hf_event", "adjusted", p, level="2", estimate=9.0 / (i + 1), p=0.011 * (i + 1))


def _prediction(made: Made) -> Iterator[Estimate]:
    yield Estimate("likelihood_ratio", "hf_event", "clinical_cmr", level=str(made.phenotypes), estimate=61.3, p=1e-9)
    kinds, unseen = (("optimism-corrected", 0.985), ("apparent", 1.0)), "held-out"
    for model, gain in (("clinical", 0.0), ("clinical_cmr", 0.021)):
        for kind, factor in kinds:
            c = (0.712 + gain) * factor
            limits = {"lower": c - 0.024, "upper": c + 0.024, "se": 0.012, "n": made.n - 40, "events": made.events - 2}
            yield Estimate("concordance", "hf_event", model, level=kind, estimate=c, **limits)
            yield Estimate(
                "concordance_uno", "hf_event", model, level=kind, estimate=c - 0.01, lower=c - 0.04, upper=c + 0.02
            )
            for time in ("5", "10"):
                yield Estimate(
                    "auc", "hf_event", model, level=time, group=kind, estimate=c + 0.01, lower=c - 0.02, upper=c + 0.04
                )
                yield Estimate(
                    "brier",
                    "hf_event",
                    model,
                    level=time,
                    group=kind,
                    estimate=0.041 - gain / 20,
                    lower=0.036,
                    upper=0.046,
                )
                yield Estimate(
                    "ipa", "hf_event", model, level=time, group=kind, estimate=0.032 + gain, lower=0.01, upper=0.06
                )
            yield Estimate("brier_integrated", "hf_event", model, level="10", group=kind, estimate=0.026)
            kind = unseen if kind == "apparent" else kind
            yield Estimate(
                "observed_expected", "hf_event", model, level="10", group=kind, estimate=1.04, lower=0.93, upper=1.16
            )
            yield Estimate("calibration_slope", "hf_event", model, group=kind, estimate=factor, lower=0.85, upper=1.12)
        for tenth in range(10):
            risk = 0.008 + 0.0022 * tenth**1.9
            limits = {"lower": max(risk * 1.05 - 0.012, 0.0), "upper": risk * 1.05 + 0.014}
            row = {"n": made.n // 10, "events": int(made.n * risk / 10)}
            hidden = made.suppressed and tenth == 0
            values = {"suppressed": True} if hidden else {"estimate": risk * 1.05, **limits, **row}
            yield Estimate(
                "calibration", "hf_event", model, group=str(tenth + 1), level=f"{risk:.5f}", unit=unseen, **values
            )
        for risk in np.linspace(0.005, 0.15, 30):
            observed = risk * 1.06 - 0.3 * risk**2
            limits = {"lower": observed * 0.8, "upper": observed * 1.2}
            yield Estimate(
                "calibration_smooth", "hf_event", model, level=f"{risk:.4f}", unit=unseen, estimate=observed, **limits
            )
        yield Estimate("optimism", "hf_event", model, "c", estimate=0.0107, unit="40 resamples")
        yield Estimate("optimism", "hf_event", model, "auc", level="10.0", estimate=0.0111, unit="40 resamples")
    yield Estimate("brier", "hf_event", "null", level="10", group="apparent", estimate=0.0432, lower=0.038, upper=0.048)
    yield Estimate(
        "concordance_difference",
        "hf_event",
        "clinical_cmr",
        level="apparent",
        estimate=0.021,
        lower=0.006,
        upper=0.036,
        p=0.006,
    )
    for analysis, value in (("auc_difference", 0.021), ("brier_difference", -0.0011)):
        for time in ("5", "10"):
            limits = {"lower": value - 0.0105, "upper": value + 0.0105, "p": 0.0007}
            yield Estimate(analysis, "hf_event", "clinical_cmr", level=time, group="apparent", estimate=value, **limits)
    for threshold in np.linspace(0.005, 0.2, 40):
        odds = threshold / (1 - threshold)
        everyone = 0.085 - 0.915 * odds
        model = max(0.085 * np.exp(-9 * threshold) - 0.2 * odds * np.exp(-30 * threshold), 0.0)
        for name, value in (("clinical", model * 0.9), ("clinical_cmr", model), ("all", everyone), ("none", 0.0)):
            yield Estimate(
                "decision_curve", "hf_event", name, level=f"{threshold:.4f}", unit=unseen, estimate=float(value)
            )
    yield from _learned()


def _learned() -> Iterator[Estimate]:
    for analysis in ("penalised", "forest"):
        for fold, c in (("1", 0.70), ("2", 0.68), ("3", 0.72), ("mean", 0.70)):
            yield Estimate(analysis, "hf_event", "embeddings", level=fold, estimate=c)
