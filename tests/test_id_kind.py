"""Whether ids of one kind stay ids of one kind."""

from pathlib import Path

import pytest

from cinema_cli.domain.errors import ConfigError
from cinema_cli.io.id_kind import IDS, check_ids, ids_are_hashed, keep_ids
from cinema_cli.io.identity import keyed_hash

KEY, OTHER = b"0123456789abcdef", b"fedcba9876543210"


@pytest.mark.parametrize("first", [None, KEY, OTHER])
@pytest.mark.parametrize("second", [None, KEY, OTHER])
def test_one_folder_has_ids_of_one_kind(tmp_path: Path, first: bytes | None, second: bytes | None) -> None:
    check_ids(tmp_path, hash_key=first)
    keep_ids(tmp_path, hash_key=first)
    kept = (tmp_path / IDS).read_text()
    assert not any(key.decode() in kept for key in (KEY, OTHER)) and ids_are_hashed(tmp_path) == (first is not None)
    if first == second:
        check_ids(tmp_path, hash_key=second)
    else:
        with pytest.raises(ConfigError, match="not hashed" if first is None else "another key|real ones"):
            check_ids(tmp_path, hash_key=second)
    keep_ids(tmp_path, hash_key=second)
    assert (tmp_path / IDS).read_text() == kept


def test_folders_without_a_mark_are_known_by_their_names(tmp_path: Path) -> None:
    (tmp_path / f"sub-{keyed_hash('P1', KEY)}").mkdir()
    check_ids(tmp_path, hash_key=OTHER)  # which key it was is not known
    with pytest.raises(ConfigError, match="real ones beside them would undo that"):
        check_ids(tmp_path, hash_key=None)
    (tmp_path / "sub-P1").mkdir()
    check_ids(tmp_path, hash_key=None)
    with pytest.raises(ConfigError, match="not hashed"):
        check_ids(tmp_path, hash_key=KEY)
