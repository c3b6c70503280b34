"""Surface distances of a cine: every frame and class, on one thread and on several, beside another way to find them.

    python bench/surface_distance.py [--frames 50] [--threads 2] [--out FILE]

The cine has 10 slices of 256 x 216 pixels and three classes; the prediction is moved and swollen. `by_tree` finds the
same distances with a k-d tree of surface voxels instead of distance transforms. `from_files` is all that `cinema
evaluate` does for such a pair: reading, overlap, distances, volumes. Processor seconds tell where wall seconds are
longer because of other work on the machine.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from programs import write
from provenance import peak_mib, provenance
from scipy.spatial import cKDTree

from cinema_cli.analysis.evaluation.masks import evaluate_masks
from cinema_cli.analysis.evaluation.pairs import find_predictions, find_references, paired
from cinema_cli.analysis.statistics.surface_distance import surface, surface_distance

SHAPE = (10, 256, 216)  # (slice, row, column)
SPACING_MM = (10.0, 1.4, 1.4)
MOST_BEAT = 0.25  # of the radii, at ES


def heart(beat: float, *, shift_mm: float = 0.0) -> np.ndarray:
    """Labels (slice, row, column) of a heart of usual size, `beat` from 0 (ED) to 1 (ES)."""
    axes = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(SHAPE, SPACING_MM, strict=True))
    z, y, x = np.meshgrid(*axes, indexing="ij")
    within, length = (x**2 + (y - shift_mm) ** 2) ** 0.5, np.sqrt(np.clip(1 - (z / 48) ** 2, 0, None))
    labels = np.zeros(SHAPE, np.uint8)
    labels[((x + 42) ** 2 + (y - shift_mm) ** 2) ** 0.5 < 42 * length * (1 - MOST_BEAT * beat)] = 1
    labels[within < 36 * length] = 2
    labels[within < 26 * length * (1 - MOST_BEAT * beat)] = 3
    return labels


def by_tree(prediction: np.ndarray, reference: np.ndarray) -> float:
    """95 % Hausdorff distance by nearest neighbours in k-d trees."""
    points = [np.argwhere(surface(mask)) * SPACING_MM for mask in (prediction, reference)]
    trees = [cKDTree(some) for some in points]
    return float(max(np.percentile(trees[1 - k].query(points[k])[0], 95) for k in (0, 1)))


def by_transform(prediction: np.ndarray, reference: np.ndarray) -> float:
    """95 % Hausdorff distance as it is computed here."""
    return surface_distance(prediction, reference, spacing_mm=SPACING_MM).hd95_mm


def frame(pair: tuple[np.ndarray, np.ndarray], way: Callable[[np.ndarray, np.ndarray], float]) -> list[float]:
    """Distances of the classes of a frame."""
    return [way(pair[0] == label, pair[1] == label) for label in (1, 2, 3)]


def measured(work: Callable[[], object], *, repeats: int = 3) -> dict[str, float]:
    """Least wall and processor seconds of some runs."""
    runs = []
    for _ in range(repeats):
        began, processor = time.perf_counter(), time.process_time()
        work()
        runs.append((time.perf_counter() - began, time.process_time() - processor))
    return {"wall_s": round(min(wall for wall, _ in runs), 3), "processor_s": round(min(p for _, p in runs), 3)}


def from_files(pairs: list[tuple[np.ndarray, np.ndarray]], folder: Path) -> Callable[[], int]:
    """Write both cines; what is to be measured then."""
    for k, name in enumerate(("predicted", "true")):
        (folder / name).mkdir()
        cine = np.stack([pair[k] for pair in pairs]).T
        affine = np.diag([*SPACING_MM[::-1], 1.0])
        nib.save(nib.Nifti1Image(cine, affine), folder / name / "person_sax.nii.gz")
    studies = paired(find_predictions(folder / "predicted"), find_references(folder / "true"))
    return lambda: evaluate_masks(studies).table.height


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    beats = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(given.frames) / given.frames)
    pairs = [(heart(beat * 0.9, shift_mm=3.0), heart(beat)) for beat in beats]
    ours, trees = (np.array([frame(pair, way) for pair in pairs]) for way in (by_transform, by_tree))
    if np.abs(ours - trees).max() > 1e-9:
        raise SystemExit("two ways find two distances")
    with ThreadPoolExecutor(given.threads) as pool, tempfile.TemporaryDirectory() as scratch:
        result = {
            "frames": given.frames,
            "shape": SHAPE,
            "classes": 3,
            "mean_hd95_mm": round(float(ours.mean()), 3),
            "one_thread": measured(lambda: [frame(pair, by_transform) for pair in pairs]),
            f"{given.threads}_threads": measured(lambda: list(pool.map(partial(frame, way=by_transform), pairs))),
            "by_tree": measured(lambda: [frame(pair, by_tree) for pair in pairs], repeats=1),
            "from_files": measured(from_files(pairs, Path(scratch))),
            "peak_mib": peak_mib(),
            "load_average": os.getloadavg()[0],
            **provenance(),
        }
    write(result, given.out)


if __name__ == "__main__":
    main()
