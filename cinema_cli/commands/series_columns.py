"""The series of a cohort as columns on a terminal: few of them, for people."""

from typing import TYPE_CHECKING

from cinema_cli.commands.options import CONSOLE

if TYPE_CHECKING:
    import polars as pl

MOST_ROWS = 200  # shown; nobody reads more, and drawing them takes longer than the scan
_SHOWN = {  # column -> its heading, with units where there are any
    "participant_id": "participant",
    "session_id": "session",
    "series_number": "series",
    "view": "view",
    "slices": "slices",
    "frames": "frames",
    "time_step_ms": "ms/frame",
    "verdict": "",
}


def show(series: "pl.DataFrame") -> None:
    """The columns that matter most, and why a series is rejected; the first rows of many, which is said."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in _SHOWN.values():
        table.add_column(heading, overflow="fold", no_wrap=bool(heading))
    for row in series.head(MOST_ROWS).select(*_SHOWN, "reason").iter_rows(named=True):
        used, reason = row["verdict"] == "used", row.pop("reason")
        cells = [f"{value:.1f}" if isinstance(value, float) else str(value or "") for value in row.values()]
        cells[-1] = "used" if used else f"rejected: {reason}"
        table.add_row(*map(Text, cells), style="" if used else "dim")
    Console().print(table)
    if (more := series.height - MOST_ROWS) > 0:
        CONSOLE.info(f"{more} more series are not shown: `-o FILE` writes all, `| less` pages through them")
