"""Whether the ids in an output folder are hashed, and with which key: one folder holds ids of one kind only."""

import json
from pathlib import Path

from cinema_cli.domain.errors import ConfigError
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.identity import is_hashed, keyed_hash

IDS = "ids.json"
_PLAIN, _SOME_KEY = "", "some key"  # beside marks of keys
_MARKED = "which key is this?"


def check_ids(out: Path, *, hash_key: bytes | None) -> None:
    """Whether a run with `hash_key` may write ids into a folder.

    Raises ConfigError where ids of another kind are there: the same volumes under two ids tell whose the hash is.
    """
    known, asked = _known(out), _mark(hash_key)
    if known in (None, asked) or (known == _SOME_KEY and asked):
        return
    hint = "Give --hash-ids with the key file of the earlier runs, or another --out."
    if known == _PLAIN:
        said = "the ids in that folder are not hashed, hashed ones beside them could be undone"
        hint = "Give another --out."
    elif asked == _PLAIN:
        said = "the ids in that folder are hashed, real ones beside them would undo that"
    else:
        said = "the ids in that folder were hashed with another key, two hashes of one person would stand there"
    raise ConfigError(f"ids of two kinds: {said}", hint=hint, code="other_ids")


def keep_ids(out: Path, *, hash_key: bytes | None) -> None:
    """Leave in a folder what `check_ids` asks for; nothing in it leads to the key. Raises OutputError."""
    if not (out / IDS).is_file():
        write_atomic(out / IDS, json.dumps({"hashed": hash_key is not None, "key": _mark(hash_key)}) + "\n")


def ids_are_hashed(out: Path) -> bool:
    """Whether the ids in an output folder are known to be hashed."""
    return bool(_known(out))


def _mark(hash_key: bytes | None) -> str:
    return _PLAIN if hash_key is None else keyed_hash(_MARKED, hash_key)


def _known(out: Path) -> str | None:
    """How ids were made by what `keep_ids` left, else by the names of the folders; None where nobody is there."""
    try:
        return str(json.loads((out / IDS).read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, LookupError, TypeError):
        names = [path.name for path in out.glob("sub-*")]
    if not names:
        return None
    return _SOME_KEY if all(map(is_hashed, names)) else _PLAIN
