"""What the estimates do not give, and why, in sentences."""

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.metrics import metric_of, target_of
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.words import first_up, title_of


def not_given(rows: Rows) -> list[str]:
    """`AUC, acdc_head, sex = F: only one class`: each reason once."""
    return in_order(_sentence(row) for kind in ("too_few", "not_estimable") for row in rows.of(kind))


def _sentence(row: Estimate) -> str:
    model, _, of_class = row.model.partition(" ")
    where = [metric_of(model).title if model else "", target_of(row.term) if row.term else "", of_class]
    where += [" and ".join(title_of(part) for part in row.group.split(" & ")) if row.group else ""]
    said = ", ".join(w for w in where if w)
    return f"{said}: {row.level}" if said else first_up(row.level)
