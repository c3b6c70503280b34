"""Memory and processors: the least of all that was granted counts, and what decided it is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinema_cli.inference.memory import Budget
from cinema_cli.io.cgroups import control_groups
from cinema_cli.io.memory import Limit, available_bytes, memory_limit, oom_kills, process_bytes, slurm_memory
from cinema_cli.io.processors import available_cpus, processor_limit

GB = 2**30
UNIFIED = "40 30 0:30 {top} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
SPLIT = (
    "40 30 0:30 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    "41 40 0:31 {top} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "42 40 0:32 {top} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
)


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)


def machine(root: Path, files: dict[str, str], *, mounts: str = UNIFIED, top: str = "/", own: str = "0::/") -> Path:
    """A made-up /proc and /sys with 64 GB free, on which `own` is what /proc/self/cgroup says."""
    known = {
        "proc/self/cgroup": own + "\n",
        "proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mounts.format(top=top),
        "proc/meminfo": f"MemTotal: 99999999 kB\nMemAvailable: {64 * GB // 1024} kB\n",
    }
    for name, text in (known | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_limit_of_version_2_may_stand_at_any_height(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/job/step/memory.max": "max\n",
        "sys/fs/cgroup/job/memory.max": f"{8 * GB}\n",
        "sys/fs/cgroup/job/memory.current": f"{3 * GB}\n",
        "sys/fs/cgroup/job/memory.stat": f"anon {2 * GB}\ninactive_file {1 * GB}\n",
        "sys/fs/cgroup/job/step/cpu.max": "max 100000\n",
        "sys/fs/cgroup/job/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/job/step/memory.events": "low 0\noom 3\noom_kill 2\n",
    }
    root = machine(tmp_path, files, own="0::/job/step")
    limit = memory_limit(root=root)
    assert limit.bytes == 6 * GB and str(limit) == "6.0 GB (left of 8.0 GB of a control group)"
    assert processor_limit(root=root).count == 1
    assert oom_kills(root=root) == 2


def test_version_1_says_it_in_its_own_files(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{4 * GB}\n",
        "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{1 * GB}\n",
        "sys/fs/cgroup/memory/job/memory.stat": f"inactive_file 5\ntotal_inactive_file {GB // 2}\n",
        "sys/fs/cgroup/memory/job/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",  # none
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    root = machine(tmp_path, files, mounts=SPLIT, own="7:memory:/job\n3:cpu,cpuacct:/job\n0::/")
    assert memory_limit(root=root).bytes == 3.5 * GB
    assert oom_kills(root=root) == 7
    assert processor_limit(root=root).count == 1
    assert "0.5 granted by a control group" in str(processor_limit(root=root))


def test_in_a_container_the_groups_begin_at_its_own(tmp_path: Path) -> None:
    root = machine(tmp_path, {"sys/fs/cgroup/memory.max": f"{2 * GB}\n"}, top="/docker/abc", own="0::/docker/abc")
    assert memory_limit(root=root).bytes == 2 * GB
    outside = machine(tmp_path / "b", {"sys/fs/cgroup/memory.max": f"{3 * GB}\n"}, own="0::/../../elsewhere")
    assert [group.folder for group in control_groups("memory", root=outside)] == [outside / "sys/fs/cgroup"]
    assert memory_limit(root=outside).bytes == 3 * GB


@pytest.mark.parametrize(
    ("variables", "granted"),
    [
        ({}, None),
        ({"SLURM_MEM_PER_NODE": "4096"}, 4 * GB),
        ({"SLURM_MEM_PER_NODE": "4G"}, 4 * GB),
        ({"SLURM_MEM_PER_NODE": "0"}, None),  # all of it
        ({"SLURM_MEM_PER_NODE": "lots"}, None),
        ({"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_ON_NODE": "3"}, 6 * GB),
        ({"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_PER_TASK": "2"}, 4 * GB),
        ({"SLURM_MEM_PER_CPU": "1024"}, 1 * GB),
    ],
)
def test_what_slurm_grants(
    variables: dict[str, str], granted: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert slurm_memory() == granted
    limit = memory_limit(root=machine(tmp_path, {}))
    assert limit.bytes == (granted or 64 * GB) and ("SLURM" in limit.reason) == bool(granted)


@given(asked=st.floats(0.5, 200.0), granted=st.integers(1, 200), free=st.integers(1, 200))
def test_the_least_decides(tmp_path_factory: pytest.TempPathFactory, asked: float, granted: int, free: int) -> None:
    files = {
        "sys/fs/cgroup/memory.max": f"{granted * GB}\n",
        "proc/meminfo": f"MemAvailable: {free * GB // 1024} kB\n",
    }
    limit = memory_limit(asked, root=machine(tmp_path_factory.mktemp("machine"), files))
    assert limit.bytes == min(int(asked * GB), granted * GB, free * GB)


def test_this_machine() -> None:
    """What the kernel itself says: memory that a process takes is seen, and that of one that is gone is nobody's."""
    assert 0 < available_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)
    code = "kept = bytearray(b'x') * (80 << 20); gone = len(bytearray(b'x') * (80 << 20)); print('there'); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-u", "-c", code], text=True, **pipes) as child:
        assert child.stdout is not None and child.stdout.readline() == "there\n"
        used = process_bytes(child.pid)
        assert used is not None and 80 << 20 <= used.resident < 160 << 20 <= used.peak < 400 << 20
        child.communicate("\n")
    assert process_bytes(child.pid) is None
    mine = process_bytes()
    assert mine is not None and mine.peak >= mine.resident > 0


@pytest.mark.parametrize("name", ["SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"])
def test_slurm_limits_the_processors(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(name, "1")
    assert available_cpus() == 1 and processor_limit(root=machine(tmp_path, {})).count == 1


def test_a_limit_that_is_too_small_for_one_study_is_said() -> None:
    of_limit = Budget(0, Limit(2**29, "--mem-gb"))
    said = "memory is short: 0.5 GB (--mem-gb) may be used, one study at a time takes over 0.8 GB"
    assert of_limit.shortage(in_use=550_000_000) == said and of_limit.words == "0.0 of 0.5 GB (--mem-gb)"
    assert of_limit.shortage(in_use=200_000_000) == "" and of_limit.allows(10**9, beside=[])
    assert not of_limit.allows(1, beside=[1])
