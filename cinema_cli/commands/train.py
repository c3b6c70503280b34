"""`cinema train`: train heads; so far the starter head, from synthetic hearts alone."""

from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import CONSOLE, Config, Format, NoProgress, Quiet, Verbose

train = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train heads.")


@train.callback()
def _train() -> None:
    """Train heads."""


@train.command("starter")
def starter(
    out: Annotated[Path, typer.Argument(help="Folder for the weights and their card.")],
    minutes: Annotated[float, typer.Option(min=0.01, help="Longest training time.")] = 90.0,
    steps: Annotated[int, typer.Option(min=1, help="Most training steps.")] = 30_000,
    stacks: Annotated[int, typer.Option(min=1, help="Stacks in a step.")] = 2,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option(help="Seed of weights and hearts.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Processes that draw hearts.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network on a CPU.")] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    start_from: Annotated[Path | None, typer.Option(help="Earlier weights (safetensors) to go on from.")] = None,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Train the starter head (RV, MYO, LV in short-axis stacks) on synthetic hearts; no patient image is used."""
    from cinema_cli.inference.devices import pick_device
    from cinema_cli.training.starter import Progress, Recipe, train_starter

    def say(now: Progress) -> None:
        rv, myo, lv = now.dice
        CONSOLE.info(
            f"step {now.step} ({100 * now.share:.0f}%) loss {now.loss:.3f} soft Dice RV {rv:.2f} MYO {myo:.2f} "
            f"LV {lv:.2f} after {now.seconds:.0f} s"
        )

    recipe = Recipe(
        steps=steps,
        minutes=minutes,
        stacks=stacks,
        learning_rate=learning_rate,
        workers=workers,
        threads=threads,
        seed=seed,
    )
    train_starter(out, recipe=recipe, device=str(pick_device(device)), start_from=start_from, report=say)
    CONSOLE.info(f"weights and card in {out}; measure them with bench/acdc_validation.py --heads {out}")
