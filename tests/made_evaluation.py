"""Made estimates of an evaluation and of a fairness audit with every kind of row; no statistics is done for them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.reports.evaluation import EvaluationFacts, InputFile, WorstCase
from cinema_cli.reports.fairness import FairnessFacts

PHENOTYPES = {"lvedv_ml": (8.0, 11.0), "lvesv_ml": (6.0, 9.0), "lvef_pct": (-1.2, 3.3), "lvm_g": (-4.0, 9.0)}
DICE = {"lv": 0.94, "myo": 0.86, "rv": 0.89, "mean": 0.897}
CLASSES = ("DCM", "HCM", "NOR")
EDITIONS = (("python", "3.11.2"), ("numpy", "2.1.0"))
INPUTS = (InputFile("evaluation.parquet", "ab12" * 16), InputFile("reference.csv", "cd34" * 16))
METRICS = (("dice", "mean"), ("lvef_abs_error_pct", "lvef_pct"), ("concordance", "clinical"))


@dataclass(frozen=True, slots=True)
class Made:
    """What a made table holds."""

    n: int = 412
    groups: tuple[str, ...] = ("F", "M")
    column: str = "sex"
    suppressed: bool = True
    against: bool = True
    seed: int = 6


def evaluation_facts(made: Made = Made(), **changes: object) -> EvaluationFacts:
    """Facts that go with the table of an evaluation."""
    facts: dict[str, object] = {
        "version": "9.9.9",
        "cohort_name": "Disks",
        "system": "CineMA, short axis",
        "against": "nnU-Net" if made.against else "",
        "reference": "contours drawn by two readers",
        "labels": "acdc",
        "repeats": "two sessions a participant",
        "groups": (made.column,),
        "suppressed": made.suppressed,
        "seed": 7,
        "n_resamples": 0,
        "command": "cinema evaluate OUT --reference R --against OTHER",
        "started": "2026-01-02 03:04 UTC",
        "finished": "2026-01-02 03:05 UTC",
        "versions": EDITIONS,
        "inputs": INPUTS,
        "options": (("Minimum cell", "10"),),
    }
    return EvaluationFacts(**(facts | changes))  # type: ignore[arg-type]


def fairness_facts(made: Made = Made(), **changes: object) -> FairnessFacts:
    """Facts that go with the table of a fairness audit."""
    facts: dict[str, object] = {
        "version": "9.9.9",
        "cohort_name": "Disks",
        "groups": (made.column, "site"),
        "covariates": ("age_years", "bmi"),
        "reference": "contours drawn by two readers",
        "outcome": "heart failure",
        "horizon": 5.0,
        "n_permutations": 1000,
        "n_resamples": 1000,
        "suppressed": made.suppressed,
        "seed": 7,
        "command": "cinema fairness OUT --groups sex,site",
        "started": "2026-01-02 03:04 UTC",
        "finished": "2026-01-02 03:05 UTC",
        "versions": EDITIONS,
        "inputs": INPUTS,
        "options": (("Minimum cell", "10"),),
    }
    return FairnessFacts(**(facts | changes))  # type: ignore[arg-type]


def worst_cases(name: str = "sub-0007", picture: str | None = None) -> list[WorstCase]:
    """Three of them, one without a page."""
    return [
        WorstCase(name, "dice", "rv", "es", 0.41, "../../sub-0007/ses-1/study.html", picture),
        WorstCase("sub-0100", "hd95_mm", "lv", "ed", 31.2),
        WorstCase("sub-0200", "abs_error", "lvef_pct", "", None),
    ]


def _near(value: float, half: float) -> dict[str, float]:
    return {"estimate": value, "lower": value - half, "upper": value + half}


def evaluation_estimates(made: Made = Made()) -> pl.DataFrame:
    """The table of an evaluation."""
    return table_of(
        [
            *_flow(made),
            *_masks(made),
            *_agreement(made),
            *_classes(made),
            *_against(made),
            *_repeated(made),
            Estimate("not_estimable", model="auc", term="acdc_head", level="only one class: AUC is not estimable"),
        ]
    )


def _everyone(made: Made) -> list[str]:
    return ["", *(f"{made.column}={g}" for g in made.groups)]


def _flow(made: Made) -> Iterator[Estimate]:
    few = made.suppressed
    yield Estimate("flow", term="studies with a prediction", level="kept", n=made.n + 31)
    yield Estimate("flow", term="no reference", level="left out", n=31)
    yield Estimate("flow", term="compared", level="kept", n=made.n)
    for term in ("lv", "myo", "rv"):
        for frame in ("ed", "es"):
            for model, n in (("empty_truth", 12), ("empty_prediction", 4), ("both_empty", 0), ("no_prediction", 15)):
                hidden = few and 0 < n < 10
                yield Estimate(
                    "counts", model=model, term=term, level=frame, n=None if hidden else n, suppressed=hidden
                )
    yield Estimate("counts", model="no_reference", term="lvef_pct", n=31)


def _masks(made: Made) -> Iterator[Estimate]:
    for k, group in enumerate(_everyone(made)):
        n = made.n if not group else made.n // 2
        for term, dice in DICE.items():
            for frame, less in (("ed", 0.0), ("es", 0.03)):
                at = {"term": term, "group": group, "level": frame, "n": n}
                value = dice - less - 0.004 * k
                means = (
                    ("dice", value, 0.006), ("iou", value / (2 - value), 0.009), ("hd95_mm", 30 * (1 - value), 0.4),
                    ("asd_mm", 9 * (1 - value), 0.1), ("volume_error_ml", 40 * (value - 0.9), 1.2),
                )  # fmt: skip
                for model, mean, half in means:
                    yield Estimate("evaluation", model=model, **at, **_near(mean, half))
                    yield Estimate("evaluation", model=f"{model}_median", **at, **_near(mean * 1.01, half * 4))
    for point in ("mitral_1", "apex"):
        yield Estimate("evaluation", model="landmark_mm", term=point, n=made.n, **_near(3.4, 0.2))
        yield Estimate("evaluation", model="landmark_mm_median", term=point, n=made.n, **_near(2.9, 1.2))
    yield Estimate("evaluation", model="mae", term="age_years", n=made.n, **_near(4.8, 0.3))


def _agreement(made: Made) -> Iterator[Estimate]:
    for group in _everyone(made):
        for term, (bias, sd) in PHENOTYPES.items():
            for model, value in (
                ("bias", bias), ("mae", 0.8 * sd), ("rmse", 1.05 * sd), ("sd", sd), ("loa_lower", bias - 1.96 * sd),
                ("loa_upper", bias + 1.96 * sd), ("icc21", 0.94), ("icc31", 0.95), ("r2", 0.9), ("slope", 0.04),
            ):  # fmt: skip
                half = 0.02 if model in {"icc21", "icc31", "r2", "slope"} else 0.12 * sd
                n = made.n if not group else made.n // 2
                yield Estimate("agreement", model=model, term=term, group=group, n=n, **_near(value, half))
    for kind in ("agreement", "repeatability"):
        for term, (bias, sd) in PHENOTYPES.items():
            for k in range(8):
                limits = _near(bias + 0.3 * sd * np.sin(k), 1.7 * sd)
                hidden = made.suppressed and k == 7
                values = {"suppressed": True} if hidden else {"n": made.n // 8, **limits}
                yield Estimate("bland_altman", model=kind, term=term, level=f"{60 + 14 * k:g}", **values)


def _classes(made: Made) -> Iterator[Estimate]:
    for term, classes in (("acdc_head", CLASSES), ("lvef_category", ("reduced", "borderline", "normal"))):
        n = {"term": term, "n": made.n}
        for model, value in (("accuracy", 0.91), ("mcc", 0.86), ("f1", 0.9), ("auc", 0.96), ("brier", 0.07)):
            yield Estimate("classification", model=model, **n, **_near(value, 0.03))
        for k, level in enumerate(classes):
            for model, value in (("sensitivity", 0.9), ("specificity", 0.96), ("ppv", 0.88), ("npv", 0.97), ("f1", 0.8),
                                 ("auc", 0.95)):  # fmt: skip
                yield Estimate(
                    "classification", model=model, level=level, events=60 + k, **n, **_near(value - 0.02 * k, 0.04)
                )
            if term != "acdc_head":
                continue
            for x in np.linspace(0, 1, 21):
                yield Estimate("roc", model=level, term=term, level=f"{x:g}", estimate=float(x ** (0.1 + 0.1 * k)))
            for tenth in range(10):
                risk = 0.05 + 0.1 * tenth
                yield Estimate(
                    "calibration", model=level, term=term, group=str(tenth + 1), level=f"{risk:g}", n=made.n // 10,
                    **_near(0.9 * risk + 0.03, 0.05),
                )  # fmt: skip


def _against(made: Made) -> Iterator[Estimate]:
    if not made.against:
        return
    for frame in ("ed", "es"):
        for term in DICE:
            for model, value, half, margin in (("dice", -0.004, 0.006, "0.01"), ("hd95_mm", -0.31, 0.5, "1")):
                at = {"model": model, "term": term, "n": made.n}
                yield Estimate("difference", level=frame, p=0.2, **at, **_near(value, half))
                yield Estimate("difference", **at | {"model": f"{model}_wilcoxon"}, level=frame, p=0.31)
                if term == "mean":
                    yield Estimate(
                        "non_inferiority", group="" if frame == "ed" else "es", level=margin, p=0.03,
                        unit="non-inferior", **at, **_near(value, half),
                    )  # fmt: skip


def _repeated(made: Made) -> Iterator[Estimate]:
    for group in _everyone(made):
        for term, (bias, sd) in PHENOTYPES.items():
            for model, value in (
                ("cov_rms", 0.0845), ("cov_log", 0.081), ("wsd", 0.5 * sd), ("rc", 1.39 * sd), ("icc21", 0.9),
                ("icc31", 0.91), ("bias", 0.1 * bias), ("loa_lower", -1.9 * sd), ("loa_upper", 1.9 * sd),
            ):  # fmt: skip
                half = 0.01 if value < 1 else 0.1 * sd
                yield Estimate(
                    "repeatability", model=model, term=term, group=group, n=made.n // 4, **_near(value, half)
                )


def fairness_estimates(made: Made = Made()) -> pl.DataFrame:
    """The table of a fairness audit."""
    return table_of([*_losses(made), *_gaps(made), *_survival(made), *_few(made)])


def _columns(made: Made) -> list[tuple[str, list[str]]]:
    return [(made.column, list(made.groups)), ("site", ["north", "south", "east"])]


def _losses(made: Made) -> Iterator[Estimate]:
    for column, groups in _columns(made):
        for model, share in (("failure_rate", 0.03), ("flag_rate", 0.12), ("no_reference", 0.3)):
            for k, group in enumerate(groups):
                n = made.n // len(groups)
                value = share * (1 + 0.3 * k)
                few = made.suppressed and k == 2 and model == "failure_rate"
                values = {"suppressed": True} if few else {"events": round(n * value), **_near(value, 0.02)}
                yield Estimate("group_metric", model=model, group=f"{column}={group}", n=n, **values)
            yield from _gap_rows(model, "", column, 0.3 * share * (len(groups) - 1), 0.02, 0.21)


def _gap_rows(model: str, term: str, column: str, gap: float, null: float, p: float) -> Iterator[Estimate]:
    at = {"model": model, "term": term, "group": column}
    q = min(1.0, 2 * p)
    yield Estimate("gap", **at, **_near(gap, 0.6 * gap), p=p, q=q)
    yield Estimate("gap_null", **at, estimate=null, lower=0.2 * null, upper=2.1 * null)
    yield Estimate("ratio", **at, **_near(0.95, 0.03), p=p)
    yield Estimate("worst_group", **at, level="M" if column != "site" else "east", **_near(0.88, 0.02), p=p)
    yield Estimate("skewed_error_ratio", **at, **_near(1.3, 0.2), p=p)


def _gaps(made: Made) -> Iterator[Estimate]:
    for column, groups in _columns(made):
        for model, term, value, step, null in (
            ("dice", "mean", 0.9, 0.012, 0.006),
            ("dice", "rv", 0.88, 0.01, 0.009),
            ("abs_error", "lvef_pct", 3.3, 0.2, 0.4),
            ("sensitivity", "acdc_head", 0.9, 0.05, 0.03),
        ):
            for k, group in enumerate(groups):
                yield Estimate(
                    "group_metric", model=model, term=term, group=f"{column}={group}", n=made.n // len(groups),
                    events=40 if model == "sensitivity" else None, **_near(value - k * step, 0.8 * step),
                )  # fmt: skip
            p = 0.002 if model == "dice" and term == "mean" else 0.3
            yield from _gap_rows(model, term, column, step * (len(groups) - 1), null, p)
            yield Estimate(
                "gap_adjusted", model=model, term=term, group=column, level="age_years, bmi", p=p, q=p,
                **_near(0.8 * step, 0.5 * step),
            )  # fmt: skip
    for a in made.groups:
        for b in ("north", "south"):
            yield Estimate(
                "group_metric",
                model="dice",
                term="mean",
                group=f"{made.column}={a} & site={b}",
                n=60,
                **_near(0.89, 0.02),
            )


def _survival(made: Made) -> Iterator[Estimate]:
    for column, groups in _columns(made):
        for model, value, half in (("concordance", 0.71, 0.04), ("observed_expected", 1.04, 0.15)):
            for k, group in enumerate(groups):
                yield Estimate(
                    "group_metric", "hf_event", model, "lvef_pct", f"{column}={group}", n=made.n // len(groups),
                    events=44 - k, **_near(value - 0.01 * k, half),
                )  # fmt: skip
            yield from _gap_rows(model, "lvef_pct", column, 0.02, 0.03, 0.4)
        yield Estimate(
            "interaction", "hf_event", "adjusted", "lvef_pct", column, str(len(groups) - 1), estimate=1.2, p=0.27, q=0.5
        )


def _few(made: Made) -> Iterator[Estimate]:
    yield Estimate("too_few", model="dice", term="mean", group=f"{made.column}=unknown", level="fewer than 10 people")
    yield Estimate("too_few", model="concordance", term="lvef_pct", group="site=west", level="fewer than 10 events")
    yield Estimate("not_estimable", model="mcc", term="acdc_head", level="one class only: MCC is not estimable")
