"""Volumes, mass and ejection fraction of masks at ED and ES, ours and the reference's, as values of an evaluation."""

import polars as pl

from cinema_cli.analysis.evaluation.table import Kind, Note, checked_evaluation
from cinema_cli.domain.volumes import MYOCARDIAL_DENSITY_G_ML

_STUDY = ["participant_id", "session_id", "system"]
_SIDES = ("prediction", "reference")


def values_of_masks(table: pl.DataFrame) -> pl.DataFrame:
    """Rows (EVALUATION) of phenotypes, from the rows of volumes of masks at `ed` and `es`; see domain.phenotypes.

    Only from volumes that both masks have, over the slices that both cover. No ejection fraction of an empty chamber at
    ED. A study without masks on one side has the note in its rows of masks.
    """
    volumes = table.filter(
        pl.col("kind") == Kind.MASK, pl.col("metric") == "volume_ml", pl.col("frame").is_in(["ed", "es"])
    )
    if volumes.is_empty():
        return checked_evaluation(pl.DataFrame(schema={"participant_id": pl.String, "kind": pl.String}))
    long = volumes.unpivot(_SIDES, index=[*_STUDY, "term", "frame"], variable_name="side", value_name="ml")
    cells = long.with_columns(cell=pl.format("{}_{}", "term", "frame"))
    wide = cells.pivot("cell", index=[*_STUDY, "side"], values="ml", aggregate_function="first")
    named = {
        name: formula for name, formula in _formulas().items() if set(formula.meta.root_names()) <= set(wide.columns)
    }
    values = wide.select(*_STUDY, "side", **named).unpivot(
        list(named), index=[*_STUDY, "side"], variable_name="term", value_name="number"
    )
    both = values.pivot("side", index=[*_STUDY, "term"], values="number", aggregate_function="first").drop_nulls(_SIDES)
    order = pl.Enum(list(named))
    return checked_evaluation(
        both.with_columns(
            kind=pl.lit(str(Kind.VALUE)), metric=pl.lit("value"), value=pl.col("prediction") - pl.col("reference"),
            note=pl.lit(str(Note.NONE)),
        ).sort(pl.col("term").cast(order), maintain_order=True)
    )  # fmt: skip


def _formulas() -> dict[str, pl.Expr]:
    """Each phenotype from volumes `<structure>_<moment>` in ml."""
    found: dict[str, pl.Expr] = {}
    for chamber in ("lv", "rv"):
        edv, esv = pl.col(f"{chamber}_ed"), pl.col(f"{chamber}_es")
        found |= {f"{chamber}edv_ml": edv, f"{chamber}esv_ml": esv, f"{chamber}sv_ml": edv - esv}
        found[f"{chamber}ef_pct"] = pl.when(edv > 0).then(100.0 * (edv - esv) / edv)
    return found | {"lvm_g": pl.col("myo_ed") * MYOCARDIAL_DENSITY_G_ML}
