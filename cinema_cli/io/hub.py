"""A published repository at a hub, through the hub's own client: the one file that imports huggingface_hub."""

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cinema_cli.domain.errors import CinemaError, UnavailableError, UsageError
from cinema_cli.io.atomic import output_errors
from cinema_cli.io.weights_store import StoredFile, add

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

SHA256_DIGITS = 64
OFFLINE_HINT = "`cinema models import FILE|DIR` takes files that were fetched elsewhere."
Check = Callable[[Path], None]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository at one commit, its size in bytes, and the hub's own digest of what it holds."""

    repository: str  # owner/name
    commit: str  # 40 hexadecimal digits
    name: str
    size: int
    digest: str  # SHA-256 of a large file, git's SHA-1 (40 digits) of a small one

    @property
    def source(self) -> str:
        """Where it comes from, as the store's records say it."""
        return source_of(self.repository, self.commit)


def source_of(repository: str, commit: str) -> str:
    """What the store's records say of a file of `repository` at `commit`."""
    return f"hub {repository}@{commit}"


def commit_of(source: str) -> str | None:
    """The commit that a record names as the source of a file; None for what came from elsewhere than a hub."""
    return source.rpartition("@")[2] if source.startswith("hub ") else None


def is_commit(revision: str) -> bool:
    """Whether a revision names a commit, which never changes, and not a branch or tag, which may."""
    return len(revision) == 40 and set(revision) <= set("0123456789abcdef")


def files_at(repository: str, revision: str, names: Iterable[str]) -> Mapping[str, HubFile]:
    """Those of the files `names` that `repository` holds at `revision`: a commit, branch or tag; by name.

    With HF_HUB_OFFLINE, those that the client's cache (HF_HOME) holds. Raises UnavailableError where the hub cannot be
    reached or refuses, where it has no such repository or revision, and where the client is not installed; UsageError
    for what can be no repository.
    """
    api, wanted = _client(), set(names)
    from huggingface_hub import constants

    with _client_errors(repository, revision):
        if constants.is_offline_mode():
            return _cached_files(api, repository, revision, wanted)
        wait = constants.HF_HUB_ETAG_TIMEOUT  # seconds
        info = api.model_info(repository, revision=revision, files_metadata=True, timeout=wait)
        found = {}
        for file in info.siblings or ():
            digest = file.lfs.sha256 if file.lfs else file.blob_id
            if file.rfilename in wanted and info.sha and digest and file.size is not None:
                found[file.rfilename] = HubFile(repository, info.sha, file.rfilename, file.size, digest)
        return found


def fetch(file: HubFile, *, check: Check, progress: Progress) -> StoredFile:
    """Download a file, unless the client's cache holds it, compare it with the hub's digest, and store it.

    It lies on disk once where cache and store are on one disk. `check` sees it before it is stored and raises where it
    must not be; `progress` is told the bytes so far. What the hub sends damaged is fetched a second time. Raises
    UnavailableError as `files_at` and for another digest, and OutputError where the disk is full or refuses.
    """
    try:
        return _store(file, _download(file, progress), check)
    except UnavailableError as error:
        if error.code != "wrong_digest" or _is_offline():
            raise
    return _store(file, _download(file, progress, again=True), check)


def _store(file: HubFile, path: Path, check: Check) -> StoredFile:
    """Hand what arrived to the store, if it is what the hub says it is."""
    if len(file.digest) == SHA256_DIGITS:
        return add(file.name, path, source=file.source, sha256=file.digest, link=True, check=check)
    if (found := _git_digest(path)) != file.digest:
        raise UnavailableError(
            f"{file.name} has the git digest {found}, but the hub says {file.digest}",
            hint="It was damaged on its way. Nothing was stored: fetch it again.",
            code="wrong_digest",
        )
    return add(file.name, path, source=file.source, link=True, check=check)


def _download(file: HubFile, progress: Progress, *, again: bool = False) -> Path:
    """The file in the client's cache; `again` even where it is there."""
    _client()
    from huggingface_hub import constants, hf_hub_download

    with output_errors(Path(constants.HF_HUB_CACHE), setting="HF_HOME"), _client_errors(file.repository, file.commit):
        return Path(
            hf_hub_download(
                file.repository,
                file.name,
                revision=file.commit,
                force_download=again,
                tqdm_class=_bar_that_tells(progress),
            )
        )


def _bar_that_tells(progress: Progress) -> type:
    """What the client takes for a progress bar; of the two counts of its newer protocol, the bytes on disk are told."""

    class Bar:
        def __init__(self, **_: object) -> None:
            self.done = 0

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, n: float = 1) -> None:
            self.done += int(n)
            progress(self.done)

        def update_transfer(self, n: float = 1) -> None:
            pass

        def set_postfix_str(self, text: str, *, refresh: bool = True) -> None:
            pass

        set_transfer_postfix_str = set_postfix_str

    return Bar


