"""A real SLURM on this machine for the time of a block: munged, slurmctld and slurmd, all of it in one folder."""

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

WAIT_S = 60.0
CONFIG = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MpiDefault=none
ReturnToService=2
KillWait=5
MaxArraySize={array}
NodeName=one NodeAddr=127.0.0.1 NodeHostname={host} CPUs={cpus} RealMemory=16000 State=UNKNOWN
PartitionName=all Nodes=one Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A running SLURM of one node; `environment` is what its programs need."""

    environment: Mapping[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program that finds this SLURM."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def ask(self, *command: str) -> str:
        """The output of a program that must not fail."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def states(self, job: str) -> dict[str, str]:
        """State of each task of a job, by its number in the array; `""` for a job that is no array."""
        told = self.ask("scontrol", "show", "job", "--oneliner", job)
        jobs = (dict(word.split("=", 1) for word in line.split() if "=" in word) for line in told.splitlines())
        return {one.get("ArrayTaskId", ""): one["JobState"] for one in jobs}

    def kill(self, job: str, task: int) -> None:
        """SIGKILL for every process of a task of an array, as when its memory ran out; SLURM itself asks first."""
        for pid in _job_processes(self, f"SLURM_ARRAY_JOB_ID={job}", f"SLURM_ARRAY_TASK_ID={task}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait(self, *jobs: str) -> None:
        """Until no task of the jobs is pending or running."""
        until(lambda: not self.ask("squeue", "--noheader", "--jobs", ",".join(jobs), "--states=PD,R,CG,S").strip())


def until(holds: Callable[[], bool], *, seconds: float = WAIT_S * 5) -> None:
    """Wait until something holds; no test waits for ever."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


@contextlib.contextmanager
def slurm_machine(*, cpus: int = 4, max_array_size: int = 101) -> Iterator[Machine]:
    """Start SLURM, wait until its node is idle, and leave no process behind.

    `cpus` is what it gives away, whatever the machine has.
    """
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a short path: that of a socket may have 107 bytes
    folder.chmod(0o755)  # munged's socket must be in reach
    for name in ("state", "spool"):
        (folder / name).mkdir()
    controller, node = _free_ports()
    facts = {"host": socket.gethostname().split(".")[0], "user": getpass.getuser(), "cpus": cpus}
    facts |= {"folder": folder, "controller": controller, "node": node, "array": max_array_size}
    (folder / "slurm.conf").write_text(CONFIG.format(**facts))
    machine = Machine({"SLURM_CONF": str(folder / "slurm.conf")})
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        _start(stack, folder, "munged", "--foreground", *_munge(folder))
        until((folder / "munge.sock").exists, seconds=WAIT_S)
        _start(stack, folder, "slurmctld", "-D", "-f", str(folder / "slurm.conf"))
        _start(stack, folder, "slurmd", "-D", "-f", str(folder / "slurm.conf"), "-N", "one")
        stack.callback(_clear, machine)
        until(lambda: machine.run("sinfo", "--noheader", "--format=%T").stdout.strip() == "idle", seconds=WAIT_S)
        yield machine


def _munge(folder: Path) -> list[str]:
    """Options of munged, with a key of its own."""
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    places = {"key-file": key, "socket": folder / "munge.sock", "pid-file": folder / "munged.pid"}
    places |= {"log-file": folder / "munged.log", "seed-file": folder / "munged.seed"}
    return [f"--{name}={place}" for name, place in places.items()]


def _start(stack: contextlib.ExitStack, folder: Path, name: str, *arguments: str) -> None:
    """A daemon that is stopped when the stack unwinds."""
    with (folder / f"{name}.out").open("wb") as out:
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        program = shutil.which(name, path=path)
        assert program, f"{name} is not installed: see .ci/packages"
        daemon = subprocess.Popen([program, *arguments], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    stack.callback(_stop, daemon)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _clear(machine: Machine) -> None:
    """End all jobs, by SLURM and, where that does not help, by hand."""
    everything = ("scancel", "--user", getpass.getuser())
    machine.ask(*everything, "--signal=KILL", "--full")
    machine.ask(*everything)
    with contextlib.suppress(AssertionError):
        until(lambda: not _job_processes(machine), seconds=WAIT_S)
    left = _job_processes(machine)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left, f"outlived their job: {list(left.values())}"


def _job_processes(machine: Machine, *variables: str) -> dict[int, str]:
    """Command lines of processes that jobs of this SLURM run or left, by their numbers; with `variables` set."""
    marks, found = {f"SLURM_CONF={machine.environment['SLURM_CONF']}", *variables}, {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = set(os.fsdecode((process / "environ").read_bytes()).split("\0"))
            if marks <= environment and any(line.startswith("SLURM_JOB_ID=") for line in environment):
                found[int(process.name)] = os.fsdecode((process / "cmdline").read_bytes()).replace("\0", " ")
    return found


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
