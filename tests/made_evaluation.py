"""Made estimates of an evaluation and of a fairness audit with every kind of row; no statistics is done for them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.reports.evaluation import EvaluationFacts, InputFile, Score, WorstCase, WorstStudy, WorstView
from cinema_cli.reports.fairness import FairnessFacts

PHENOTYPES = {"lvedv_ml": (8.0, 11.0), "lvesv_ml": (6.0, 9.0), "lvef_pct": (-1.2, 3.3), "lvm_g": (-4.0, 9.0)}
DICE = {"lv": 0.94, "myo": 0.86, "rv": 0.89, "mean": 0.897}
CLASSES = ("DCM", "HCM", "NOR")
EDITIONS = (("python", "3.11.2"), ("numpy", "2.1.0"))
INPUTS = (InputFile("evaluation.parquet", "ab12" * 16), InputFile("reference.csv", "cd34" * 16))


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


def worst_studies(name: str = "sub-0007", pictures: tuple[Markup, ...] = ()) -> list[WorstStudy]:
    """Three of them, one without a page, one without masks."""
    scores = (Score("lv", 0.93, 2.5), Score("rv", 0.41, None))
    views = (
        WorstView("ed", "slice 2 of 9", pictures, scores[:1]),
        WorstView("es", "slice 3 of 9", pictures, scores, "No image: the input of the run is no longer where it was."),
    )
    return [
        WorstStudy(name, (WorstCase("dice", "rv", "es", 0.41),), "../../sub-0007/ses-1/study.html", views),
        WorstStudy("sub-0100", (WorstCase("hd95_mm", "lv", "ed", 31.2), WorstCase("value", "lvef_pct", "", -12.0))),
        WorstStudy("sub-0200", (WorstCase("value", "lvef_pct", "", None),)),
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
            Estimate("too_few", model="auc HCM", term="acdc_head", group="sex=F", level="one class only"),
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
                ("middle", 92.0),
            ):  # fmt: skip
                half = 0.02 if model in {"icc21", "icc31", "r2", "slope"} else 0.12 * sd
                n = made.n if not group else made.n // 2
                yield Estimate("agreement", model=model, term=term, group=group, n=n, **_near(value, half))
    for kind in ("agreement", "repeatability"):
        for term, (bias, sd) in PHENOTYPES.items():
            yield from _cells(kind, term, bias, sd)


def _cells(kind: str, term: str, bias: float, sd: float) -> Iterator[Estimate]:
    """People in a grid, fewer outwards."""
    for k in range(9):
        for row in range(-2, 3):
            n = round(60 / (1 + (k - 4) ** 2 / 4 + row**2))
            of = {"model": kind, "term": term, "level": f"{56 + 8 * k} to {64 + 8 * k}"}
            if n >= 10:
                yield Estimate("bland_altman", n=n, **of, **_near(bias + sd * row, sd / 2))
    yield Estimate("bland_altman", model=kind, term=term, level="elsewhere", n=37)


def _classes(made: Made) -> Iterator[Estimate]:
    for term, classes in (("acdc_head", CLASSES), ("lvef_category", ("reduced", "borderline", "normal"))):
        n = {"term": term, "n": made.n}
        for model, value in (("accuracy", 0.91), ("mcc", 0.86), ("f1", 0.9), ("auc", 0.96), ("brier", 0.07)):
            yield Estimate("classification", model=model, **n, **_near(value, 0.03))
        for k, level in enumerate(classes):
            for model, value in (("sensitivity", 0.9), ("specificity", 0.96), ("ppv", 0.88), ("npv", 0.95), ("f1", 0.8),
                                 ("auc", 0.95), ("brier", 0.05), ("calibration_slope", 0.9)):  # fmt: skip
                yield Estimate(
                    "classification", model=model, level=level, events=60 + k, **n, **_near(value - 0.02 * k, 0.04)
                )
            if term != "acdc_head":
                continue
            for x in np.linspace(0, 1, 21):
                yield Estimate(
                    "roc", model=level, level=f"{x:g}", events=60 + k, estimate=float(x ** (0.1 + 0.1 * k)), **n
                )
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
                for side, mean in (("this", DICE[term] + value), ("other", DICE[term])):
                    yield Estimate("difference", level=frame, **at | {"model": f"{model}_{side}"}, **_near(mean, half))
                if term == "mean":
                    yield Estimate(
                        "non_inferiority", group="" if frame == "ed" else "es", level=margin, p=0.03,
                        unit="non-inferior", **at, **_near(value, half),
                    )  # fmt: skip
    for side, mean in (("this", -1.2), ("other", 0.4)):
        yield Estimate("difference", model=f"bias_{side}", term="lvef_pct", n=made.n, **_near(mean, 0.5))


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
    return table_of([*_people(made), *_losses(made), *_right(made), *_crossed(made), *_followed(made), *_few(made)])


def _columns(made: Made) -> list[tuple[str, list[str]]]:
    return [(made.column, list(made.groups)), ("site", ["north", "south", "east"])]


def _people(made: Made) -> Iterator[Estimate]:
    yield Estimate("flow", term="people of the phenotype table", level="kept", n=made.n)
    yield Estimate("group_metric", model="people", term="people", n=made.n)
    for column, groups in _columns(made):
        for group in groups:
            n = made.n // len(groups) - 20
            yield Estimate("group_metric", model="people", term="people", group=f"{column}={group}", n=n)
        yield Estimate("group_metric", model="unknown", term=column, n=20 * len(groups))


def _values(made: Made, row: Estimate, value: float, step: float, half: float, *, share: bool) -> Iterator[Estimate]:
    """Of everybody and of each group."""
    for column, groups in [("", [""]), *_columns(made)]:
        for k, group in enumerate(groups):
            n, found = made.n // len(groups), value + k * step
            events = {"events": round(n * found)} if share else {}
            few = made.suppressed and row.model == "failed" and k == 2
            numbers = {"suppressed": True} if few else {"n": n, **events, **_near(found, half)}
            yield replace(row, group=f"{column}={group}" if column else "", **numbers)


def _losses(made: Made) -> Iterator[Estimate]:
    for model, term, share in (
        ("no_outcome", "hf_event", 0.05), ("failed", "analysis", 0.03), ("missing", "rvef_pct", 0.08),
        ("flagged", "any check", 0.12), ("flagged", "gap_in_stack", 0.04), ("no_reference", "reference", 0.3),
    ):  # fmt: skip
        row = Estimate("group_metric", model=model, term=term)
        yield from _values(made, row, share, 0.3 * share, 0.02, share=True)
        for column, groups in _columns(made):
            yield from _gap_rows(replace(row, group=column), 0.3 * share * (len(groups) - 1), 0.02, 0.21, made)
    row = Estimate("group_metric", model="disagreement", term="lv_head", unit="pct")
    yield from _values(made, row, 0.21, 0.01, 0.02, share=False)


def _gap_rows(row: Estimate, gap: float, null: float, p: float, made: Made) -> Iterator[Estimate]:
    worst = f"{made.column}={made.groups[-1]}" if row.group == made.column else "site=east"
    yield replace(row, analysis="gap", **_near(gap, 0.6 * gap), p=p, q=min(1.0, 2 * p))
    yield replace(row, analysis="gap_null", estimate=null, lower=0.2 * null, upper=2.1 * null)
    yield replace(row, analysis="ratio", **_near(0.95, 0.03), p=p)
    yield replace(row, analysis="worst_group", level=worst, **_near(0.88, 0.02), p=p)
    yield replace(row, analysis="skewed_error_ratio", **_near(1.3, 0.2), p=p)
    for way, mean in (("ratio", 0.98), ("worst_group", 0.89), ("skewed_error_ratio", 1.1)):
        yield replace(row, analysis=f"{way}_null", **_near(mean, 0.04))


def _right(made: Made) -> Iterator[Estimate]:
    for model, term, value, step, null in (
        ("dice", "lv", 0.93, -0.012, 0.006),
        ("dice", "rv", 0.88, -0.01, 0.009),
        ("volume_error_ml", "lv", 6.0, 1.1, 1.0),
        ("mae", "lvef_pct", 3.3, 0.2, 0.4),
        ("sensitivity", "acdc_head: DCM", 0.9, -0.05, 0.03),
        ("auc", "acdc_head: DCM", 0.95, -0.01, 0.02),
    ):
        row = Estimate("group_metric", model=model, term=term, unit="%" if term == "lvef_pct" else "")
        yield from _values(made, row, value, step, 0.8 * abs(step), share=model == "sensitivity")
        p = 0.002 if term == "lv" and model == "dice" else 0.3
        for column, groups in _columns(made):
            of = replace(row, group=column)
            yield from _gap_rows(of, abs(step) * (len(groups) - 1), null, p, made)
            adjusted = replace(of, analysis="gap_adjusted", level="age_years, bmi", p=p)
            yield replace(adjusted, **_near(0.8 * abs(step), 0.5 * abs(step)))


def _crossed(made: Made) -> Iterator[Estimate]:
    row = Estimate("group_metric", model="dice", term="lv")
    for k, a in enumerate(made.groups):
        for b in ("north", "south"):
            size = Estimate("group_metric", model="people", term="people", n=60)
            yield replace(size, group=f"{made.column}={a} & site={b}")
            yield replace(row, group=f"{made.column}={a} & site={b}", n=60, **_near(0.9 - 0.01 * k, 0.02))
    yield from _gap_rows(replace(row, group=f"{made.column} & site"), 0.02, 0.013, 0.4, made)


def _followed(made: Made) -> Iterator[Estimate]:
    for model, term, value, half in (
        ("c_index", "hf_event", 0.71, 0.04), ("observed_expected", "hf_event", 1.04, 0.15),
        ("calibration_slope", "hf_event", 0.98, 0.2), ("hazard_ratio", "lvef_pct", 0.72, 0.1),
    ):  # fmt: skip
        row = Estimate("group_metric", "hf_event", model, term, events=44, unit="per SD" if half == 0.1 else "")
        yield from _values(made, row, value, -0.01, half, share=False)
        for column, _ in _columns(made) if model != "hazard_ratio" else ():
            yield from _gap_rows(replace(row, group=column, unit="from standard errors"), 0.02, 0.03, 0.4, made)
    for column, groups in _columns(made):
        df = str(len(groups) - 1)
        yield Estimate("interaction", "hf_event", "hazard_ratio", "lvef_pct", column, df, estimate=1.2, p=0.27)


def _few(made: Made) -> Iterator[Estimate]:
    for model, term in (("dice", "lv"), ("failed", "analysis")):
        group = f"{made.column}=unknown"
        yield Estimate("too_few", model=model, term=term, group=group, level="fewer than 10 people")
    at = {"model": "c_index", "term": "hf_event", "group": "site=west"}
    yield Estimate("too_few", "hf_event", level="fewer than 10 events", n=31, **at)
    yield Estimate("not_estimable", model="gap_adjusted", term="rv", group="site", level="too few people")
