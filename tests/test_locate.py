"""The coarse pass: it searches where motion says nothing, and is not led away from what beats."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from disk_hearts import GreyHead, disk_masks, disk_study
from test_checks import by_name, evidence

from cinema_cli.domain.cine import View
from cinema_cli.inference.centre import HeartCentre, find_centre
from cinema_cli.inference.locate import locate
from cinema_cli.inference.orientation import display_stack


def located(masks: np.ndarray) -> HeartCentre:
    sax = disk_study(masks).cines[View.SAX]
    return locate(display_stack(sax), head=GreyHead(), guess=find_centre(sax))


def off_mm(found: HeartCentre, masks: np.ndarray) -> float:
    """Distance from the middle of everything labelled, at 1.5 mm a pixel."""
    truth = np.argwhere(masks > 0).mean(axis=0)[2:]
    return float(1.5 * np.hypot(found.row - truth[0], found.column - truth[1]))


def test_a_heart_that_does_not_move_is_searched_for() -> None:
    masks = disk_masks(n_frames=3, n_slices=4, shape=(240, 240), centre_mm=(80.0, 280.0), shortening=0.0)
    found = located(masks)
    assert found.found and off_mm(found, masks) < 8


def test_a_larger_still_ring_elsewhere_does_not_win_over_the_beating_heart() -> None:
    heart = disk_masks(n_frames=10, n_slices=4, shape=(240, 240), centre_mm=(120.0, 100.0), ed_radius_mm=22.0)
    decoy = disk_masks(
        n_frames=10, n_slices=4, shape=(240, 240), centre_mm=(250.0, 270.0), ed_radius_mm=34.0, shortening=0.0
    )
    found = located(np.maximum(heart, decoy))
    assert found.found and off_mm(found, heart) < 8


def nothing_labelled(masks: np.ndarray) -> HeartCentre:
    sax = disk_study(masks).cines[View.SAX]
    blind = dataclasses.replace(sax, pixels=np.zeros_like(sax.pixels))
    return locate(display_stack(blind), head=GreyHead(), guess=find_centre(sax))


BEATING = disk_masks(n_frames=10, n_slices=3)
STILL = disk_masks(n_frames=3, n_slices=3, shortening=0.0)


@pytest.mark.parametrize(
    ("look", "masks", "said"),
    [
        (
            located,
            BEATING,
            "The heart was found where the image changes most with the heart beat, refined with the network.",
        ),
        (located, STILL, "The heart was found by the network alone, as nothing moves with the heart beat."),
        (located, STILL[:1], "The heart was found by the network alone, as one frame shows no motion."),
        (
            nothing_labelled,
            BEATING,
            "The heart's place is uncertain: the network does not see it where the image changes most with the heart "
            "beat.",
        ),
        (
            nothing_labelled,
            STILL,
            "The heart's place is uncertain: nothing moves with the heart beat, so the middle of the image is used.",
        ),
    ],
)
def test_how_the_heart_was_found_is_a_sentence(
    look: Callable[[np.ndarray], HeartCentre], masks: np.ndarray, said: str
) -> None:
    found = look(masks)
    told = evidence(centre_found=found.found, centre_sentence=found.sentence)
    assert by_name(told)["centre_found"].sentence == said


def test_nothing_to_see_is_said() -> None:
    found = located(np.zeros((4, 3, 64, 64), np.uint8))
    assert not found.found and found.sentence
