"""What the tests share: golden texts, and small studies and results with known numbers."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from functions_golden import FUNCTIONS
from golden_entries import compared_by
from made_results import a_cine, a_result, a_study
from recorded import READ

from cinema_cli.domain.cine import Cine, CineStudy
from cinema_cli.domain.result import StudyResult

GOLDEN = Path(__file__).parent / "golden"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first, so that no processor is left with one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def no_weights_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty store: which heads run must not depend on what was pulled here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CINEMA_WEIGHTS_DIR", str(tmp_path_factory.mktemp("no weights")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", autouse=True)
def golden_values_are_read(request: pytest.FixtureRequest) -> Iterator[None]:
    """A module that runs whole reads all golden values that `golden_entries` says it compares."""
    READ.clear()
    yield
    module = request.node
    run = [item for item in request.session.items if item.getparent(pytest.Module) is module]
    if FUNCTIONS.is_dir() and not request.session.testsfailed and len(run) == len(list(module.collect())):
        unread = compared_by(module.path.stem) - READ
        assert not unread, f"{module.path.name} does not read {sorted(unread)}"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with tests/golden/<name>; `make golden` writes it anew for a reviewer to read."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("CINEMA_GOLDEN") == "write":
            path.write_text(text)
        assert text == path.read_text(), f"{path} differs: `make golden` rewrites it, then read the difference"

    return compare


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT is heard, which it is not where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small networks on one thread: where the cores are busy, several wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def oblique_cine() -> Cine:
    """See `a_cine`."""
    return a_cine()


@pytest.fixture
def study() -> CineStudy:
    """See `a_study`."""
    return a_study()


@pytest.fixture
def result(study: CineStudy) -> StudyResult:
    """See `a_result`."""
    return a_result(study)
