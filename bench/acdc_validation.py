"""Measure a short-axis head on the 20 labelled ACDC patients: 3-D Dice a patient, EF and volume errors, as JSON.

    python bench/acdc_validation.py [FOLDER] [--heads FOLDER] [--out FILE]

The patients are for validation only: nothing here trains. Each patient is a cine of two frames (ED, ES), read as
`cinema infer` reads NIfTI; their files carry no orientation; the heart's centre is not given.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import nibabel as nib
import numpy as np
from provenance import ROOT, provenance

from cinema_cli.domain.cine import Cine, Label, View
from cinema_cli.inference.centre import find_centre
from cinema_cli.inference.locate import locate
from cinema_cli.inference.orientation import display_stack
from cinema_cli.inference.segmenters import segment_stack
from cinema_cli.inference.stack_head import StackHead, load_stack_head
from cinema_cli.io.index import CohortIndex, plan_of, scan, studies
from cinema_cli.io.study import read_study

NAMES = {Label.RV: "rv", Label.MYO: "myo", Label.LV: "lv"}


@cache
def index_of(folder: Path) -> CohortIndex:
    """What `cinema infer` finds in the folder."""
    return scan(folder)


def read_patient(folder: Path, patient: str) -> tuple[Cine, np.ndarray]:
    """Cine of two frames, as `cinema infer` reads it, and labels (frame, slice, row, column) of one patient."""
    index = index_of(folder)
    (key,) = (key for key in studies(index) if key.participant_id == f"sub-{patient}")
    cine = read_study(plan_of(index, key)).cines[View.SAX]
    truth = np.zeros(cine.pixels.shape, np.uint8)
    for file in cine.files:
        labels = np.asarray(nib.load(folder / f"{file.name}_gt.nii.gz").dataobj).T  # (slice, row, column)
        for frame, place in np.argwhere(file.items >= 0):
            truth[frame, place] = labels[file.items[frame, place]]
    return cine, truth


def masks_of(cine: Cine, *, head: StackHead) -> np.ndarray:
    """What the engine makes of a cine: labels on the source grid."""
    stack = display_stack(cine)
    centre = locate(stack, head=head, guess=find_centre(cine))
    return segment_stack(stack, head=head, centre=centre.point, known=cine.known_frames)[0]


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    """Overlap of two masks; 1 where both are empty."""
    total = found.sum() + truth.sum()
    return float(2.0 * (found & truth).sum() / total) if total else 1.0


def ef(masks: np.ndarray, label: Label, voxel_ml: float) -> tuple[float, float, float]:
    """ED volume, ES volume (ml) and EF (percent) of a two-frame mask."""
    ed, es = ((masks[k] == label).sum() * voxel_ml for k in (0, 1))
    return float(ed), float(es), float(100.0 * (ed - es) / ed) if ed else float("nan")


def measure(folder: Path, segment: Callable[[Cine], np.ndarray]) -> dict[str, object]:
    """Rows a patient and means over patients; `segment(cine)` returns labels on the source grid."""
    rows = []
    for path in sorted(folder.glob("*_ed_gt.nii.gz")):
        patient = path.name.split("_")[0]
        cine, truth = read_patient(folder, patient)
        start = time.perf_counter()
        found = segment(cine)
        row: dict[str, object] = {"patient": patient, "seconds": round(time.perf_counter() - start, 2)}
        for label, name in NAMES.items():
            for k, moment in enumerate(("ed", "es")):
                row[f"{name}_{moment}"] = dice(found[k] == label, truth[k] == label)
            row[name] = (row[f"{name}_ed"] + row[f"{name}_es"]) / 2  # type: ignore[operator]
        for label, name in ((Label.LV, "lv"), (Label.RV, "rv")):
            got, want = ef(found, label, cine.voxel_ml), ef(truth, label, cine.voxel_ml)
            row |= {f"{name}edv_error_ml": got[0] - want[0], f"{name}esv_error_ml": got[1] - want[1]}
            row |= {f"{name}ef": got[2], f"{name}ef_error": got[2] - want[2]}
        mass = [1.05 * cine.voxel_ml * float((m[0] == Label.MYO).sum()) for m in (found, truth)]
        row["lvm_error_g"] = mass[0] - mass[1]
        rows.append(row)
    keys = [k for k in rows[0] if k not in ("patient",)]
    mean = {k: round(float(np.mean([r[k] for r in rows])), 4) for k in keys}
    mean |= {f"{k}_mae": round(float(np.mean([abs(r[k]) for r in rows])), 3) for k in keys if "error" in k}
    return {"n": len(rows), "mean": mean, "patients": rows}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT.parent / "shared" / "data" / "acdc-validation")
    parser.add_argument("--head", default="starter_sax")
    parser.add_argument("--heads", type=Path, help="folder of the head, instead of the embedded ones")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"no ACDC patients at {arguments.folder}: nothing measured", file=sys.stderr)
        return
    head = load_stack_head(arguments.head, device="cpu", folder=arguments.heads)
    result = measure(arguments.folder, partial(masks_of, head=head))
    result |= {"head": head.use.name, "sha256": head.use.sha256, **provenance()}
    text = json.dumps(result, indent=1, default=float)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    json.dump(result["mean"], sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
