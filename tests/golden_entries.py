"""Which module of tests compares which golden value of statistics, and which are not compared and why.

`conftest` sees after each module whether it has read what is said here (not whether it asserts it: see `recorded`),
`test_golden_entries` whether this is said of every value there is.
"""

import json
from fnmatch import fnmatchcase
from functools import cache

from functions_golden import FUNCTIONS, arrays
from recorded import leaves
from statistics_golden import r_values

_R_FILES = ("r_golden", "r_golden2", "r_golden3")
_FUNCTION_FILES = ("seg_metrics", "seg_metrics_nested", "cls_reg", "landmark")
_FUNCTION_ENTRIES = ("classification_metrics", "regression_metrics", "ef", "volumes")  # of info.json

_LABELS = "labels of rows, which the test knows"
_TRAINING = "of training, not of evaluation"
COMPARED = {  # pattern -> module of tests, or why there is none; the first that fits
    "r_golden/meta/*": "versions of R, not results",
    "r_golden*/*/call": "the call, which the test repeats",
    "r_golden/*/bic": "the table of estimates has Akaike's criterion; no feature shows the Bayesian one",
    "r_golden/*/strata": _LABELS,
    "r_golden/lung_spline_ns_age/*": "test_splines",
    "r_golden/*/concordance*": "test_concordance",
    "r_golden/*_conc_*/tau": "500, in the name of the entry",
    "r_golden/*_conc_*": "test_concordance",
    "r_golden/rotterdam_harrell/*": "test_concordance",
    "r_golden/rotterdam_uno_3652/*": "test_concordance",
    "r_golden/lung_cox_exact/terms": "test_concordance",
    "r_golden/lung_cox_exact/coef": "test_concordance",
    "r_golden/lung_cox_exact/*": "exact ties are not in the feature list, Efron's are; their work grows with subsets",
    "r_golden/separation_cox/iter": "refused by name instead: no coefficient exists",
    "r_golden/separation_cox/se": "refused by name instead: no coefficient exists",
    "r_golden/*_zph*": "test_proportional",
    "r_golden/lung_km_*": "test_kaplan_meier",
    "r_golden/mgus2_km_*": "test_kaplan_meier",
    "r_golden/*_survdiff_*": "test_kaplan_meier",
    "r_golden/lung_rmst365_sex/*": "test_kaplan_meier",
    "r_golden/timefix/km_default": "test_kaplan_meier",
    "r_golden/mgus2_aj/conf": "kind of limits, log-log, which the limits tell",
    "r_golden/mgus2_aj*": "test_competing",
    "r_golden/mgus2_cuminc/*": "test_competing",
    "r_golden/mgus2_crr/*": "test_competing",
    "r_golden/mgus2_finegray/*": "test_competing",
    "r_golden/*": "test_cox",
    "r_golden2/rott_test_score/times": _LABELS,
    "r_golden2/rott_test_score/*": "test_prediction",
    "r_golden2/rott_calib/*": "test_calibration",
    "r_golden2/rott_dca/*": "test_calibration",
    "r_golden2/rott_validate/*": "test_optimism",
    "r_golden2/rott_rcs_age/anova_rows": _LABELS,
    "r_golden2/rott_rcs_age/*": "test_splines",
    "r_golden2/rott_subgroup/*": "test_cox",
    "r_golden2/rott_coxnet/standardize": "a setting of glmnet, which the test repeats",
    "r_golden2/rott_coxnet/ties": "a setting of glmnet, which the test repeats",
    "r_golden2/rott_coxnet/*": "test_penalised",
    "r_golden3/auc*": "test_diagnostic",
    "r_golden3/sens_spec/*": "test_diagnostic",
    "r_golden3/padjust/*": "test_multiplicity",
    "r_golden3/evalue/*": "test_multiplicity",
    "r_golden3/rubin/*": "test_imputation",
    "r_golden3/smd/*": "test_describe",
    "r_golden3/repeatability/[xy]": "what R was given",
    "r_golden3/repeatability/*": "test_agreement",
    "seg_metrics/out/*stability_score": "of logits at shifted thresholds; evaluation reads label maps, which have none",
    "seg_metrics/loss/*": _TRAINING,
    "seg_metrics/*_hausdorff_distance_95": "test_surface_distance",
    "seg_metrics/*": "test_overlap",
    "seg_metrics_nested/*": "test_overlap",
    "cls_reg/reg_*": "test_agreement",
    "cls_reg/*": "test_diagnostic",
    "landmark/loss*": _TRAINING,
    "landmark/wing": _TRAINING,
    "landmark/rel": _TRAINING,
    "landmark/metric/pred_*": "coordinates as they were given",
    "landmark/metric/true_*": "coordinates as they were given",
    "landmark/metric/*": "test_evaluation_values",
    "landmark/*": "test_landmarks",
    "info/classification_metrics/*": "test_diagnostic",
    "info/regression_metrics/m*_*": "extremes of single people, which no table of ours has",
    "info/regression_metrics/*": "test_agreement",
    "info/ef/cov": "test_agreement",
    "info/ef/*": "test_diagnostic",
    "info/volumes/*": "test_published",
}


@cache
def places() -> dict[str, str | None]:
    """Paths of all golden values of statistics, each with the first pattern of COMPARED that fits."""
    info = json.loads((FUNCTIONS / "info.json").read_text("utf-8"))
    files = {name: r_values(name) for name in _R_FILES} | {name: arrays(name) for name in _FUNCTION_FILES}
    files |= {"info": {name: info[name] for name in _FUNCTION_ENTRIES}}
    paths = (path for name, values in files.items() for path in leaves(name, values))
    return {path: next((pattern for pattern in COMPARED if fnmatchcase(path, pattern)), None) for path in paths}


def compared_by(module: str) -> set[str]:
    """Paths of the values that a module of tests compares."""
    if module not in COMPARED.values():
        return set()
    return {path for path, pattern in places().items() if pattern and COMPARED[pattern] == module}
