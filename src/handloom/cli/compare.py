"""handloom compare: runs, or recipes over seeds, side by side."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handloom.cli.comparison import show_comparison
from handloom.cli.data import fetch_files
from handloom.cli.interrupts import resumable
from handloom.cli.options import (
    DataDir,
    JsonFlag,
    On,
    Overrides,
    QuietFlag,
    Workers,
    complete_recipe,
    complete_run,
)
from handloom.cli.output import Voice, telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from handloom.run.results import Run
    from handloom.studies.compare import Comparison, Group
    from handloom.studies.compare.subjects import Planned

EXAMPLES = """\b
Examples:
  handloom compare runs/mine runs/other
  handloom compare fashion-mlp-256 fashion-mlp-512 --seeds 3 --workers 2
  handloom compare runs/lenet-* mnist-mlp-1000 --reach 0.97 --out lenet
  handloom compare runs/fashion-grid               all trials of a study
  handloom compare runs/a runs/b --test            on the test set; counted
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
            "first where needed.",
            autocompletion=complete_subject,
        ),
    ],
    seeds: Annotated[
        str,
        typer.Option(
            metavar="N|0,1,2",
            help="Train each recipe with N seeds, counted from its own, or with these seeds.  "
            "[default: the recipe's]",
            show_default=False,
        ),
    ] = "",
    workers: Workers = None,
    on: On = None,
    override: Overrides = None,
    runs: Annotated[
        Path, typer.Option("--runs", metavar="FOLDER", help="Folder for the runs that are trained.")
    ] = Path("runs/compare"),
    test: Annotated[
        bool,
        typer.Option(
            "--test",
            help="Compare on the test set instead of the validation split; counted in each "
            "run's result.json.",
        ),
    ] = False,
    reach: Annotated[
        float | None,
        typer.Option(
            metavar="ACCURACY",
            help="Report the epochs until the validation accuracy reached this value.",
        ),
    ] = None,
    pace: Annotated[
        bool, typer.Option(help="Measure the prediction speed, in some tenths of a second.")
    ] = True,
    form: Annotated[
        Format, typer.Option("--format", help="Format of the output.")
    ] = Format.TERMINAL,
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
    """Compare runs and test whether the difference is significant.

    Runs whose recipes differ only in the seed make one row: accuracy, its spread and 95 %
    interval, parameters, multiply-adds, seconds, speed, memory. Each pair of rows is tested on the
    same images and over the same seeds, with Holm's correction if there are more than two rows.
    """
    from handloom._files import make_folder
    from handloom.series import check_on
    from handloom.studies import compare as room
    from handloom.studies.compare.tables import FORMATS

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    room.check_reach(reach)  # before hours of training
    check_on(on)
    rows = _rows(subjects, seeds, override or [], runs, data_dir)
    if out is not None:
        make_folder(out, within=None)  # before a look at the test split is counted, too
    # A table for a file has standard output to itself.
    trains = voice if form is Format.TERMINAL or voice is not Voice.PERSON else Voice.PROGRAM
    with resumable(lambda: "the same command resumes it"):
        gathered = _gathered(rows, data_dir, trains, workers, on)
        with telling(quiet=quiet) as tell:
            tell("predicting")
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
    subjects: Sequence[str],
    seeds: str,
    overrides: list[str],
    runs: Path,
    data_dir: Path | None,
) -> list[Run | Group | Planned]:
    """Runs as they are, recipes as plans, so that every mistake is found before any training."""
    from handloom.errors import ConfigError
    from handloom.studies.compare.subjects import plan_row, rows_in

    rows: list[Run | Group | Planned] = []
    is_recipe = {subject: not _names_a_folder(subject) for subject in subjects}
    for subject, planned in is_recipe.items():
        if planned:
            rows.append(
                plan_row(subject, runs, seeds=seeds, overrides=overrides, data_dir=data_dir)
            )
        else:
            rows += rows_in(Path(subject))
    if (seeds or overrides) and not any(is_recipe.values()):
        raise ConfigError("--seeds and -o are for recipes; runs are compared as they were trained")
    return rows


def _names_a_folder(subject: str) -> bool:
    """Whether it is a run's or a study's; a path that ends in .toml, or a bare name, is none."""
    path = Path(subject)
    return path.is_dir() or (path.name != subject and path.suffix != ".toml")


def _gathered(
    rows: Sequence[Run | Group | Planned],
    data_dir: Path | None,
    voice: Voice,
    workers: int | None,
    on: str | None,
) -> list[Run | Group]:
    """The rows, with what is missing of their recipes' runs trained."""
    from handloom.cli.series import shown
    from handloom.series import train_all
    from handloom.studies.compare import Group
    from handloom.studies.compare.subjects import Planned

    members = [each for row in rows if isinstance(row, Planned) for each in row.members]
    missing = [each for each in members if not each.is_finished]
    for name in dict.fromkeys(each.recipe.data.name for each in missing):
        if name is not None:
            fetch_files(name, data_dir, voice)
    with shown(voice) as listener:
        runs = iter(train_all(members, workers=workers, on=on, listener=listener))
    if missing:
        voice.say()
    return [
        Group(row.name, tuple(next(runs) for _ in row.members)) if isinstance(row, Planned) else row
        for row in rows
    ]


# -- what comes out -------------------------------------------------------------------------------


def _write(folder: Path, comparison: Comparison) -> None:
    """The comparison in all formats, and its image."""
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
