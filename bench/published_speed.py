"""Seconds a frame and memory of the published short-axis segmentation, ours and the reference's way, as JSON.

    python bench/published_speed.py [--rounds N] [--out FILE]

Base size, random weights by the rule in shared/golden/models/README.md: each value from its key's own generator, scaled
so that every layer keeps its spread. A synthetic heart's frames go in. Three processes take turns, frame by frame, so
that what else the machine does hits all alike: the plain network in float32, one frame at a time, as the reference runs
it; `inference.fast.ready` in float32; the same in bfloat16. Each answers all frames, and labels are compared twice: of
the logits as they are (all four labels are common, and so are near-ties), and with a constant added to each class that
gives the labels the shares they have in a heart. With a GPU its speed is measured too.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from provenance import provenance
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cinema_cli.domain.cine import View
from cinema_cli.inference.cards import read_card
from cinema_cli.inference.centre import find_centre
from cinema_cli.inference.fast import frames_at_once, ready
from cinema_cli.inference.published import prepare
from cinema_cli.io.index import plan_of, scan, studies
from cinema_cli.io.study import read_study
from cinema_cli.phantom.simulate import simulate_cohort
from cinema_cli.phantom.study import Settings
from cinema_models.build import build

HEAD, SAX = "segmentation_acdc_sax", "sax"
HEART_SHARES = (0.95, 0.018, 0.015, 0.017)  # background, RV, MYO, LV of 192 x 192 x 16 voxels
N_FRAMES, N_SLICES = 50, 12  # of the cine that a GPU's studies an hour are given for
WAYS = {"plain": None, "fp32": torch.float32, "bf16": torch.bfloat16}


def network() -> nn.Module:
    """The head with random weights, by the rule in shared/golden/models/README.md."""
    card = read_card(HEAD)
    net = build(card.network)  # type: ignore[union-attr]
    for key, value in net.state_dict().items():
        z = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(value.shape)
        if key.endswith(("pos_embed", "_token")):
            z = 0.5 * z
        elif value.ndim == 1:
            z = 1 + 0.1 * z if key.endswith(".weight") else 0.05 * z
        else:
            z = z / np.sqrt(np.prod(value.shape[1:]))
        value.copy_(torch.from_numpy(z))
    return net.eval()


def heart(folder: Path, frames: int) -> NDArray[np.float32]:
    """Frames (frame, 1, 192, 192, 16) over the cycle of a synthetic heart, prepared as a study's are."""
    list(simulate_cohort(folder, Settings(seed=1, views=(View.SAX,), frames=12), participants=1))
    index = scan(folder)
    cine = read_study(plan_of(index, studies(index)[0])).cines[View.SAX]
    chosen = [cine.n_frames * f // frames for f in range(frames)]
    return prepare(cine, centre=find_centre(cine).point, frames=chosen).each_frame()


def work(way: str, folder: Path) -> None:
    """One process of the comparison: answers the frame whose number comes in, says how long it took."""
    net, images = network(), torch.from_numpy(np.load(folder / "images.npy"))
    if (numbers := WAYS[way]) is not None:
        net = ready(net, device=torch.device("cpu"), numbers=numbers)
    for line in sys.stdin:
        frame = int(line)
        with torch.no_grad():
            start = time.perf_counter()
            logits = net({SAX: images[frame : frame + 1]})[SAX]
            seconds = time.perf_counter() - start
        np.save(folder / f"{way}-{frame}.npy", logits.numpy())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
        print(json.dumps({"seconds": seconds, "peak_mib": peak}), flush=True)


def take_turns(folder: Path, *, frames: int, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds a frame and peak memory of each way, and how often it fits into the time of the plain one.

    That is given for the quickest frames, which other work on the machine disturbed least, and as the median over the
    rounds. A first round, not counted, warms up.
    """
    command = [sys.executable, __file__, "--folder", str(folder), "--way"]
    workers = {
        way: subprocess.Popen([*command, way], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for way in WAYS
    }
    said: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for turn in range(1 + max(rounds, frames)):
        for way, worker in workers.items():
            assert worker.stdin is not None and worker.stdout is not None
            print(turn % frames, file=worker.stdin, flush=True)
            said[way].append(json.loads(worker.stdout.readline()))
    for worker in workers.values():
        worker.communicate()
    seconds = {way: [one["seconds"] for one in turns[1:]] for way, turns in said.items()}
    quicker = {way: [a / b for a, b in zip(seconds["plain"], seconds[way], strict=True)] for way in WAYS}
    return {
        way: {
            "seconds_a_frame": round(statistics.median(seconds[way]), 2),
            "quickest_s": round(min(seconds[way]), 2),
            "times_faster": round(min(seconds["plain"]) / min(seconds[way]), 2),
            "times_faster_median": round(statistics.median(quicker[way]), 2),
            "peak_mib": round(said[way][-1]["peak_mib"]),
        }
        for way in WAYS
    }


def shares(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much of the image each label has, of logits (frame, class, x, y, z)."""
    return np.bincount(logits.argmax(1).ravel(), minlength=logits.shape[1]) / logits[:, 0].size


def heart_like(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Constants (class, 1, 1, 1) that, added to the logits, give the labels `HEART_SHARES`."""
    added = np.zeros(len(HEART_SHARES), np.float32)
    for step in range(60):
        found = shares(logits + added[:, None, None, None])
        added += 0.9**step * 0.5 * np.log(np.array(HEART_SHARES) / np.maximum(found, 1e-4)).astype(np.float32)
    return added[:, None, None, None]


def alike(folder: Path, *, frames: int) -> dict[str, object]:
    """Share of voxels that each way labels as the plain network does."""
    logits = {way: np.concatenate([np.load(folder / f"{way}-{f}.npy") for f in range(frames)]) for way in WAYS}
    found: dict[str, object] = {}
    for name, added in (("as_they_are", np.float32(0)), ("as_in_a_heart", heart_like(logits["plain"]))):
        labels = {way: (values + added).argmax(1) for way, values in logits.items()}
        found[name] = {
            "shares": [round(float(share), 4) for share in shares(logits["plain"] + added)],
            **{way: round(float((labels[way] == labels["plain"]).mean()), 6) for way in WAYS if way != "plain"},
        }
    spread = {way: float(np.abs(logits[way] - logits["plain"]).max()) for way in WAYS if way != "plain"}
    return {"labels_alike": found, "largest_logit_difference": {way: float(f"{d:.2g}") for way, d in spread.items()}}


def tera_flop(images: Tensor) -> float:
    """Floating-point operations of one frame in the plain network, in 10^12, counted without calculating."""
    with torch.device("meta"):
        net = build(read_card(HEAD).network)  # type: ignore[union-attr]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval().to("meta")({SAX: images[:1].to("meta")})
    return counter.get_total_flops() / 1e12


def gpu_seconds(run: Callable[[], object], *, times: int) -> float:
    """Median seconds of `run` on the GPU, after three that warm up."""
    seconds = []
    for turn in range(3 + times):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        if turn >= 3:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


@torch.inference_mode()
def on_gpu(images: Tensor) -> dict[str, object]:
    """Studies an hour (network alone, cine of `N_FRAMES`, padded to 16 slices), and what part of the matrix peak."""
    device, size = torch.device("cuda"), 8192
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    peak = 2 * size**3 / gpu_seconds(lambda: a @ b, times=20) / 1e12
    plain = network().to(device)
    wanted = plain({SAX: images.to(device)})[SAX].argmax(1)
    net = ready(plain, device=device, numbers=torch.bfloat16)
    together = frames_at_once(net, device)
    batch = images[torch.arange(together) % len(images)].to(device)
    torch.cuda.reset_peak_memory_stats()
    seconds = gpu_seconds(lambda: net({SAX: batch}), times=10) / together
    found = net({SAX: images.to(device)})[SAX].argmax(1)
    return {
        "gpu": torch.cuda.get_device_name(),
        "frames_at_once": together,
        "ms_a_frame": round(1e3 * seconds, 2),
        "studies_an_hour": round(3600 / (N_FRAMES * seconds)),
        "cine": f"{N_FRAMES} frames, {N_SLICES} slices padded to {images.shape[-1]}",
        "matrix_peak_tflop_s": round(peak),
        "share_of_peak": round(tera_flop(images) / seconds / peak, 3),
        "labels_alike": round(float((found == wanted).float().mean()), 6),
        "peak_mib": round(torch.cuda.max_memory_allocated() / 2**20),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="frames that each way answers")
    parser.add_argument("--frames", type=int, default=3, help="different frames among them")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)  # one process of the comparison
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        return work(arguments.way, arguments.folder)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = heart(folder / "cohort", arguments.frames)
        np.save(folder / "images.npy", images)
        speed = take_turns(folder, frames=len(images), rounds=arguments.rounds)
        result: dict[str, object] = {**speed, **alike(folder, frames=len(images))}
    result["gflop_a_frame"] = round(1e3 * tera_flop(torch.from_numpy(images)))
    result["gpu"] = on_gpu(torch.from_numpy(images)) if torch.cuda.is_available() else None
    result |= {"rounds": arguments.rounds, "threads": torch.get_num_threads(), "torch": torch.__version__}
    text = json.dumps(result | provenance(), indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
