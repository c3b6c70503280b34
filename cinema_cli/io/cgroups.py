"""Control groups of this process: the folders in which a container or scheduler says what it grants."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """One control group that this process is in, and its version (1 or 2)."""

    folder: Path
    version: int

    def number(self, name: str, *, key: str = "") -> int | None:
        """The number in file `name`, or behind `key` in it; None where there is none, such as "max"."""
        try:
            words = [line.split() for line in (self.folder / name).read_text().splitlines()]
            if key:
                return next((int(line[1]) for line in words if line and line[0] == key), None)
            return int(words[0][0])
        except (OSError, ValueError, IndexError):
            return None


def control_groups(controller: str, *, root: Path = _ROOT) -> Iterator[ControlGroup]:
    """The groups of this process that `controller` (memory, cpu) may limit: its own first, then their parents.

    All of them hold at once: a limit may be set at any height. `root` is where /proc and /sys are found.
    """
    for version, own in _memberships(controller, root):
        for inside, mount in _mounts(controller, version, root):
            try:  # in a container, what is mounted may begin below the host's top
                below = own.relative_to(inside)
            except ValueError:
                below = PurePosixPath()
            for part in (below, *below.parents):
                folder = root / mount.relative_to("/") / part
                if ".." not in part.parts and folder.is_dir():
                    yield ControlGroup(folder, version)


def _memberships(controller: str, root: Path) -> Iterator[tuple[int, PurePosixPath]]:
    """(version, path of the group), as /proc/self/cgroup says: `4:memory:/job_7`, or `0::/job_7` in version 2."""
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            yield 2, PurePosixPath(path).relative_to("/")
        elif controller in controllers.split(","):
            yield 1, PurePosixPath(path).relative_to("/")


def _mounts(controller: str, version: int, root: Path) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """(group at the top of what is mounted, mount point) of each hierarchy, as /proc/self/mountinfo says."""
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        top, point = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if (kind == "cgroup2" and version == 2) or (
            kind == "cgroup" and version == 1 and controller in options.split(",")
        ):
            yield PurePosixPath(top).relative_to("/"), PurePosixPath(point)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # no Linux
        return []
