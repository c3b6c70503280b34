"""Shards: every participant in exactly one, the same everywhere, and what SLURM's variables mean."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinema_cli.domain.errors import UsageError
from cinema_cli.domain.shard import Shard


@given(st.text(max_size=20), st.integers(1, 60))
def test_every_participant_is_in_exactly_one_shard(label: str, count: int) -> None:
    assert sum(Shard(index, count).has(f"sub-{label}") for index in range(count)) == 1


def test_shards_are_the_same_everywhere_and_alike_in_size() -> None:
    by_sha256sum = [3, 5, 0, 6, 3, 4, 0, 2]  # last 3 bits of the first 8 bytes of `printf sub-1 | sha256sum`
    assert [next(i for i in range(8) if Shard(i, 8).has(f"sub-{n}")) for n in range(1, 9)] == by_sha256sum
    sizes = [sum(Shard(i, 10).has(f"sub-{n}") for n in range(10_000)) for i in range(10)]
    assert sum(sizes) == 10_000 and 900 < min(sizes) <= max(sizes) < 1100


def test_a_shard_is_typed_as_part_of_parts() -> None:
    assert Shard.parse("0/1") == Shard(0, 1) and Shard.parse(" 3/8 ") == Shard(3, 8) and str(Shard(3, 8)) == "3/8"


@pytest.mark.parametrize("text", ["", "3", "8/8", "-1/8", "1/0", "a/b", "1/2/3", "1.5/2", "²/3"])
def test_a_wrong_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Shard.parse(text)
    assert caught.value.code == "bad_shard" and "0/8" in caught.value.hint


def slurm(**values: int) -> dict[str, str]:
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("environ", "shard"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": ""}, None),
        (slurm(ID=0, MIN=0, MAX=3, STEP=1, COUNT=4), Shard(0, 4)),
        (slurm(ID=8, MIN=1, MAX=8, STEP=1, COUNT=8), Shard(7, 8)),
        (slurm(ID=30, MIN=10, MAX=45, STEP=10, COUNT=4), Shard(2, 4)),  # --array=10-45:10
        (slurm(ID=5, MIN=5, MAX=5, STEP=1, COUNT=1), Shard(0, 1)),
        (slurm(ID=2, MIN=1, MAX=4), Shard(1, 4)),  # an old SLURM
    ],
)
def test_a_slurm_array_says_the_shard(environ: Mapping[str, str], shard: Shard | None) -> None:
    assert Shard.from_slurm(environ) == shard


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (slurm(ID=3, MIN=1, MAX=7, STEP=1, COUNT=3), "has gaps: 3 tasks between 1 and 7"),  # --array=1,3,7
        (slurm(ID=3, MIN=1, MAX=7, STEP=4, COUNT=2), "has gaps"),
        (slurm(ID=3), "sets no SLURM_ARRAY_TASK_MIN"),
        (slurm(ID=9, MIN=1, MAX=4, STEP=1, COUNT=4), "no part 8 of 4"),
        (slurm(ID=1, MIN=1, MAX=4) | {"SLURM_ARRAY_TASK_STEP": "x"}, "STEP=x, which is no number"),
    ],
)
def test_an_array_that_does_not_say_which_part_is_refused(environ: Mapping[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Shard.from_slurm(environ)
    assert said in caught.value.message and "--shard" in caught.value.hint
