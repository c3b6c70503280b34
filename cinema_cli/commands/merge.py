"""`cinema merge`: tables and report of a cohort whose studies were done in parts."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinema_cli.commands.analysis_options import HashIds
from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import CONSOLE, Config, Format, NoProgress, Quiet, Verbose, typed
from cinema_cli.domain.errors import ConfigError, ExitCode, InputError

if TYPE_CHECKING:
    from cinema_cli.domain.prediction import PredictionColumn
    from cinema_cli.io.clinical import ClinicalFacts
    from cinema_cli.io.records import CohortRecords
    from cinema_cli.io.standings import Standing

_HINT = "Give the output folder in which every part was run: `cinema analyse COHORT -o OUT --shard 0/8`, and so on."


def merge(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Output folder of the runs with --shard.")],
    clinical: Annotated[
        Path | None,
        typer.Option(
            help="The clinical file of these runs: then also an audit of fairness and, with time (or time_years) and "
            "event, a survival analysis."
        ),
    ] = None,
    hash_ids: HashIds = None,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> ExitCode:
    """Make the cohort's tables and report from the records of all parts; COHORT itself is not needed.

    Exit code 3 where studies failed, no part has come to them, or folders could not be read. Made again, it does
    nothing unless a record is new.
    """
    from cinema_cli.commands.cohort_files import are_there, is_current, write_cohort
    from cinema_cli.commands.cohort_page import REPORT_NAME, n_lost_folders
    from cinema_cli.commands.job_words import lost_words, n_studies
    from cinema_cli.io.clinical import read_clinical
    from cinema_cli.io.cohort_list import STUDIES, cohort_records, cohort_standings, former_studies, former_words
    from cinema_cli.io.id_kind import check_ids
    from cinema_cli.io.identity import read_key
    from cinema_cli.io.lock import run_lock
    from cinema_cli.io.processors import available_cpus

    if missing := [name for name in (STUDIES, "series.parquet") if not (folder / name).is_file()]:
        raise InputError(f"no {' and no '.join(missing)} in {folder}", hint=_HINT, code="not_scanned")
    jobs, key = available_cpus(), read_key(hash_ids) if hash_ids else None
    if key:
        check_ids(folder, hash_key=key)
    facts = read_clinical(clinical) if clinical else {}  # what is wrong with it is said before anything is made
    with run_lock(folder):
        standings = cohort_standings(folder, jobs=jobs)
        if clinical:
            _say_facts(standings, facts, hash_key=key)
        made = {name for one in standings for name in one.files if name.endswith(".parquet")}
        if are_there(folder, {REPORT_NAME, *made}) and is_current(folder, standings):
            said = "nothing to do: the tables say what the records say"
        else:
            records = cohort_records(folder, jobs=jobs)
            columns, embedded = _answers(records)
            write_cohort(folder, records, columns=columns, embedded=embedded, report=True, jobs=jobs)
            said = f"{n_studies(len(standings))} merged"
        if clinical:
            from cinema_cli.commands.cohort_analyses import analyse_people

            command = typed(context, hidden=("folder",) if key else ())
            analyse_people(folder, clinical, command=command, jobs=jobs, hash_key=key)
    counts = {word: sum(one.status == word for one in standings) for word in ("failed", "not_run")}
    told = {"failed": "failed (see failures.csv)", "not_run": "without a result yet (run their part again)"}
    missed = [f"{count} {told[word]}" for word, count in counts.items() if count]
    missed += [lost_words(lost)] if (lost := n_lost_folders(folder)) else []
    CONSOLE.info(f"{', '.join([said, *missed])}; report: {folder / REPORT_NAME}")
    if former := former_words(former_studies(folder)):
        CONSOLE.info(former)
    return ExitCode.SOME_FAILED if missed else ExitCode.DONE


def _say_facts(standings: "Sequence[Standing]", clinical: "ClinicalFacts", *, hash_key: bytes | None) -> None:
    """Warn of rows and people on one side only, and of studies analysed with other facts. Raises ConfigError."""
    from cinema_cli.commands.job_words import other_clinical_words, say_match
    from cinema_cli.inference.plan import has_other_clinical
    from cinema_cli.io.clinical import match_clinical

    visits = [(one.participant_id, one.session_id) for one in standings]
    match = match_clinical(clinical, visits, chosen=visits, hash_key=hash_key)
    say_match(match, named=hash_key is None)
    if n_other := sum(has_other_clinical(one, match.facts) for one in standings):
        CONSOLE.warn(other_clinical_words(n_other))


def _answers(records: "CohortRecords") -> "tuple[tuple[PredictionColumn, ...], bool]":
    """Columns of what the heads in the records said, and whether a backbone is among them."""
    published = list(dict.fromkeys(head.name for _, heads, _ in records.made_by for head in heads if head.weights))
    if not published:
        return (), False
    from cinema_cli.domain.prediction import Task
    from cinema_cli.inference.answers import columns
    from cinema_cli.inference.cards import PublishedCard

    cards = [card for card in _cards(published) if isinstance(card, PublishedCard)]
    return tuple(c for card in cards for c in columns(card)), any(card.task is Task.EMBEDDING for card in cards)


def _cards(names: Iterable[str]) -> Iterable[object]:
    from cinema_cli.inference.cards import read_card

    for name in names:
        try:
            yield read_card(name)
        except ConfigError:  # of a head that this installation does not know: its columns are in the studies' tables
            CONSOLE.warn(f"no card of the head {name} is here: its columns have no description")
