"""`cinema models`: which heads are here, what they are for, and whether their weights are what their cards say."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import CONSOLE, Config, Format, NoProgress, Quiet, Verbose

models = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Trained heads and their weights.")
Json = Annotated[bool, typer.Option("--json", help="For other programs.")]


@models.command("list", short_help="The heads that are here.")
def list_models(
    as_json: Json = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """List the heads that are here: name and title."""
    from cinema_cli.inference.cards import list_cards

    cards = list_cards()
    if as_json:
        print(json.dumps([{"name": c.name, "title": c.title} for c in cards], indent=2))
        return
    for card in cards:
        print(f"{card.name}\t{card.title}")


@models.command("show", short_help="The card of a head.")
def show_model(
    name: Annotated[str, typer.Argument(help="As `cinema models list` says it.")],
    as_json: Json = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Show what a head's card says: training data, intended use, limits, licence."""
    from cinema_cli.inference.cards import read_card

    card = asdict(read_card(name))
    if as_json:
        print(json.dumps(card, indent=2, default=str))
        return
    for field, value in card.items():
        print(f"{field}: {value}")


@models.command("verify", short_help="Compare weights with their cards.")
def verify_models(
    names: Annotated[list[str] | None, typer.Argument(help="Heads; default: all.")] = None,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Load the weights of heads strictly and compare their SHA-256 with their cards; exit code 69 where one differs."""
    from cinema_cli.inference.cards import StackCard, list_cards
    from cinema_cli.inference.heads import load_head

    for name in names or [card.name for card in list_cards() if isinstance(card, StackCard)]:
        head = load_head(name, device="cpu")
        CONSOLE.info(f"{name}: weights are those of its card ({head.use.sha256[:12]}…)")
