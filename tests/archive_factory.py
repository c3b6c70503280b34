"""Archives as people and attackers make them: well-formed ones of every kind, and bytes that no tool would write."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
ENDS = ("zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz")


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    """An archive of the kind that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        path.write_bytes(zip_bytes(files))
        return path
    content = tar_bytes(files)
    kind = {"tgz": "gz"}.get(path.suffix[1:], path.suffix[1:])
    path.write_bytes(PACKERS[kind](content) if kind in PACKERS else content)
    return path


def pack_folder(path: Path, folder: Path, extra: Mapping[str, bytes] | None = None) -> Path:
    """An archive of all files under a folder, and some more."""
    files = {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}
    return pack(path, {**files, **(extra or {})})


def zip_bytes(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tar_bytes(
    files: Mapping[str, bytes], *, more: list[tarfile.TarInfo] | None = None, kind: int = tarfile.PAX_FORMAT
) -> bytes:
    """A tar file; `more` are members without content, which come first."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for info in more or []:
            archive.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def special(name: str, kind: bytes) -> tarfile.TarInfo:
    """A link, device or pipe of a tar file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "../../etc/passwd"
    return info


def tar_block(name: bytes, *, size: int, kind: bytes = b"0") -> bytes:
    """A header with any size, whatever follows."""
    stated = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    block = bytearray(name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + stated + b"0" * 11 + b"\0" + b" " * 8)
    block += (kind + bytes(100) + b"ustar\0" + b"00").ljust(512 - len(block), b"\0")
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def overlapping_zip(content: bytes, *, copies: int) -> bytes:
    """A zip file whose directory names one stored member many times over."""
    whole = zip_bytes({"a": content})
    at = whole.rindex(b"PK\5\6")
    start = struct.unpack_from("<L", whole, at + 16)[0]
    lines = [whole[start:at].replace(b"a", b"%05d" % n, 0) for n in range(copies)]
    directory = b"".join(_renamed(line, b"%05d" % n) for n, line in enumerate(lines))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, copies, copies, len(directory), start, 0)
    return whole[:start] + directory + end


def _renamed(line: bytes, name: bytes) -> bytes:
    return line[:28] + struct.pack("<H", len(name)) + line[30:46] + name


def patched(content: bytes, at: int, new: bytes) -> bytes:
    """Some bytes replaced by others."""
    return content[:at] + new + content[at + len(new) :]
