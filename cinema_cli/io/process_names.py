"""What tells one process from all others that share a disk."""

import os
import socket
from functools import cache
from hashlib import blake2b
from pathlib import Path

DEAD_AFTER_SECONDS = 120.0  # of silence, for a process that cannot be looked for


@cache
def machine() -> str:
    """Boot and space of process numbers (containers have their own); empty where there is no /proc to tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} no /proc" if not Path("/proc/self").exists() else ""


@cache
def machine_mark() -> str:
    """`machine` in the 8 letters that stand in names of files."""
    return blake2b(machine().encode(), digest_size=4).hexdigest()


def began(pid: int) -> str:
    """When process `pid` began, in kernel ticks; empty if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        if Path("/proc/self").exists():
            return ""
        try:  # no /proc (macOS): the number alone
            os.kill(pid, 0)
        except ProcessLookupError:
            return ""
        except PermissionError:
            return "unknown"
        return "unknown"
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]
