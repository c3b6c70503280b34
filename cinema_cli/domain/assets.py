"""Where the files that are not code lie: in a wheel beside the code, in a checkout at the root."""

from pathlib import Path

from cinema_cli.domain.errors import UnavailableError

PACKAGE = Path(__file__).resolve().parents[1]


def templates_directory() -> Path:
    """Folder of the report templates. Raises UnavailableError where the installation lacks it."""
    return _asset(packaged="templates", checkout="reports/templates")


def heads_directory() -> Path:
    """Folder of the embedded heads: cards and weights. Raises UnavailableError where the installation lacks it."""
    return _asset(packaged="heads", checkout="models/heads")


def _asset(*, packaged: str, checkout: str) -> Path:
    for candidate in (PACKAGE / "_assets" / packaged, PACKAGE.parent / checkout):
        if candidate.is_dir():
            return candidate
    raise UnavailableError(
        f"this installation of cinema has no folder {packaged!r}, looked for beside {PACKAGE}",
        hint="Install the wheel or work in a complete checkout; `pip install --force-reinstall cinema-cli` mends it.",
        code="assets_missing",
    )
