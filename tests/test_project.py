"""The project as it is delivered: the wheel holds what it should and runs alone, the floors hold, the docs agree."""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import cinema_cli

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the files of this checkout by the build backend that is installed here."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel and nothing of the checkout; libraries come from this environment."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # a plain path, after the wheel's own: the libraries are found, but not the editable checkout (its .pth is not read)
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def alone(installed: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the clean environment, away from the checkout."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CINEMA_", "VIRTUAL_ENV"))}
    program = [str(installed / "bin" / command[0]), *command[1:]]
    return subprocess.run(program, cwd=cwd, env=kept, capture_output=True, text=True, check=False)


def test_golden_wheel(wheel: Path, golden: Callable[[str, str], None]) -> None:
    names = sorted(zipfile.ZipFile(wheel).namelist())
    golden("wheel.txt", "\n".join(re.sub(r"cinema_cli-\d+(?:\.\d+)*", "cinema_cli-VERSION", n) for n in names) + "\n")


def test_the_wheel_holds_only_our_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"cinema_cli", "cinema_models", f"cinema_cli-{cinema_cli.__version__}.dist-info"}


def test_the_wheel_runs_in_a_clean_environment(installed: Path, tmp_path: Path) -> None:
    where = "import cinema_cli, cinema_models; print(cinema_cli.__file__, cinema_models.__file__)"
    places = alone(installed, "python", "-c", where, cwd=tmp_path).stdout.split()
    assert len(places) == 2 and all(place.startswith(str(installed)) for place in places)
    assert alone(installed, "cinema", "--version", cwd=tmp_path).stdout == f"cinema {cinema_cli.__version__}\n"
    shown = alone(installed, "cinema", "--help", cwd=tmp_path)
    assert shown.returncode == 0 and "analyse" in shown.stdout and shown.stderr == ""


def test_a_report_is_made_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from cinema_cli.io.ledger import Failure, record\n"
        "record(Path('out'), Failure('sub-1', 'ses-1', 'read', 'pixels', 'pixel data end early'), 'd', version='1')\n"
    )
    made = alone(installed, "python", "-c", script, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    told = alone(installed, "cinema", "report", "out", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    html = (tmp_path / "out" / "report.html").read_text()
    assert html.startswith("<!") and "pixel data end early" in html


def test_the_floors_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(lint), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_package_stands_on_a_floor() -> None:
    contracts = (ROOT / ".importlinter").read_text()
    packages = {p.parent.name for p in (ROOT / "cinema_cli").glob("*/__init__.py")}
    assert all(f"cinema_cli.{name}" in contracts for name in packages)


def all_declared() -> list[str]:
    """What the project needs, and what its extras add."""
    extras = PROJECT["project"]["optional-dependencies"]
    return PROJECT["project"]["dependencies"] + [line for lines in extras.values() for line in lines]


def test_constraints_hold_every_dependency() -> None:
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    declared = all_declared()
    names = {re.split(r"[<>=\[]", line)[0].lower() for line in declared}
    assert names <= pinned
    assert all(">=" in line and "==" not in line for line in declared)  # bounds here, exact versions in constraints.txt


def imports(source: Path) -> Iterator[str]:
    """Top-level modules that a file imports, also inside its functions."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_what_is_imported_is_declared() -> None:
    """A library that comes only with another one goes when that one drops it."""
    sources = [*(ROOT / "cinema_cli").rglob("*.py"), *(ROOT / "models").rglob("*.py")]
    ours = {"cinema_cli", "cinema_models"}
    foreign = {name for source in sources for name in imports(source)} - ours - sys.stdlib_module_names
    declared = {re.split(r"[<>=\[]", line)[0].lower() for line in all_declared()}
    providers = packages_distributions()
    assert {"torch", "pydicom", "markupsafe"} <= foreign  # the search finds what is there
    assert not [name for name in foreign if not {p.lower().replace("_", "-") for p in providers[name]} & declared]


def test_the_readme_shows_commands_that_exist() -> None:
    from cinema_cli.commands.app import app

    known = {c.name for c in app.registered_commands} | {g.name for g in app.registered_groups}
    shown = set(re.findall(r"^\$? ?cinema ([a-z]+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    assert shown and shown <= known


def test_each_ignored_rule_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("ignore = [") : text.index("]\n", text.index("ignore = ["))]
    assert all("#" in line for line in block.splitlines()[1:])
