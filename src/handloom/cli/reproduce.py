"""handloom reproduce: published figures beside ours."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from handloom.cli.interrupts import resumable
from handloom.cli.options import DataDir, JsonFlag, On, QuietFlag, Workers
from handloom.cli.output import Voice, telling

if TYPE_CHECKING:
    from handloom.studies.reproduce import Reproduction

EXAMPLES = """\b
Examples:
  handloom reproduce --quick                  all, reduced; minutes
  handloom reproduce mnist-lenet              one experiment in full
  handloom reproduce --workers 2 --threads 1  all, using two cores
  handloom reproduce --format markdown > ours.md
  handloom reproduce fashion-grid --json | jq '.[].conclusions'
"""
WIDTH = 80


class Format(StrEnum):
    """How the table is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reproduce", epilog=EXAMPLES)(reproduce)


def complete_experiment(incomplete: str) -> list[str]:
    """Names of experiments."""
    from handloom.studies.reproduce import EXPERIMENTS

    return [name for name in EXPERIMENTS if name.startswith(incomplete)]


def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Which experiments.  [default: all]",
            autocompletion=complete_experiment,
            show_default=False,
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Reduced versions with fewer epochs, images or seeds; each says which."
        ),
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder for the runs.")
    ] = Path("runs/reproduce"),
    workers: Workers = None,
    on: On = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Threads per run.  [default: its worker's share of the cores]",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    form: Annotated[
        Format, typer.Option("--format", help="Format of the table.")
    ] = Format.TERMINAL,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train published experiments again and compare the results with ours.

    Five publications. For each published number: our result, the gap and the seconds; for each
    conclusion: whether it held. Differences that chance could explain are left undecided. Finished
    runs are used again; after a stop, the same command resumes. Without --quick it takes hours.
    """
    from handloom.studies import reproduce as room

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    done = []
    with resumable(lambda: "the same command resumes it"), telling(quiet=quiet) as tell:
        for each in room.reproduce(
            names or (),
            quick=quick,
            out=out,
            data_dir=data_dir,
            workers=workers,
            on=on,
            threads=threads,
            tell=tell,
        ):
            done.append(each)
            if form is Format.TERMINAL:
                _show(voice, each)
    voice.answer([each.describe() for each in done])
    if form is Format.MARKDOWN:
        voice.say(room.as_markdown(done).rstrip())
        return
    seconds = sum(each.seconds for each in done)
    voice.say(f"{room.counted_verdicts(done)}; {seconds:,.0f} s of training, runs in {out}")


def _show(voice: Voice, reproduction: Reproduction) -> None:
    """One experiment: its table, then what became of its conclusions."""
    from handloom.studies.reproduce import COLUMNS, cells, claimed

    experiment = reproduction.experiment
    voice.say(f"{experiment.name}\n{experiment.title}\n")
    rows, above = [], None
    for row in reproduction.rows:
        told = cells(row)
        rows.append(told if row.label != above else ("", *told[1:-1], ""))
        above = row.label
    if rows:
        voice.table(COLUMNS, rows)
        voice.say()
    for conclusion in reproduction.conclusions:
        verdict, because = conclusion.judgement
        voice.say(_wrapped(f"{verdict.value}: {claimed(conclusion)}. Ours: {because}"))
    for word, text in reproduction.remarks.items():
        voice.say(_wrapped(f"{word}: {text}"))
    voice.say()


def _wrapped(text: str) -> str:
    return fill(text, WIDTH, subsequent_indent="    ")
