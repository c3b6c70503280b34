"""Work over processes: results in order, pieces when their turn is near, nobody left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cinema_cli.domain.errors import UnavailableError
from cinema_cli.io import processes
from cinema_cli.io.processes import Team

PROGRAM = """
from cinema_cli.io import processes
from test_processes import slow_pid
processes.POOL_PAYS_S = -1.0
with processes.Team(2) as team:
    for pid in team.each(slow_pid, range(1000), total=1000):
        print(pid, flush=True)
"""


def slow_pid(_: int) -> int:
    time.sleep(0.02)
    return os.getpid()


def halved(number: int) -> float:
    return 1 / number


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "POOL_PAYS_S", -1.0)


@pytest.mark.usefixtures("at_once")
def test_results_are_in_order_and_pieces_are_asked_for_when_their_turn_is_near() -> None:
    asked: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(1, 41):
            asked.append(number)
            yield number

    with Team(2) as team:
        results = team.each(halved, pieces(), total=40)
        assert [next(results) for _ in range(3)] == [1, 1 / 2, 1 / 3]
        assert len(asked) < 20
        assert list(results) == [1 / number for number in range(4, 41)]


@pytest.mark.usefixtures("at_once")
def test_an_error_of_a_piece_comes_through() -> None:
    with pytest.raises(ZeroDivisionError), Team(2) as team:
        list(team.each(halved, [1, 2, 0, 3], total=4))


def quick_only_here(parent: int) -> int:
    """Done at once in the process that started the others, in ten minutes there."""
    time.sleep(0 if os.getpid() == parent else 600)
    return parent


def killed_elsewhere(parent: int) -> int:
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return parent


@pytest.mark.usefixtures("at_once", "ctrl_c")
def test_processes_end_at_once_when_this_one_is_stopped() -> None:
    stop = threading.Timer(3.0, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), Team(2) as team:
        for _ in team.each(quick_only_here, [os.getpid()] * 9, total=9):
            stop.start()
    assert not multiprocessing.active_children()


@pytest.mark.usefixtures("at_once")
def test_a_killed_process_is_said() -> None:
    with pytest.raises(UnavailableError, match="killed"), Team(2) as team:
        list(team.each(killed_elsewhere, [os.getpid()] * 4, total=4))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
def test_processes_end_with_the_one_that_started_them() -> None:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parent) as run:
        assert run.stdout is not None
        pids = {int(run.stdout.readline()) for _ in range(20)} - {run.pid}
        assert pids
        run.kill()
    deadline = time.monotonic() + 20
    while left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
