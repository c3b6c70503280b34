"""Takes published weights from a file or folder, for machines without network; each is checked before it is stored."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath

from cinema_cli.domain.errors import InputError, UsageError
from cinema_cli.inference.cards import PublishedCard, seeds_here
from cinema_cli.inference.weight_checks import check_of
from cinema_cli.inference.weight_outcomes import Outcome, State, published_files, take_each
from cinema_cli.io.hashed import digest
from cinema_cli.io.weights_store import add, stored, stored_whole
from cinema_models.weights import WeightsError, read_header

IMPORT = "import"  # the source that the store's records name
ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".zst", ".rar"}
LAYOUT_HINT = "It must be laid out as published: finetuned/segmentation/acdc_sax/acdc_sax_0.safetensors."


@dataclass(frozen=True, slots=True)
class Found:
    """A file on this machine that is taken for one that was published for a head."""

    card: PublishedCard
    name: str  # the published path
    path: Path


def import_files(
    path: Path, cards: Sequence[PublishedCard], *, head: str | None = None, seed: int | None = None
) -> Iterator[Outcome]:
    """Store what a folder laid out as the published repository holds, or one file and the config.yaml beside it.

    `head` says which head a file belongs to, or a folder that holds the files of one head; `seed` which seed a file
    is: needed where the names do not tell. What is wrong with one file is an outcome, and the others go on. Raises
    InputError where there is nothing to import, UsageError where it is not clear what a file is, OutputError where the
    disk is full or refuses.
    """
    if not path.exists():
        raise InputError(f"there is no {path}", hint="Check the path.", code="no_input")
    chosen = [card for card in cards if head is None or card.name == head]
    named = head is not None
    found = _in_folder(path, chosen, named=named) if path.is_dir() else _one_file(path, chosen, named=named, seed=seed)
    checks = {file.card.name: check_of(file.card) for file in found}
    return take_each((file.card, file.name, partial(_store, file, checks[file.card.name])) for file in found)


def heads_without_settings(cards: Sequence[PublishedCard], outcomes: Collection[Outcome]) -> list[str]:
    """Heads of an import whose weights are here, but no config.yaml, nor was one refused: they cannot be used yet."""
    heads = {outcome.head for outcome in outcomes}
    seen = {outcome.file for outcome in outcomes}
    lacking = [card for card in cards if card.name in heads and card.config_file not in seen]
    return [card.name for card in lacking if seeds_here(card) and not stored(card.config_file)]


def _store(file: Found, check: Callable[[Path], None]) -> Outcome:
    """Store a file, unless it is here already: then the record keeps saying where that came from."""
    here = stored_whole(file.name)
    if here and digest(file.path) == (here.sha256, here.size):
        return Outcome(file.card.name, file.name, State.HERE, here.size)
    size = add(file.name, file.path, source=IMPORT, check=check).size
    return Outcome(file.card.name, file.name, State.STORED, size)


def _in_folder(folder: Path, cards: Sequence[PublishedCard], *, named: bool) -> list[Found]:
    """The published files below `folder`; where the head is named, also those that lie in it directly."""
    found = []
    for card in cards:
        for name in published_files(card):
            places = [folder / name, *([folder / PurePosixPath(name).name] if named else [])]
            found += [Found(card, name, place) for place in places if place.is_file()][:1]
    if not found:
        hint = f"{LAYOUT_HINT} Of a cache of the hub's client, name the folder in `snapshots`; of one head, --as."
        raise InputError(f"{folder} holds no published file", hint=hint, code="no_input")
    return found


def _one_file(path: Path, cards: Sequence[PublishedCard], *, named: bool, seed: int | None) -> list[Found]:
    """A file as one that was published for a head, and before it the config.yaml that lies beside it."""
    if path.suffix.lower() in ARCHIVES:
        hint = "Unpack it with a program of your trust, and import the folder."
        raise InputError(f"{path.name} is an archive, which is not opened here", hint=hint, code="archive")
    file = _as_named(path, cards[0], seed) if named else _by_its_path(path, cards)
    config = PurePosixPath(file.card.config_file).name
    beside = [Found(file.card, file.card.config_file, path.with_name(config))]
    return [*(found for found in beside if found.path.is_file() and found.name != file.name), file]


def _as_named(path: Path, card: PublishedCard, seed: int | None) -> Found:
    """A file of a head that was named: its seed was given, or its name tells, or there is only one."""
    by_name = [name for name in published_files(card) if PurePosixPath(name).name == path.name]
    by_seed = [file.path for file in card.files if file.seed == seed]
    if len(names := by_seed if seed is not None else by_name or by_seed) == 1:
        return Found(card, names[0], path)
    seeds = ", ".join(str(file.seed) for file in card.files)
    raise UsageError(f"which seed of {card.name} {path.name} is, is not clear", hint=f"Give --seed: {seeds}.")


def _by_its_path(path: Path, cards: Sequence[PublishedCard]) -> Found:
    """A file whose last folders and name are those of one published file, and of no other as many."""
    alike = [(_alike(path, name), card, name) for card in cards for name in published_files(card)]
    most = max(count for count, _, _ in alike)
    best = [Found(card, name, path) for count, card, name in alike if count == most > 0]
    if len(best) == 1:
        return best[0]
    if not best:
        _refuse_other_files(path)
    heads = ", ".join(found.card.name for found in best) or "none"
    raise UsageError(
        f"which head {path.name} belongs to is not clear: its name fits {heads}",
        hint="Say it: `--as HEAD --seed N`, or import it with its folders, as published.",
    )


def _alike(path: Path, name: str) -> int:
    """How many parts at the end of both are the same; the folders that a link stands in count, not where it leads."""
    pairs = zip(reversed(path.absolute().parts), reversed(name.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _refuse_other_files(path: Path) -> None:
    """Raise InputError for a file that no name could make weights of."""
    try:
        read_header(path)
    except WeightsError as error:
        raise InputError(str(error), hint="Only safetensors files are imported.", code=str(error.fault)) from error
