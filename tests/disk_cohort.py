"""`cinema` on tiny DICOM hearts with a head that reads grey values: for tests in which the network is not the point.

As a program: `python disk_cohort.py SECONDS analyse ...` takes that long for each study, in real study processes.
"""

import ctypes
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from dicom_factory import write_sax
from disk_hearts import GREY, GreyHead, disk_masks
from pydicom.dataset import Dataset

from cinema_cli.commands import app, job, studies_run
from cinema_cli.domain.cine import CineStudy
from cinema_cli.domain.result import StudyResult
from cinema_cli.inference.cards import read_card
from cinema_cli.inference.device_messages import Work
from cinema_cli.inference.engine import Engine
from cinema_cli.inference.engine_facts import EngineFacts, HeadFacts
from cinema_cli.inference.segmenters import StackSegmenter
from cinema_cli.inference.study_processes import OneByOne
from cinema_cli.inference.study_work import At
from cinema_cli.io import pixels

SLICES, FRAMES, SIZE = 6, 8, 72
MASKS = disk_masks(
    n_frames=FRAMES, n_slices=SLICES, shape=(SIZE, SIZE), spacing_mm=(3.0, 3.0), centre_mm=(108.0, 108.0)
)


def paint(image: Dataset, slice_index: int, frame: int) -> None:
    """Put the disk heart into an image."""
    image.PixelData = np.rint(GREY[MASKS[frame, slice_index % SLICES]] * 400).astype("<u2").tobytes()


def write_heart(folder: Path, patient_id: str, **how: object) -> list[Path]:
    """The short axis of one person; further options are those of dicom_factory.write_sax."""
    usual = {"slices": SLICES, "frames": FRAMES, "size": (SIZE, SIZE), "name": f"{patient_id}^Secret", "edit": paint}
    return write_sax(folder, **usual | {"patient_id": patient_id, "study_uid": f"1.2.3.4.5.{hash_of(folder)}"} | how)


def hash_of(folder: Path) -> int:
    """A number for a folder, the same in every run of a test."""
    return sum((k + 1) * ord(letter) for k, letter in enumerate(folder.name))


class DiskEngine(Engine):
    """The real engine with the grey head; it can be slow."""

    def __init__(self, seconds_each: float) -> None:
        super().__init__(StackSegmenter(GreyHead()))
        self.seconds_each = seconds_each

    def analyse(self, study: CineStudy, *, at: At = str) -> StudyResult:
        """See Engine."""
        at("segment")
        time.sleep(self.seconds_each)
        return super().analyse(study, at=at)


@dataclass
class GreyDevice:
    """Stands for the device process where no network runs."""

    seconds_each: float = 0.0
    peak_bytes = 0
    n_starts = 1

    @property
    def facts(self) -> EngineFacts:
        """Of the grey head."""
        card = read_card("starter_sax")
        return EngineFacts((HeadFacts(card, GreyHead().use, 1),), (), "fp32", "cpu", "cpu")

    @property
    def engine(self) -> Callable[[], DiskEngine]:
        """What a study process makes its engine with."""
        return partial(DiskEngine, self.seconds_each)

    def check(self) -> None:
        """All is well."""

    def news(self) -> tuple[()]:
        """Nothing happens."""
        return ()

    def work(self) -> Work:
        """Nothing was done."""
        return Work()

    def revive(self) -> bool:
        """It does not die."""
        return False


def use_grey_head(*, seconds_each: float = 0.0, processes: bool = False) -> None:
    """Have `cinema analyse` use the grey head, in this process unless `processes` are wanted."""
    job.running_device = lambda options: nullcontext(GreyDevice(seconds_each))  # type: ignore[assignment]
    if not processes:
        studies_run.study_processes = lambda setup, count: OneByOne(setup.engine(), setup.writing)


def crash_on(patient_id: str) -> None:
    """Have the decoder of images die by a wrong address where it comes to a patient."""
    whole = pixels.dcmread

    def read(source: object, **options: object) -> Dataset:
        found = whole(source, **options)  # type: ignore[arg-type]
        if found.PatientID == patient_id:
            ctypes.string_at(0)
        return found

    pixels.dcmread = read  # type: ignore[assignment]


if patient := os.environ.get("CRASHING_DECODER"):  # in every study process, which imports this file
    crash_on(patient)

if __name__ == "__main__":
    use_grey_head(seconds_each=float(sys.argv.pop(1)), processes=True)
    app.main()
