"""Volumes that a head finds in synthetic hearts over the true ones, for several class weights of its card, as JSON.

    python bench/calibrate_head.py [--heads FOLDER] [--stacks 30] [--seed 4711] [--out FILE]

The weights whose ratios are nearest to one (least sum of |log ratio|) belong in the card: a network trained with
ambiguous walls gives the border to the larger class. No patient image is used.
"""

import argparse
import dataclasses
import json
from itertools import product
from pathlib import Path

import numpy as np
from provenance import provenance

from cinema_cli.domain.cine import Label
from cinema_cli.inference.stack_network import load_stack_network
from cinema_cli.training.starter_data import picture, sample_tissue_stack

TRIED = tuple(
    (1.0, rv, myo, lv)
    for rv, myo, lv in product((1.0, 1.25, 1.5, 2.0), (0.5, 0.6, 0.7, 0.85, 1.0), (1.0, 1.25, 1.5, 2.0))
)
NAMES = {Label.RV: "rv", Label.MYO: "myo", Label.LV: "lv"}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=Path, help="folder of the head, instead of the embedded ones")
    parser.add_argument("--stacks", type=int, default=30)
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--out", type=argparse.FileType("w"))
    arguments = parser.parse_args()
    head = load_stack_network(device="cpu", folder=arguments.heads)
    head.card = dataclasses.replace(head.card, class_weights=(1.0,) * 4)
    rng = np.random.default_rng(arguments.seed)
    found = {weights: np.zeros(4) for weights in TRIED}
    true = np.zeros(4)
    for _ in range(arguments.stacks):
        image, labels = picture(sample_tissue_stack(rng), rng)
        probabilities = head.answer(image[None], turns_deg=head.card.turns_deg)[0]
        true += np.bincount(labels.ravel(), minlength=4)
        for weights, total in found.items():
            chosen = (probabilities * np.array(weights)[:, None, None]).argmax(axis=1)
            total += np.bincount(chosen.ravel(), minlength=4)
    rows = [
        {"class_weights": weights, **{name: round(float(total[k] / true[k]), 3) for k, name in NAMES.items()}}
        for weights, total in found.items()
    ]
    rows.sort(key=lambda row: sum(abs(np.log(row[name])) for name in NAMES.values()))
    result = {
        "best": rows[0],
        "stacks": arguments.stacks,
        "seed": arguments.seed,
        "ratios": rows,
        "sha256": head.use.sha256,
    }
    text = json.dumps(result | provenance(), indent=1)
    if arguments.out:
        arguments.out.write(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