def _cached_files(api: "HfApi", repository: str, revision: str, names: Iterable[str]) -> dict[str, HubFile]:
    """What the client's cache holds of `names`; it calls each file by the digest that the hub gave for it."""
    from huggingface_hub import try_to_load_from_cache

    commit = api.resolve_revision(repository, revision=revision, local_files_only=True).resolved
    found = {}
    for name in names:
        path = try_to_load_from_cache(repository, name, revision=commit)
        if isinstance(path, str) and Path(path).is_symlink():
            digest = Path(path).readlink().name
            found[name] = HubFile(repository, commit, name, Path(path).stat().st_size, digest)
    return found


def _git_digest(path: Path) -> str:
    """SHA-1 by which git knows a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _client() -> "HfApi":
    """The hub's client, which then sends no statistics and says nothing of its own."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise UnavailableError(
            "`pull` needs the hub's client, which is not installed here",
            hint=f"pip install 'cinema-cli[hub]'. Without it, {OFFLINE_HINT}",
            code="no_client",
        ) from error
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    return HfApi()


def _is_offline() -> bool:
    from huggingface_hub import constants

    return constants.is_offline_mode()


@contextlib.contextmanager
def _client_errors(repository: str, revision: str) -> Iterator[None]:
    """Turn what the client raises into errors that say what to do; those of the disk stay as they are."""
    import httpx2
    from huggingface_hub.errors import HFValidationError, RevisionResolutionError

    try:
        yield
    except HFValidationError as error:
        raise UsageError(f"{repository!r} can be no repository: {error}", hint="Give OWNER/NAME.") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, RevisionResolutionError, OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _explained(error, repository, revision) from error
    except (KeyError, ValueError) as error:
        if error.__cause__:  # the client could not fetch again what had arrived damaged
            raise _explained(error.__cause__, repository, revision) from error
        raise _unreachable(f"its answer is not that of a hub ({error})") from error


def _explained(error: BaseException, repository: str, revision: str) -> CinemaError:
    """What an error of the client means."""
    from huggingface_hub import errors

    if isinstance(error, errors.RevisionResolutionError | errors.OfflineModeIsEnabled):
        return UnavailableError(
            f"HF_HUB_OFFLINE is set, and the cache of the hub's client does not hold {repository} at {revision!r}",
            hint=f"Unset HF_HUB_OFFLINE, or give --revision a commit that the cache (HF_HOME) holds. {OFFLINE_HINT}",
            code="offline",
        )
    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__:
        return _explained(error.__cause__, repository, revision)
    if isinstance(error, errors.GatedRepoError):
        said = f"the hub grants access to {repository} only on request"
        return UnavailableError(said, hint=f"Ask for it there, then set HF_TOKEN. {OFFLINE_HINT}", code="gated")
    if isinstance(error, errors.RevisionNotFoundError):
        said = f"{repository} has no revision {revision!r}"
        return UnavailableError(said, hint="Give --revision a commit or a branch that it has.", code="no_revision")
    if isinstance(error, errors.EntryNotFoundError) and isinstance(error, errors.HfHubHTTPError):
        said = f"{repository} at {revision} does not hold {error.response.url.path.partition(f'{revision}/')[2]}"
        return UnavailableError(said, hint="Another revision may: see --revision.", code="no_file")
    if isinstance(error, errors.RepositoryNotFoundError):
        said = f"the hub shows no repository {repository}"
        return UnavailableError(said, hint="Check --repository; a private one needs HF_TOKEN.", code="no_repository")
    if isinstance(error, errors.HfHubHTTPError):
        return _refused(error, repository)
    return _unreachable(str(error).strip().split("\n")[0] or type(error).__name__)


def _refused(error: "HfHubHTTPError", repository: str) -> UnavailableError:
    """What a hub means that answers with an error."""
    status = error.response.status_code
    words, hint, code = {
        401: ("does not accept the token", "Set HF_TOKEN to a token that is valid, or unset it.", "no_access"),
        403: (f"refuses access to {repository}", "Set HF_TOKEN to a token of an account that has it.", "no_access"),
        429: ("was asked too often", "Wait some minutes. A token (HF_TOKEN) is granted more.", "hub_busy"),
    }.get(status, (f"answers with error {status}", f"Try again later. {OFFLINE_HINT}", "hub_error"))
    return UnavailableError(f"the hub {words}", hint=hint, code=code)


def _unreachable(reason: str) -> UnavailableError:
    from huggingface_hub import constants

    return UnavailableError(
        f"the hub at {constants.ENDPOINT} cannot be reached: {reason}",
        hint=f"Check the network, its proxy (HTTPS_PROXY) and HF_ENDPOINT. {OFFLINE_HINT}",
        code="no_network",
    )
