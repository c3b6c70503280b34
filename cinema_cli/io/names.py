"""Names of files as text that every table and page can hold, and back: a name may be any bytes, text may not."""

import os
import re

_NO_TEXT = r"\x00-\x1f\x7f-\x9f\ud800-\udfff"  # control characters; bytes that are not UTF-8, as Python has them
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")
_ESCAPED_BYTE = re.compile(_ESCAPE.pattern.encode())
_ODD = re.compile(rf"[{_NO_TEXT}]|{_ESCAPE.pattern}")
_ESCAPED = re.compile(rf"[\\{_NO_TEXT}]")


def to_text(path: str) -> str:
    """A relative path ("/" separated) as UTF-8 text without control characters; two paths are never one text.

    Usual names stay as they are. In others each byte that is no text is written `\\xfc`, a backslash `\\x5c`; also in
    a name that has such letters by itself.
    """
    return "/".join(map(_name, path.split("/"))) if _ODD.search(path) else path


def to_path(text: str) -> str:
    """The path that `to_text` made `text` of, as the system's functions take it."""
    if "\\x" not in text:
        return text
    return os.fsdecode(_ESCAPED_BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), os.fsencode(text)))


def printable(text: str) -> str:
    """Words that may hold a path, as every file and stream takes them: bytes that are no text are `\\xfc` in it."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _name(part: str) -> str:
    return _ESCAPED.sub(lambda found: "".join(map(_escape, os.fsencode(found[0]))), part) if _ODD.search(part) else part


def _escape(byte: int) -> str:
    return f"\\x{byte:02x}"
