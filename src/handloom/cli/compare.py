"""handloom compare: runs, or recipes over seeds, side by side."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handloom.cli.compared import show_comparison
from handloom.cli.data import fetch_files
from handloom.cli.options import (
    DataDir,
    JsonFlag,
    Overrides,
    QuietFlag,
    complete_recipe,
    complete_run,
    listed,
)
from handloom.cli.output import Voice, telling
from handloom.cli.stopping import resumable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from handloom.run.results import Run
    from handloom.studies.compare import Comparison, Group
    from handloom.studies.compare.trainings import Plan, Training

EXAMPLES = """\b
Examples:
  handloom compare runs/mine runs/other
  handloom compare fashion-mlp-256 fashion-mlp-512 --seeds 0,1,2
  handloom compare runs/lenet-* mnist-mlp-1000 --reach 0.97 --out lenet
  handloom compare runs/fashion-grid               all trials of a study
  handloom compare runs/a runs/b --test            a look at the test part, counted
  handloom compare runs/a runs/b --format latex > table.tex
"""
ENDINGS = {"markdown": "md", "csv": "csv", "latex": "tex"}


class Format(StrEnum):
    """How the comparison is printed."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    CSV = "csv"
    LATEX = "latex"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare", epilog=EXAMPLES)(compare)


def complete_subject(incomplete: str) -> list[str]:
    """Run folders and shipped recipes."""
    return complete_run(incomplete) + complete_recipe(incomplete)


def compare(
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|RECIPE",
            help="Folders of runs, of an ensemble, of a study; or recipes, which are trained "
            "where they have not been yet.",
            autocompletion=complete_subject,
        ),
    ],
    seeds: Annotated[
        str,
        typer.Option(
            metavar="0,1,2",
            help="Seeds that each recipe is trained with.  [default: the recipe's]",
            show_default=False,
        ),
    ] = "",
    override: Overrides = None,
    runs: Annotated[
        Path, typer.Option("--runs", metavar="FOLDER", help="Where recipes are trained.")
    ] = Path("runs/compare"),
    test: Annotated[
        bool,
        typer.Option(
            "--test",
            help="On the test part instead of the validation part; the look is counted in each "
            "run's result.json.",
        ),
    ] = False,
    reach: Annotated[
        float | None,
        typer.Option(
            metavar="ACCURACY", help="Tell the epochs until the validation accuracy came to it."
        ),
    ] = None,
    pace: Annotated[bool, typer.Option(help="Time predictions: some tenths of a second.")] = True,
    form: Annotated[Format, typer.Option("--format", help="Of what is printed.")] = Format.TERMINAL,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write comparison.md, .csv, .tex, .json and .png there."
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Say which network is better, and whether that is real.

    Runs whose recipes differ in the seed alone make one row: accuracy, its spread and 95 %
    interval, parameters, multiply-adds, seconds, pace, memory. Any two rows are tested on the same
    pictures and over the same seeds, with Holm's correction where there are more than two.
    """
    from handloom._files import make_folder
    from handloom.studies import compare as room
    from handloom.studies.compare.tables import FORMATS

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    room.check_reach(reach)  # before hours of training
    rows = _rows(subjects, _whole_numbers(seeds), override or [], runs)
    if out is not None:
        make_folder(out, within=None)  # before a look at the test part is counted, too
    # A table for a file has standard output to itself.
    trains = voice if form is Format.TERMINAL or voice is not Voice.PERSON else Voice.PROGRAM
    with resumable(lambda: "the same command goes on from here"):
        gathered = _gathered(rows, data_dir, trains)
        with telling(quiet=quiet) as tell:
            tell("looking at the pictures")
            comparison = room.compare(
                gathered,
                part="test" if test else "validation",
                reach=reach,
                pace=pace,
                data_dir=data_dir,
            )
    if out is not None:
        _write(out, comparison)
    voice.answer(comparison.describe())
    if form is not Format.TERMINAL:
        voice.say(FORMATS[form.value](comparison).rstrip("\n"))
        return
    show_comparison(voice, comparison)
    if out is not None:
        voice.say(f"\nwritten to {out}: comparison.md, .csv, .tex, .json, .png")


# -- what is compared -----------------------------------------------------------------------------


def _rows(
    subjects: Sequence[str], seeds: list[int], overrides: list[str], runs: Path
) -> list[Run | Group | Plan]:
    """Runs as they are, recipes as plans, so that all mistakes are told before any training."""
    from handloom.errors import ConfigError
    from handloom.studies.compare.subjects import rows_in
    from handloom.studies.compare.trainings import plan_trainings

    rows: list[Run | Group | Plan] = []
    is_recipe = {subject: not _names_a_folder(subject) for subject in subjects}
    for subject, planned in is_recipe.items():
        if planned:
            rows.append(plan_trainings(subject, seeds, runs, overrides))
        else:
            rows += rows_in(Path(subject))
    if (seeds or overrides) and not any(is_recipe.values()):
        raise ConfigError("--seeds and -o are for recipes; runs are compared as they were trained")
    return rows


def _whole_numbers(told: str) -> list[int]:
    """Seeds as they are typed; raises ConfigError for what is none, or stands there twice."""
    from handloom.errors import ConfigError

    words = listed(told)
    seeds = [int(word) for word in words if word.isdecimal()]
    if len(set(seeds)) < len(words):
        raise ConfigError(f"--seeds takes different whole numbers like 0,1,2, got {told!r}")
    return seeds


def _names_a_folder(subject: str) -> bool:
    """Whether it is a run's or a study's; a path that ends in .toml, or a bare name, is none."""
    path = Path(subject)
    return path.is_dir() or (path.name != subject and path.suffix != ".toml")


def _gathered(
    rows: Sequence[Run | Group | Plan], data_dir: Path | None, voice: Voice
) -> list[Run | Group]:
    """The rows, their recipes trained where they have not been yet."""
    from handloom.studies.compare import Group
    from handloom.studies.compare.trainings import Plan

    return [
        Group(row.name, tuple(_trained(each, data_dir, voice) for each in row.trainings))
        if isinstance(row, Plan)
        else row
        for row in rows
    ]


def _trained(training: Training, data_dir: Path | None, voice: Voice) -> Run:
    """The run of one training, with a row an epoch as `handloom train` shows it."""
    from handloom.cli.progress import choose_progress

    if training.is_done:
        return training.carry_out()
    if training.recipe.data.name is not None:
        fetch_files(training.recipe.data.name, data_dir, voice)
    progress = choose_progress(voice, str(training.folder))
    try:
        return training.carry_out(data_dir, [] if progress is None else [progress])
    finally:
        if progress is not None:
            progress.close()
            voice.say()


# -- what comes out -------------------------------------------------------------------------------


def _write(folder: Path, comparison: Comparison) -> None:
    """The comparison in all formats, and its picture."""
    from handloom._files import write_atomic, write_json
    from handloom.run.pictures import sparing
    from handloom.studies.compare.subjects import drawn
    from handloom.studies.compare.tables import FORMATS
    from handloom.views import draw_comparison, save_pictures

    for name, ending in ENDINGS.items():
        text = FORMATS[name](comparison)
        write_atomic(folder / f"comparison.{ending}", text.encode())
    write_json(folder / "comparison.json", comparison.describe())
    with sparing(folder) as on_failure:
        drawing = ("comparison", lambda: draw_comparison(drawn(comparison)))
        save_pictures(folder, [drawing], on_failure)
