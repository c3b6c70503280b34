"""`cinema models`: which heads there are, what they are for, where their weights are and what these are worth."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.model_weights import FILE_COLUMNS, Json, import_weights, pull, remove
from cinema_cli.commands.options import CONSOLE, Config, Format, NoProgress, Quiet, Verbose
from cinema_cli.domain.errors import ExitCode, UnavailableError

if TYPE_CHECKING:
    from cinema_cli.inference.cards import Card

models = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Trained heads and their weights.")
Name = Annotated[str, typer.Argument(help="As `cinema models list` says it.")]


@models.command("list", short_help="Every head, and whether its weights are here.")
def list_models(
    as_json: Json = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """List every head: name, title, task, views, licence, and the seeds whose weights are here.

    `embedded` weights come with cinema; the others are pulled or imported.
    """
    from cinema_cli.commands.model_words import head_facts, head_row, print_rows
    from cinema_cli.inference.cards import list_cards

    rows = [head_facts(card) if as_json else head_row(card) for card in list_cards()]
    print_rows(rows, columns=("name", "weights", "task", "views", "title", "licence"), as_json=as_json)


@models.command("show", short_help="The card of a head.")
def show_model(
    name: Name,
    as_json: Json = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Show what a head's card says: what goes in and comes out, training data, intended use, limits, licence."""
    from cinema_cli.commands.model_words import card_text, head_facts
    from cinema_cli.inference.cards import read_card

    card = read_card(name)
    if as_json:
        print(json.dumps(asdict(card) | head_facts(card), indent=2, default=str))
        return
    for line in card_text(card):
        print(line)


@models.command("path", short_help="Where the weights of a head lie.")
def path_of_model(
    name: Name,
    weights_seed: Annotated[int | None, typer.Option("--seed", help="Only the weights of this seed.")] = None,
    as_json: Json = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Print the paths of a head's files that are here, one a line: config.yaml, then weights; exit code 69 if none is.

    CINEMA_WEIGHTS_DIR is the folder of weights that are pulled or imported; without it they lie in the user's cache.
    """
    from cinema_cli.inference.cards import read_card

    files = _files_here(read_card(name), weights_seed)
    if not files:
        raise UnavailableError(
            f"no weights of {name}{'' if weights_seed is None else f', seed {weights_seed},'} are on this machine",
            hint=f"`cinema models pull {name}` fetches them; `cinema models import` takes them from a file or folder.",
            code="not_stored",
        )
    if as_json:
        print(json.dumps(files, indent=2))
        return
    for file in files:
        print(file["path"])


models.command("pull", short_help="Fetch weights from the hub.")(pull)
models.command("import", short_help="Take weights from a file or folder.")(import_weights)
models.command("remove", short_help="Remove weights from this machine.")(remove)


@models.command("verify", short_help="Compare weights with what was stored and with their cards.")
def verify_models(
    names: Annotated[list[str] | None, typer.Argument(help="Heads; default: all that is here.")] = None,
    as_json: Json = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Hash every file of heads and compare it with its record, and its content with the card.

    Exit code 69 where one differs, where weights lack their config.yaml, where the files of a head come from different
    commits, or where nothing is here of a head that was named.
    """
    from cinema_cli.commands.model_words import outcome_row, print_rows
    from cinema_cli.inference.cards import list_cards, read_card
    from cinema_cli.inference.verify_weights import verify, verify_others
    from cinema_cli.inference.weight_outcomes import State

    cards = [read_card(name) for name in names] if names else list_cards()
    outcomes = [*verify(cards, absent=bool(names)), *(() if names else verify_others(cards))]
    print_rows(map(outcome_row, outcomes), columns=FILE_COLUMNS, as_json=as_json)
    bad = [outcome for outcome in outcomes if outcome.state is not State.HERE]
    CONSOLE.info(f"{len(outcomes) - len(bad)} of {len(outcomes)} are what they should be")
    if bad:
        CONSOLE.error(
            f"{len(bad)} of {len(outcomes)} are not what they should be, or not here",
            hint="`cinema models pull` or `import` brings the files of a head; what is embedded comes with cinema.",
        )
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _files_here(card: "Card", seed: int | None) -> list[dict[str, object]]:
    """The files of a head that are here, or the weights of one seed; config.yaml goes with all seeds."""
    from cinema_cli.domain.assets import heads_directory
    from cinema_cli.inference.cards import StackCard
    from cinema_cli.io.weights_store import stored

    if isinstance(card, StackCard):
        path = heads_directory() / card.weights
        embedded: dict[str, object] = {"file": card.weights, "seed": None, "path": str(path), "sha256": card.sha256}
        embedded["source"] = "embedded"
        return [embedded] if seed is None and path.is_file() else []
    wanted: list[tuple[str, int | None]] = [(file.path, file.seed) for file in card.files if seed in (None, file.seed)]
    if seed is None and any(stored(name) for name, _ in wanted):
        wanted.insert(0, (card.config_file, None))
    found = [(stored(name), seed) for name, seed in wanted]
    return [
        {"file": f.name, "seed": seed, "path": str(f.path), "sha256": f.sha256, "source": f.source}
        for f, seed in found
        if f
    ]
