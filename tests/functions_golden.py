"""Golden values of single functions of the reference (shared/golden/models/functions): where, and how to read them."""

import json
from typing import Any

import numpy as np
import pytest
from networks_golden import GOLDEN
from recorded import Recorded

FUNCTIONS = GOLDEN / "functions"
needs_golden = pytest.mark.skipif(not FUNCTIONS.is_dir(), reason="the golden values are not on this machine")


def arrays(name: str) -> dict[str, np.ndarray]:
    """Every array of FUNCTIONS/<name>.npz."""
    with np.load(FUNCTIONS / f"{name}.npz") as file:
        return Recorded(name, {key: np.asarray(file[key]) for key in file})


def said(name: str) -> Any:
    """An entry of info.json."""
    return Recorded("info", json.loads((FUNCTIONS / "info.json").read_text("utf-8")))[name]


def masks_of(name: str, prefix: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true labels (case, slice, row, column) of an entry of segmentation metrics."""
    entry = arrays(name)
    found, truth = entry[f"{prefix}logits"].argmax(axis=1), entry[f"{prefix}labels"][:, 0]
    return found.transpose(0, 3, 2, 1), truth.transpose(0, 3, 2, 1)
