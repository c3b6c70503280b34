"""Every golden value of statistics is read by the tests that are to compare it, or it is said why not."""

from pathlib import Path

from functions_golden import needs_golden
from golden_entries import COMPARED, places
from recorded import READ, Recorded, leaves


@needs_golden
def test_each_value_has_a_test_or_a_reason_and_nothing_here_is_stale() -> None:
    found = places()
    assert len(found) > 1200
    assert not [path for path, pattern in found.items() if pattern is None]
    assert set(found.values()) == set(COMPARED)
    for module in (said for said in COMPARED.values() if said.startswith("test_")):
        assert (Path(__file__).parent / f"{module}.py").is_file()


def test_reading_is_noted() -> None:
    """Also by loops: that what is read is compared too is for a reviewer to see."""
    made = Recorded("made", {"a": 1, "b": {"c": [1, 2]}, "d": [{"e": 3}, {"e": 4}]})
    READ.clear()
    assert made["b"]["c"] == [1, 2] and made["d"][1]["e"] == 4
    assert {"made/b/c", "made/d/1/e"} == READ
    assert dict(made["d"][0].items()) == {"e": 3} and list(made["d"][0].values()) == [3]
    assert set(leaves("made", made)) - READ == {"made/a"}
