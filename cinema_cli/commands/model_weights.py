"""`cinema models pull`, `import` and `remove`: how weights of published heads come to this machine and go."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import CONSOLE, Config, Format, NoProgress, Quiet, Verbose
from cinema_cli.commands.progress import counting
from cinema_cli.domain.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from cinema_cli.inference.cards import PublishedCard
    from cinema_cli.inference.weight_outcomes import Outcome

Json = Annotated[bool, typer.Option("--json", help="For other programs.")]
FILE_COLUMNS = ("head", "file", "state", "size", "reason")
MEGABYTE = 10**6


def pull(
    names: Annotated[list[str] | None, typer.Argument(help="Heads, as `cinema models list` says them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every published head (about 25 GB).")] = False,
    revision: Annotated[
        str | None,
        typer.Option(help="Commit, branch or tag [default: the commit that the files here came from]."),
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="0,1,2", help="Only these seeds [default: all].")] = "",
    repository: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Instead of the one that the card names.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be fetched, and its bytes.")] = False,
    as_json: Json = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Fetch weights of published heads, compare them with the hub's digests and the heads' cards, and store them.

    The first pull needs --revision. A branch or tag is resolved to its commit, which is recorded; later pulls take that
    commit unless told otherwise. HF_HOME (cache and token of the hub's client), HF_HUB_OFFLINE (take what that cache
    holds), HF_ENDPOINT and CINEMA_WEIGHTS_DIR are honoured. Exit code 3 where some files failed.
    """
    from cinema_cli.inference.acquire import plan_pull
    from cinema_cli.inference.acquire import pull as carry_out
    from cinema_cli.inference.cards import PublishedCard, list_cards

    if bool(names) == every:
        raise UsageError("say which heads, or --all", hint="`cinema models list` lists them.")
    listed = [card for card in list_cards() if isinstance(card, PublishedCard)]
    published = listed if every else _published(names or ())
    steps = plan_pull(published, revision=revision, seeds=_numbers(seeds), repository=repository)
    outcomes = [step.outcome for step in steps]
    if not dry_run:
        with counting(CONSOLE, "MB", total=None) as counter:

            def follow(done: int, total: int) -> None:
                counter.step(failed=None, done=done // MEGABYTE, total=total // MEGABYTE)

            outcomes = list(carry_out(steps, progress=follow))
    _report(outcomes, as_json=as_json)
    raise typer.Exit(_exit_code(outcomes))


def import_weights(
    path: Annotated[Path, typer.Argument(metavar="FILE|DIR", readable=False, help="Laid out as published.")],
    belongs_to: Annotated[
        str | None, typer.Option("--as", metavar="HEAD", help="The head that FILE, or all in DIR, belongs to.")
    ] = None,
    weights_seed: Annotated[int | None, typer.Option("--seed", help="The seed that FILE is, with --as.")] = None,
    as_json: Json = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Check published files and store them; for machines without network.

    DIR is laid out as the published repository, or a snapshot in the cache of the hub's client. FILE is one
    .safetensors, or the config.yaml of a head; a config.yaml beside it is taken too. Only safetensors are read, never a
    pickle, and archives are not opened. Exit code 3 where some files failed.
    """
    from cinema_cli.inference.cards import PublishedCard, list_cards, read_card
    from cinema_cli.inference.import_weights import heads_without_settings, import_files

    if belongs_to is not None and not isinstance(read_card(belongs_to), PublishedCard):
        raise UsageError(f"{belongs_to} is embedded: its weights come with cinema", hint="Name a published head.")
    if weights_seed is not None and (belongs_to is None or path.is_dir()):
        raise UsageError("--seed says which seed of a head one FILE is", hint="Name the head with --as, or leave it.")
    cards = [card for card in list_cards() if isinstance(card, PublishedCard)]
    outcomes = _report(import_files(path, cards, head=belongs_to, seed=weights_seed), as_json=as_json)
    for name in heads_without_settings(cards, outcomes):
        CONSOLE.warn(f"{name} cannot be used yet: its config.yaml is not here; import it too")
    raise typer.Exit(_exit_code(outcomes))


def remove(
    names: Annotated[list[str], typer.Argument(help="Heads, as `cinema models list` says them.")],
    as_json: Json = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Remove all files of published heads from this machine. Nothing is asked.

    What the hub's client keeps in its cache (HF_HOME) stays, and so does the space it takes.
    """
    from cinema_cli.inference.remove_weights import remove as remove_files

    _report(remove_files(_published(names)), as_json=as_json)


def _published(names: Iterable[str]) -> "list[PublishedCard]":
    """Cards of the published heads of these names; the others are said to be embedded."""
    from cinema_cli.inference.cards import PublishedCard, read_card

    cards = [read_card(name) for name in dict.fromkeys(names)]
    for card in cards:
        if not isinstance(card, PublishedCard):
            CONSOLE.info(f"{card.name} is embedded: its weights come with cinema")
    return [card for card in cards if isinstance(card, PublishedCard)]


def _report(outcomes: "Iterable[Outcome]", *, as_json: bool) -> "list[Outcome]":
    """Print what became of each file, and say in one line what became of all."""
    from cinema_cli.commands.model_words import bytes_words, outcome_row, print_rows

    seen: list[Outcome] = []

    def rows() -> Iterator[dict[str, object]]:
        for outcome in outcomes:
            seen.append(outcome)
            yield outcome_row(outcome)

    print_rows(rows(), columns=FILE_COLUMNS, as_json=as_json)
    parts = []
    for state, count in Counter(outcome.state for outcome in seen).items():
        size = sum(outcome.size for outcome in seen if outcome.state is state)
        parts.append(f"{count} {state}" + (f" ({bytes_words(size)})" if size else ""))
    CONSOLE.info(", ".join(parts) or "nothing to do")
    return seen


def _exit_code(outcomes: "Sequence[Outcome]") -> ExitCode:
    return ExitCode.SOME_FAILED if any(outcome.state == "failed" for outcome in outcomes) else ExitCode.DONE


def _numbers(seeds: str) -> list[int] | None:
    """`0,2` as numbers; None for nothing."""
    words = seeds.replace(",", " ").split()
    if not all(word.isdecimal() for word in words):
        raise UsageError(f"--seeds {seeds!r} are no numbers", hint="Such as --seeds 0,1,2.")
    return [int(word) for word in words] or None
