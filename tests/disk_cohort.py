"""`cinema` on tiny DICOM hearts with a head that reads grey values: for tests in which the network is not the point.

As a program: `python disk_cohort.py SECONDS analyse ...` takes that long for each study and says when it begins one.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from dicom_factory import write_sax
from disk_hearts import GREY, GreyHead, disk_masks
from pydicom.dataset import Dataset

from cinema_cli.commands import app
from cinema_cli.domain.cine import CineStudy
from cinema_cli.domain.result import StudyResult
from cinema_cli.inference.engine import Engine
from cinema_cli.inference.segmenters import StackSegmenter

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
    """The real engine with the grey head; it can be slow, and says when it begins."""

    seconds_each = 0.0

    def analyse(self, study: CineStudy) -> StudyResult:
        """See Engine."""
        if self.seconds_each:
            print(f"begins {study.participant_id}", flush=True)
            time.sleep(self.seconds_each)
        return super().analyse(study)


def load_disk_engine(names: Sequence[str] = (), *, device: str = "auto", precision: str = "auto") -> DiskEngine:
    """No weights are needed."""
    return DiskEngine(StackSegmenter(GreyHead()))


if __name__ == "__main__":
    from cinema_cli.commands import job

    DiskEngine.seconds_each = float(sys.argv.pop(1))
    job.load_engine = load_disk_engine
    app.main()
