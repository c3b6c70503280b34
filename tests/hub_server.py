"""A small hub on loopback for the real client: one repository, streamed from disk; it can be told to misbehave."""

import contextlib
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

CHUNK_BYTES = 2**20
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "mathpluscode/CineMA"


@dataclass(frozen=True)
class Served:
    """A file of the repository: weights known by their SHA-256, as a hub knows large files, others by git's SHA-1."""

    name: str
    path: Path

    @property
    def large(self) -> bool:
        return self.name.endswith(".safetensors")

    @cached_property
    def digest(self) -> str:
        if self.large:
            with self.path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        content = self.path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def about(self) -> dict[str, object]:
        size = self.path.stat().st_size
        large = {"lfs": {"sha256": self.digest, "size": size, "pointerSize": 134}} if self.large else {}
        return {"rfilename": self.name, "size": size, "blobId": "0" * 40 if self.large else self.digest, **large}


@dataclass
class Hub:
    """What is served, what was asked for, and what is to go wrong."""

    files: dict[str, Served]
    repository: str = REPOSITORY
    commit: str = COMMIT
    branches: tuple[str, ...] = ("main",)
    address: str = ""
    status: int | None = None  # to every request
    error_code: str = ""  # the hub's own word for it
    web_page: bool = False  # to every request, like a network that wants a sign-in
    damaged: Counter[str] = field(default_factory=Counter)  # file -> how often it is sent with a wrong byte
    cut: Counter[str] = field(default_factory=Counter)  # file -> how often the connection ends half way
    held: dict[str, threading.Event] = field(default_factory=dict)  # file -> its second half waits for this
    half_sent: threading.Event = field(default_factory=threading.Event)  # set when a file that is held waits
    downloads: Counter[str] = field(default_factory=Counter)  # file -> requests for its content
    ranges: list[str] = field(default_factory=list)  # as asked for
    tokens: dict[str, str | None] = field(default_factory=dict)  # host -> the last authorization it was shown
    agents: set[str] = field(default_factory=set)  # what the client says it is
    asked: Counter[str] = field(default_factory=Counter)  # path -> requests for it
    news: threading.Event = field(default_factory=threading.Event)  # set with each request

    def replace(self, name: str, path: Path) -> None:
        """Serve the file at `path` under that name from now on."""
        self.files[name] = Served(name, path)

    @property
    def environment(self) -> dict[str, str]:
        """What makes the client talk to this hub and to nobody else."""
        patience = {"HF_HUB_DOWNLOAD_TIMEOUT": "120", "HF_HUB_ETAG_TIMEOUT": "120"}  # s; busy machines, files held
        return {"HF_ENDPOINT": self.address, "NO_PROXY": "127.0.0.1,localhost", "HF_HUB_DISABLE_XET": "1"} | patience


@contextlib.contextmanager
def serving(folder: Path, *, commit: str = COMMIT) -> Iterator[Hub]:
    """Serve the files below `folder`, as they are now, under their relative paths."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    hub = Hub({name: Served(name, folder / name) for name in names}, commit=commit)
    for file in hub.files.values():
        _ = file.digest  # now: gigabytes take longer than a client waits for an answer
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        for event in hub.held.values():
            event.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        hub = self.hub
        hub.tokens[self.headers["Host"].split(":")[0]] = self.headers["Authorization"]
        hub.agents.add(self.headers["User-Agent"])
        hub.asked[path] += 1
        hub.news.set()
        if hub.web_page:
            self._answer(200, b"<html>Welcome to our network</html>", {"Content-Type": "text/html"})
        elif hub.status:
            self._answer(hub.status, b"", {"X-Error-Code": hub.error_code} if hub.error_code else {})
        elif path.startswith("/cdn/"):
            self._send(next(f for f in hub.files.values() if f.digest == path.removeprefix("/cdn/")), {})
        elif path.startswith(f"/api/models/{hub.repository}/revision/"):
            self._tell(path.rpartition("/revision/")[2])
        elif path.startswith(f"/{hub.repository}/resolve/"):
            self._resolve(*path.removeprefix(f"/{hub.repository}/resolve/").split("/", 1))
        else:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def _tell(self, revision: str) -> None:
        if revision not in (self.hub.commit, *self.hub.branches):
            return self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        siblings = [file.about for file in self.hub.files.values()]
        said = {"id": self.hub.repository, "sha": self.hub.commit, "siblings": siblings}
        return self._answer(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def _resolve(self, revision: str, name: str) -> None:
        if revision not in (self.hub.commit, *self.hub.branches):
            return self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if (file := self.hub.files.get(name)) is None:
            return self._answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.hub.commit})
        headers = {"X-Repo-Commit": self.hub.commit, "ETag": f'"{file.digest}"'}
        if not file.large:
            return self._send(file, headers)
        headers |= {"X-Linked-ETag": f'"{file.digest}"', "X-Linked-Size": str(file.path.stat().st_size)}
        elsewhere = self.hub.address.replace("127.0.0.1", "localhost")  # another host, as a hub's storage is
        return self._answer(302, b"", headers | {"Location": f"{elsewhere}/cdn/{file.digest}"})

    def _send(self, file: Served, headers: dict[str, str]) -> None:
        """A file's content, or what was asked of it, with what is to go wrong."""
        hub, size = self.hub, file.path.stat().st_size
        if self.command == "HEAD":
            return self._head(200, headers | {"Content-Length": str(size)})
        hub.downloads[file.name] += 1
        start = 0
        if asked := self.headers["Range"]:
            hub.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").split("-")[0])
            headers = headers | {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
        self._head(206 if asked else 200, headers | {"Content-Length": str(size - start), "Accept-Ranges": "bytes"})
        half = start + (size - start) // 2
        self._copy(file, start, half)
        if _once(hub.cut, file.name):
            self.close_connection = True
            return None
        if file.name in hub.held:
            self.wfile.flush()
            hub.half_sent.set()
            hub.held[file.name].wait()
        self._copy(file, half, size, damaged=_once(hub.damaged, file.name))
        return None

    def _copy(self, file: Served, start: int, end: int, *, damaged: bool = False) -> None:
        with file.path.open("rb") as stream, contextlib.suppress(ConnectionError):
            stream.seek(start)
            while start < end:
                chunk = bytearray(stream.read(min(CHUNK_BYTES, end - start)))
                start += len(chunk)
                if damaged:
                    chunk[-1] ^= 1
                    damaged = False
                self.wfile.write(chunk)

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self._head(status, {**headers, "Content-Length": str(len(content))})
        if self.command != "HEAD":
            self.wfile.write(content)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was asked is counted."""


def _once(often: Counter[str], name: str) -> bool:
    """Whether it is to happen this time."""
    often[name] -= 1
    return often[name] >= 0
