"""Speed of reading DICOM in archives in place: headers against a plain pydicom loop on unpacked files, and pixels.

python bench/archives.py COHORT [--files 400] [--rounds 3] [--out FILE]
(COHORT: what `cinema simulate COHORT -N 8` writes)
"""

import argparse
import json
import statistics
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from provenance import provenance
from pydicom import dcmread

from cinema_cli.io.archive import Member, read_members
from cinema_cli.io.dicom_file import read_file, read_member
from cinema_cli.io.pixels import Place, read_frames

KINDS = {"zip": "", "tar": "w", "tar.gz": "w:gz"}


def packed(cohort: Path, files: list[Path], place: Path, end: str) -> Path:
    """All files in one archive."""
    path = place / f"1234567_20209_2_0.{end}"
    if end == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.relative_to(cohort))
        return path
    with tarfile.open(path, KINDS[end]) as archive:  # type: ignore[call-overload]
        for file in files:
            archive.add(file, file.relative_to(cohort))
    return path


def plain_loop(files: list[Path]) -> None:
    """What a script does."""
    for file in files:
        dcmread(file, stop_before_pixels=True).get("SeriesInstanceUID")


def headers_of(members: Iterator[Path | Member]) -> None:
    """Rows of the index of some files."""
    for member in members:
        if isinstance(member, Path):
            read_file(str(member))
        else:
            read_member(member, mtime_ns=0)


def members_of(path: Path) -> Iterator[Member]:
    """The DICOM files in an archive."""
    for _, member in read_members(path):
        if not isinstance(member, Member):
            raise RuntimeError(member.sentence)
        yield member


def places(cohort: Path, files: list[Path], archive: Path | None) -> tuple[Path, list[Place]]:
    """What `read_frames` takes, for files or for members."""
    names = [str(file.relative_to(cohort)) for file in files]
    if archive is None:
        return cohort, [(name, None, 0) for name in names]
    return archive.parent, [(archive.name, name, 0) for name in names]


def measured(ways: dict[str, Callable[[], object]], *, n_files: int, rounds: int) -> dict[str, dict[str, float]]:
    """Files per processor second of each way: rounds by turns, so that a noisy machine is noisy for all."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            way()
            seconds[name].append(time.process_time() - start)
    usual = {name: statistics.median(own) for name, own in seconds.items()}
    first = next(iter(usual.values()))
    return {
        name: {"files_per_s": round(n_files / own, 1), "times_the_first": round(first / own, 2)}
        for name, own in usual.items()
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "archives.json")
    asked = parser.parse_args()
    files = sorted(asked.cohort.rglob("*.dcm"))[: asked.files]
    with tempfile.TemporaryDirectory() as temporary:
        archives = {end: packed(asked.cohort, files, Path(temporary), end) for end in KINDS}
        headers: dict[str, Callable[[], object]] = {
            "pydicom, unpacked files": lambda: plain_loop(files),
            "unpacked files": lambda: headers_of(iter(files)),
            **{end: lambda path=path: headers_of(members_of(path)) for end, path in archives.items()},  # type: ignore[misc]
        }
        some = files[:: max(1, len(files) // 700)]  # as many as one study of UK Biobank has
        pixels: dict[str, Callable[[], object]] = {
            name: lambda path=path: read_frames(*places(asked.cohort, some, path))  # type: ignore[misc]
            for name, path in {"unpacked files": None, **archives}.items()
        }
        result = {
            **provenance(),
            "files": len(files),
            "bytes_per_file": round(sum(file.stat().st_size for file in files) / len(files)),
            "megabytes": {end: round(path.stat().st_size / 1e6, 1) for end, path in archives.items()},
            "headers": measured(headers, n_files=len(files), rounds=asked.rounds),
            "pixels": measured(pixels, n_files=len(some), rounds=asked.rounds),
            "measured": "processor seconds of one process, files in the page cache; pixels: a study's worth of files",
        }
    text = json.dumps(result, indent=2)
    asked.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
