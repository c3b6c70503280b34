"""Class probabilities of a cine's images, cut to where the heart may be, with the labels that they say kept in step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.inference.pieces import Mask

Float32 = NDArray[np.float32]
Labels = NDArray[np.uint8]

SURE = 0.81  # of background: over it no other class reaches the 0.2 from which steps take notice, in no mean of frames


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Probabilities and labels inside a box of the network's grid; all else is background. Both are changed in place.

    Whatever changes a probability changes the label with it, and looks at no more pixels than it changes.
    """

    probabilities: Float32  # (class, frame, slice, row, column), contiguous, summing to one over classes
    labels: Labels  # (frame, slice, row, column): the most probable class
    box: tuple[slice, slice]  # its rows and columns on the grid
    size: tuple[int, int]  # rows and columns of the grid

    def deny(self, where: Mask, *classes: int) -> None:
        """Take classes away at `where`; the others are scaled up to sum to one, background where nothing is left."""
        at = np.flatnonzero(where)
        values = self._flat[:, at]  # (class, pixel)
        values[list(classes)] = 0.0
        total = values.sum(axis=0)
        values = np.where(total > 1e-6, values / np.maximum(total, 1e-6), self._certain(0))
        self._flat[:, at] = values
        self.labels.reshape(-1)[at] = values.argmax(axis=0)

    def give(self, where: Mask, label: int) -> None:
        """Make `label` certain at `where`."""
        self._flat[:, np.flatnonzero(where)] = self._certain(label)
        self.labels[where] = label

    def put(self, frame: int, position: int, values: Float32) -> None:
        """Replace one image by other probabilities (class, row, column)."""
        self.probabilities[:, frame, position] = values
        self.labels[frame, position] = labels_of(values)

    def put_all(self, values: Float32) -> None:
        """Replace every probability (class, frame, slice, row, column)."""
        self.probabilities[:] = values
        self.labels[:] = labels_of(values)

    def on_grid(self) -> Labels:
        """Labels (frame, slice, row, column) on the whole grid."""
        labels = np.zeros((*self.labels.shape[:2], *self.size), np.uint8)
        labels[(..., *self.box)] = self.labels
        return labels

    @property
    def _flat(self) -> Float32:
        """A view of the probabilities, (class, pixel)."""
        return self.probabilities.reshape(len(self.probabilities), -1)

    def _certain(self, label: int) -> Float32:
        """(class, 1): nothing but one label."""
        return np.eye(len(self.probabilities), dtype=np.float32)[:, label, None]


def labelled(probabilities: Float32, *, margin_px: int = 1) -> Labelled:
    """Probabilities (frame, slice, class, row, column), copied, round all that may not be background.

    At least one pixel of margin is needed: a piece that ends at the border of the box ends at that of the image.
    """
    rows, columns = probabilities.shape[3:]
    box = box_round(np.asarray((probabilities[:, :, 0] < SURE).any(axis=(0, 1))), margin_px=margin_px)
    inside = np.ascontiguousarray(np.moveaxis(probabilities[(..., *box)], 2, 0), dtype=np.float32)
    return Labelled(inside, labels_of(inside), box, (rows, columns))


def box_round(mask: Mask, *, margin_px: int) -> tuple[slice, slice]:
    """Rows and columns of a mask (row, column) round all it has, with a margin up to its border; the first for none."""
    spans = []
    for axis in (1, 0):
        at = np.flatnonzero(mask.any(axis=axis))
        spans.append(slice(max(0, at[0] - margin_px), at[-1] + 1 + margin_px) if len(at) else slice(0, 1))
    return spans[0], spans[1]


def labels_of(probabilities: Float32) -> Labels:
    """Most probable class (...) of probabilities (class, ...), the first of several."""
    best, labels = probabilities[0].copy(), np.zeros(probabilities.shape[1:], np.uint8)
    for label in range(1, len(probabilities)):  # several times faster than argmax over the first axis
        np.copyto(labels, label, where=probabilities[label] > best)
        np.maximum(best, probabilities[label], out=best)
    return labels
