"""What a run would find on this machine: device, number types, threads, weights, and how fast the starter head is."""

import time

import numpy as np
import torch

from cinema_cli.domain.errors import CinemaError
from cinema_cli.domain.finding import Finding, State
from cinema_cli.inference.cards import PublishedCard, list_cards
from cinema_cli.inference.chosen import STARTER, is_whole
from cinema_cli.inference.devices import device_words, pick_device, pick_precision, precision_word
from cinema_cli.inference.stack_head import load_stack_head
from cinema_cli.inference.weight_outcomes import published_files
from cinema_cli.io.weights_store import stored

SPEED_SECONDS = 5.0
_SLICES, _FRAMES_A_STUDY = 12, 50  # of a short axis in UK Biobank: what the estimate is about
_AT_ONCE = 4


def check_device(device: str, precision: str) -> list[Finding]:
    """The device and number type that a run would take, and threads."""
    try:
        chosen = pick_device(device)
        numbers = precision_word(pick_precision(chosen, precision))
    except CinemaError as error:
        return [Finding("device", State.FAIL, error.message, error.hint)]
    words = device_words(chosen)
    named = str(chosen) if words == str(chosen) else f"{chosen}: {words}"
    facts = {"device": str(chosen), "name": words, "n_cuda": torch.cuda.device_count(), "torch": torch.__version__}
    return [Finding("device", State.OK, named, facts=facts), _precision(chosen, numbers), _threads()]


def check_weights() -> list[Finding]:
    """Whether the starter head is whole, by its digest, and which published heads are here, by the sizes of files."""
    return [_starter(), _published()]


def check_speed(device: str, precision: str, *, seconds: float = SPEED_SECONDS) -> Finding:
    """Frames a second of the starter head on made stacks, for some `seconds`; the network alone."""
    try:
        head = load_stack_head(STARTER, device=device, precision=precision, frames_at_once=_AT_ONCE)
    except CinemaError as error:
        return Finding("speed", State.FAIL, error.message, error.hint)
    size = head.grid.size_px
    frames = np.random.default_rng(0).random((_AT_ONCE, _SLICES, size, size), dtype=np.float32)
    head.probabilities(frames)  # the first look builds what later ones use again
    began, n_frames = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        head.probabilities(frames)
        n_frames += _AT_ONCE
    per_second = n_frames / took
    per_hour = 3600.0 * per_second / _FRAMES_A_STUDY
    said = (
        f"{per_second:.1f} frames/s of {_SLICES} slices with {head.precision}: at most about {per_hour:.0f} studies/h "
        f"of {_FRAMES_A_STUDY} frames (an estimate: {STARTER} alone, without reading, second looks and pages)"
    )
    facts = {"frames_per_s": round(per_second, 2), "studies_per_h_at_most": round(per_hour), "seconds": round(took, 2)}
    return Finding("speed", State.OK, said, facts=facts)


def _precision(device: torch.device, numbers: str) -> Finding:
    native = precision_word(pick_precision(device, "auto")) == "bf16"
    facts = {"chosen": numbers, "bf16_native": native}
    if numbers == "bf16" and not native:
        hint = "This device emulates bfloat16, several times slower than float32: leave out --precision bf16."
        return Finding("precision", State.WARN, "bf16, emulated", hint, facts)
    return Finding("precision", State.OK, f"{numbers} (bfloat16 is {'' if native else 'not '}native)", facts=facts)


def _threads() -> Finding:
    count = torch.get_num_threads()
    return Finding("threads", State.OK, f"{count} of the networks on the processor", facts={"count": count})


def _starter() -> Finding:
    try:
        head = load_stack_head(STARTER, device="cpu", precision="fp32")
    except CinemaError as error:
        return Finding("embedded head", State.FAIL, error.message, error.hint)
    facts = {"head": STARTER, "sha256": head.card.sha256}
    return Finding("embedded head", State.OK, f"{STARTER} is whole (its digest was checked)", facts=facts)


def _published() -> Finding:
    cards = [card for card in list_cards() if isinstance(card, PublishedCard)]
    here = [card.name for card in cards if is_whole(card)]
    files = [file for card in cards for name in published_files(card) if (file := stored(name))]
    cut = sorted({file.name for file in files if file.path.stat().st_size != file.size})
    lone = sorted({card.name for card in cards if any(map(stored, published_files(card)))} - set(here))
    facts = {"whole": here, "incomplete": lone, "wrong_size": cut}
    if cut or lone:
        said = "; ".join(
            f"{words}: {', '.join(names)}" for words, names in (("cut off", cut), ("incomplete", lone)) if names
        )
        return Finding("published heads", State.FAIL, said, "`cinema models pull HEAD` mends a head.", facts)
    if not here:
        hint = "`cinema models pull HEAD`, if you want more than volumes of the short axis."
        return Finding("published heads", State.OK, "none on this machine", hint, facts)
    said = f"{', '.join(here)} (sizes are right; `cinema models verify` hashes them)"
    return Finding("published heads", State.OK, said, facts=facts)
