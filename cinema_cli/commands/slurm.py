"""`cinema slurm`: the jobs that analyse a cohort on a cluster, written, printed and submitted."""

import json
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinema_cli.commands import options
from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.progress import clock, counting
from cinema_cli.domain.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from cinema_cli.domain.array_size import ArraySize
    from cinema_cli.io.slurm_scripts import Surroundings, Work

ASSUMED = "assumed"
_OURS = {"out", "work_dir", "shard", "dry_run"}  # options of `analyse` that the scripts decide
_SCAN = ("id_from", "hash_ids", "views", "allow_missing_frames")  # those that `scan` has too
_MERGE = ("clinical", "hash_ids")  # those that `merge` has too
_SAID = ("verbose", "quiet", "log_format", "progress")


def slurm(
    context: typer.Context,
    cohort: options.Cohort,
    analyse_options: Annotated[
        list[str] | None, typer.Argument(metavar="-- OPTIONS", help="Options of `cinema analyse`, after --.")
    ] = None,
    out: options.OutFolder = None,
    work_dir: Annotated[
        Path | None,
        typer.Option("--work-dir", "-w", help="Scratch that all nodes reach [default: work in the scripts' folder]."),
    ] = None,
    scripts: Annotated[
        Path | None, typer.Option(help="Folder for scripts and logs [default: <out>-slurm, beside].")
    ] = None,
    submit: Annotated[bool, typer.Option("--submit", help="Submit the jobs.")] = False,
    studies: Annotated[int | None, typer.Option(min=1, help="How many [default: by the last scan, or a scan].")] = None,
    studies_per_hour: Annotated[
        float | None, typer.Option(min=0.01, help="Speed of one task [default: as earlier runs in OUT, else 6].")
    ] = None,
    hours_per_task: Annotated[float, typer.Option(min=0.01, help="Work of one task.")] = 4.0,
    margin: Annotated[float, typer.Option(min=1.0, help="A task's time limit: so many times its work.")] = 1.5,
    time: Annotated[str, typer.Option(help="A task's time limit as SLURM takes it, instead.")] = "",
    cpus_per_task: Annotated[int, typer.Option(min=1, help="Processors of a job.")] = 2,
    mem: Annotated[str, typer.Option(help="Memory of a job.")] = "8G",
    gpus: Annotated[str, typer.Option(help="GPUs of a task: 1, or a100:1.")] = "",
    partition: Annotated[str, typer.Option(help="Partition of all jobs.")] = "",
    account: Annotated[str, typer.Option(help="Account of all jobs.")] = "",
    qos: Annotated[str, typer.Option(help="Quality of service of all jobs.")] = "",
    array_limit: Annotated[int | None, typer.Option(min=1, help="Tasks at once.")] = None,
    sbatch: Annotated[
        list[str] | None, typer.Option(metavar="LINE", help="One more option of sbatch, for all jobs; repeatable.")
    ] = None,
    module: Annotated[list[str] | None, typer.Option(help="Module that brings `cinema`; repeatable.")] = None,
    prelude: Annotated[Path | None, typer.Option(metavar="FILE", help="Shell lines that bring `cinema`.")] = None,
    program: Annotated[
        str, typer.Option(help="What runs cinema [default: this Python; `cinema` after --module or --prelude].")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON on stdout.")] = False,
    config: options.Config = None,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
    log_format: options.Format = LogFormat.TEXT,
    no_progress: options.NoProgress = False,
) -> None:
    """Write, print and with --submit submit SLURM jobs: a scan, an array of shards, and a merge after it.

    A task that met its time limit, or was killed, goes on when the same jobs are submitted again.
    """
    from cinema_cli.io import slurm as cluster
    from cinema_cli.io.slurm_scripts import Resources, write_scripts

    passed = _passed(context)
    work, folder = _work(context.params, passed)
    size, speed_from = _size(context.params, passed, work, max_tasks=cluster.max_array_size())
    resources = Resources(
        cpus=cpus_per_task, memory=mem, time=time, gpus=gpus, partition=partition, account=account, qos=qos,
        array_limit=array_limit, extra=tuple(sbatch or ()),
    )  # fmt: skip
    surroundings = _surroundings(program, modules=tuple(module or ()), prelude=prelude)
    paths = write_scripts(folder, work, size, resources=resources, surroundings=surroundings)
    _say(size, speed_from=speed_from, hours_per_task=hours_per_task, script=paths[-1])
    jobs, remarks = cluster.submit(paths[-1]) if submit else ({}, ())
    for remark in remarks:
        CONSOLE.show(remark)
    if jobs:
        CONSOLE.info(f"submitted: {', '.join(f'{name} {number}' for name, number in jobs.items())}")
    plan = asdict(size) | {"speed_from": speed_from, "scripts": [str(path) for path in paths], "jobs": jobs}
    sys.stdout.write(json.dumps(plan, indent=1) + "\n" if as_json else "".join(f"{path}\n" for path in paths))


def _passed(context: typer.Context) -> typer.Context:
    """What `cinema analyse` makes of the options after --: wrong ones are refused here, and not by a thousand tasks.

    Raises UsageError for those that the scripts decide.
    """
    said = {name: getattr(CONSOLE, name) for name in _SAID}  # that command's options set the console of this one
    words = [str(context.params["cohort"].absolute()), *(context.params["analyse_options"] or ())]
    command = context.parent.command.commands["analyse"]  # type: ignore[union-attr]
    passed: typer.Context = command.make_context("analyse", words, parent=context.parent)
    for name, value in said.items():
        setattr(CONSOLE, name, value)
    if ours := sorted(_OURS & {name for name in passed.params if _typed(passed, name)}):
        shown = ", ".join(f"--{name.replace('_', '-')}" for name in ours)
        raise UsageError(f"{shown} after --: the scripts decide that", hint="Give --out and --work-dir before --.")
    return passed


def _typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _work(asked: Mapping[str, Any], passed: typer.Context) -> "tuple[Work, Path]":
    """What is to be done, and the folder for scripts: beside the output, for logs and paths are not to be shared."""
    from cinema_cli.io.clinical import read_clinical
    from cinema_cli.io.folders import check_folder
    from cinema_cli.io.ledger import check_output, refuse_inside
    from cinema_cli.io.slurm_scripts import Work

    check_folder(asked["cohort"])
    out = check_output(asked["cohort"], out=asked["out"])
    folder = (asked["scripts"] or out.with_name(f"{out.name}-slurm")).absolute()
    refuse_inside(asked["cohort"], out=folder)
    if passed.params["clinical"]:
        read_clinical(passed.params["clinical"])  # a wrong one is refused here too
    return Work(
        cohort=asked["cohort"].absolute(),
        out=out,
        scratch=(asked["work_dir"] or folder / "work").absolute(),
        analyse=tuple(asked["analyse_options"] or ()),
        scan=_handed_on(passed, _SCAN),
        merge=_handed_on(passed, _MERGE) if passed.params["clinical"] else (),
    ), folder


def _handed_on(passed: typer.Context, names: Collection[str]) -> tuple[str, ...]:
    """Options of `analyse` that are not as by default, for another command."""
    words: list[str] = []
    for parameter in passed.command.params:
        source = passed.get_parameter_source(str(parameter.name))
        if parameter.name in names and source is not None and source.name != "DEFAULT":
            words += [parameter.opts[0], str(passed.params[parameter.name])]
    return tuple(words)


def _size(asked: Mapping[str, Any], passed: typer.Context, work: "Work", *, max_tasks: int) -> "tuple[ArraySize, str]":
    """The cut of the cohort, and where the speed that it was made by comes from."""
    from cinema_cli.domain.array_size import ASSUMED_STUDIES_PER_HOUR, size_array
    from cinema_cli.io.run_speed import measured_speed

    speed, speed_from = asked["studies_per_hour"], "given"
    if speed is None:
        measured = measured_speed(work.out)
        speed = measured.studies_per_hour if measured else ASSUMED_STUDIES_PER_HOUR
        speed_from = f"measured on {measured.n_studies} studies" if measured else ASSUMED
    size = size_array(
        asked["studies"] or _count(passed.params, work),
        studies_per_hour=speed,
        hours_per_task=asked["hours_per_task"],
        max_tasks=max_tasks,
        margin=asked["margin"],
    )
    return size, speed_from


def _count(analyse: Mapping[str, Any], work: "Work") -> int:
    """Studies of the last scan that are wanted; of a scan now where there was none."""
    from cinema_cli.io.clinical import read_participants
    from cinema_cli.io.cohort_list import read_studies

    found = read_studies(work.out)["participant_id"].to_list() or _scanned(analyse, work)
    named = read_participants(analyse["participants"]) if analyse["participants"] else ()
    wanted = options.labels([*(analyse["participant_label"] or []), *named])
    return sum(participant in wanted for participant in found) if wanted else len(found)


def _scanned(analyse: Mapping[str, Any], work: "Work") -> list[str]:
    """The participant of each study, by a scan. Raises InputError where there is none."""
    from cinema_cli.io.identity import read_key
    from cinema_cli.io.index import scan, studies
    from cinema_cli.io.index_store import index_folder
    from cinema_cli.io.processors import available_cpus

    CONSOLE.info("no scan of the cohort yet: it is scanned now; --studies N goes without")
    how = {"id_from": analyse["id_from"], "hash_key": read_key(analyse["hash_ids"]) if analyse["hash_ids"] else None}
    place = index_folder(work.cohort, work_dir=work.scratch, out=work.out)
    with counting(CONSOLE, "files", total=None) as counter:
        index = scan(work.cohort, **how, jobs=available_cpus(), index_dir=place, progress=counter.follow)
    return [key.participant_id for key in studies(index)]


def _surroundings(program: str, *, modules: tuple[str, ...], prelude: Path | None) -> "Surroundings":
    """How a job finds the program. Raises ConfigError for a prelude that cannot be read."""
    from cinema_cli.io.slurm_scripts import Surroundings

    words = shlex.split(program)
    if not words:
        words = ["cinema"] if modules or prelude else [sys.executable, "-P", "-m", "cinema_cli"]
    try:
        lines = prelude.read_text(encoding="utf-8") if prelude else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {prelude} as text", hint="Check the path given to --prelude.") from error
    return Surroundings(folder=Path.cwd(), program=tuple(words), modules=modules, prelude=lines)


def _say(size: "ArraySize", *, speed_from: str, hours_per_task: float, script: Path) -> None:
    """The plan, and the commands, on stderr."""
    each = f"{size.studies_a_task} in about {clock(size.hours_a_task * 3600)}"
    CONSOLE.info(
        f"{size.n_studies} studies in {size.n_tasks} {'task' if size.n_tasks == 1 else 'tasks'}, each {each} "
        f"(limit {clock(size.limit_hours * 3600)}), "
        f"by {size.studies_per_hour:.3g} studies an hour and task, {speed_from}"
    )
    if speed_from == ASSUMED:
        CONSOLE.warn(
            "the speed is a careful guess, one published head on two processors of any node; the embedded head is many "
            "times faster: analyse some studies into the same --out on a node first, and it is measured"
        )
    if size.hours_a_task > 1.01 * hours_per_task:
        CONSOLE.warn(f"SLURM takes no more tasks in an array here: they are longer than {hours_per_task:g} h")
    command = shlex.join(["bash", str(script)])
    CONSOLE.info(f"submit all, also to go on after a time limit: {command}")
    if size.n_tasks > 1:
        CONSOLE.info(f"submit task 1 again, and the merge: {command} --array=1")
