"""Names of files: any bytes are read, and shown as text that every table can hold."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinema_cli.io.names import to_path, to_text

NAME = st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name)
LIKE_ESCAPES = st.text(alphabet="\\x0aé\udcfc/", min_size=1, max_size=12)


@given(st.one_of(NAME.map(os.fsdecode), LIKE_ESCAPES))
def test_every_path_comes_back_from_its_text(path: str) -> None:
    """Law: so that no two paths share a text, which is UTF-8 without control characters."""
    text = to_text(path)
    assert to_path(text) == path
    assert text.encode()
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"sub-01/Bild 1 (2).dcm", "sub-01/Bild 1 (2).dcm"),
        ("Köln/心臓".encode(), "Köln/心臓"),
        (b"a\\b", "a\\b"),
        (b"M\xfcller/a\\b\n", r"M\xfcller/a\x5cb\x0a"),
        (rb"M\xfcller", r"M\x5cxfcller"),
    ],
)
def test_usual_names_stay_and_others_are_escaped(name: bytes, text: str) -> None:
    assert to_text(os.fsdecode(name)) == text


def test_a_name_of_any_bytes_can_be_opened_by_its_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\\x41\x1b[31m")
    path.write_text("here")
    assert (tmp_path / to_path(to_text(path.name))).read_text() == "here"
