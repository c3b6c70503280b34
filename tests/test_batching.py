"""Batches: every item answered once and in its place, in shapes that no other study decides."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cinema_cli.inference.batching import PATIENCE, Batch, Call, Line, Request, in_turn, shares

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=6)
MOST = st.integers(1, 20)


def request(length: int, *, of: int = 0, network: str = "net", slices: int = 2) -> Request:
    """Items that say whose they are and which."""
    values = np.zeros((length, slices), np.float32)
    values[:] = (1000 * (of + 1) + np.arange(length))[:, None]
    return Request(Call(network), {"frames": values})


def answered(batch: Batch) -> dict[str, np.ndarray]:
    """Each item plus the number of slots: what a network says may depend on the shape."""
    return {"p": batch.arrays()["frames"][: batch.n_items] + batch.slots / 100}


@given(LENGTHS, MOST)
def test_every_item_is_answered_once_as_if_it_were_alone(lengths: list[int], most: int) -> None:
    def run(some: list[Request]) -> list[Batch]:
        line, done = Line(), []
        for one in some:
            line.add(one, most=most)
        while line:
            done.append(line.next())
            done[-1].give(answered(done[-1]))
        assert all(one.n_open == 0 for one in some)
        return done

    together = [request(n, of=k) for k, n in enumerate(lengths)]
    batches = run(together)
    assert all(0 < b.n_items <= b.slots <= most for b in batches)
    assert sum(b.n_items for b in batches) == sum(lengths)
    for k, n in enumerate(lengths):
        alone = request(n, of=k)
        run([alone])
        np.testing.assert_array_equal(alone.answers["p"], together[k].answers["p"])


@given(st.integers(1, 100), MOST)
def test_a_rest_takes_less_than_twice_its_room(length: int, most: int) -> None:
    found = list(shares(length, most=most))
    assert [s.start for s in found[1:]] == [s.stop for s in found[:-1]]
    assert (found[0].start, found[-1].stop) == (0, length)
    assert all(s.slots == most == s.stop - s.start for s in found[:-1])
    assert found[-1].slots < 2 * (found[-1].stop - found[-1].start) or found[-1].slots == most


@given(LENGTHS, MOST)
def test_a_batch_that_was_too_large_is_answered_in_smaller_ones(lengths: list[int], most: int) -> None:
    line, some = Line(), [request(n, of=k) for k, n in enumerate(lengths)]
    for one in some:
        line.add(one, most=most)
    while line:
        batch = line.next()
        if batch.slots > 2:
            line.again(batch, most=batch.slots // 2)
        else:
            batch.give({"p": batch.arrays()["frames"][: batch.n_items]})
    for one in some:
        np.testing.assert_array_equal(one.answers["p"], one.arrays["frames"])


def test_rests_of_several_studies_share_a_batch() -> None:
    line, some = Line(), [request(5, of=0), request(3, of=1), request(6, of=2)]
    for one in some:
        line.add(one, most=8)
    batches = list(iter(lambda: line.next() if line else None, None))
    assert [(len(b.parts), b.n_items, b.slots) for b in batches] == [(2, 8, 8), (1, 3, 4), (1, 3, 8)]


def test_other_networks_and_other_shapes_never_share_one() -> None:
    line, seen = Line(), defaultdict(set)
    for k, (network, slices) in enumerate([("a", 2), ("b", 2), ("a", 3), ("a", 2)]):
        line.add(request(3, of=k, network=network, slices=slices), most=8)
    while line:
        batch = line.next()
        seen[batch.call.network, batch.arrays()["frames"].shape[1]] |= {id(r) for r, _, _ in batch.parts}
    assert {key: len(requests) for key, requests in seen.items()} == {("a", 2): 2, ("b", 2): 1, ("a", 3): 1}


def test_full_batches_go_first_and_a_request_can_be_dropped() -> None:
    line, small, large = Line(), request(3, of=0), request(8, of=1)
    line.add(small, most=8)
    line.add(large, most=8)
    assert line.next().parts[0][0] is large
    line.drop(small)
    assert not line


@given(st.integers(5, 64), st.integers(1, 5))
def test_a_study_with_few_frames_is_not_kept_waiting_by_full_batches(most: int, n_others: int) -> None:
    line, small = Line(), request(3)  # in four slots
    line.add(small, most=most)
    for n_before in range(PATIENCE + 1):
        for k in range(n_others):  # who was answered asks again at once
            line.add(request(most, of=k + 1), most=most)
        if small in [one for one, _, _ in line.next().parts]:
            assert n_before == PATIENCE
            return
    raise AssertionError("it still waits")


def test_one_after_another_gives_the_same_batches() -> None:
    shapes: list[int] = []

    def answer(frames: np.ndarray, *, turns_deg: object, known: object = None) -> np.ndarray:
        shapes.append(len(frames))
        return frames * 2

    frames = np.arange(11, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(in_turn(answer, 4)(frames), 2 * frames)
    assert shapes == [4, 4, 4]


def test_a_request_fails_once_and_tells() -> None:
    told: list[Request] = []
    one = request(3)
    one.done = told.append
    one.fail(ValueError("first"))
    one.fail(ValueError("second"))
    assert told == [one] and str(one.error) == "first"
