"""handloom tune: a search over recipes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from handloom.cli.data import fetch_files
from handloom.cli.interrupts import resumable
from handloom.cli.options import DataDir, JsonFlag, On, Overrides, QuietFlag, Workers
from handloom.cli.output import Voice

EXAMPLES = """\b
Examples:
  handloom tune --list                          the studies that are shipped
  handloom tune mnist-gamma --workers 2
  handloom tune mine.toml --trials 50 -o training.epochs=5
  handloom tune runs/mnist-gamma                resume, or add trials
  handloom tune mine.toml --storage postgresql://me@host/studies    the same on every host
  handloom tune mnist-gamma --json -q | jq .best.parameters

\b
A study is a TOML file:
  recipe = "fashion-mlp-256"
  [space]
  optimizer.lr = { log = [1e-3, 1.0] }
  model.hidden = { choice = [[128], [256, 128]] }
  [search]
  sampler = "tpe"
  [budget]
  trials = 30
"""
STORAGE = "HANDLOOM_STORAGE"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tune", epilog=EXAMPLES)(tune)


def complete_study(incomplete: str) -> list[str]:
    """Shipped studies, and folders of studies in runs/."""
    from handloom.studies.search import list_studies

    begun = [str(path.parent) for path in Path("runs").glob("*/study.toml")]
    return [name for name in [*list_studies(), *begun] if name.startswith(incomplete)]


def tune(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY",
            help="A shipped study's name, a TOML file, or the folder of a study to resume.",
            autocompletion=complete_study,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="The study's folder.  [default: runs/STUDY]"),
    ] = None,
    workers: Workers = None,
    on: On = None,
    trials: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Total number of trials, instead of the study's."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="M", min=0, help="Start no trial after this time."),
    ] = None,
    override: Overrides = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            envvar=STORAGE,
            show_envvar=False,
            help="A database through which any number of these commands, on machines that see the "
            f"folder, share the study.  [env: {STORAGE}]",
        ),
    ] = None,
    grace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="With --storage: trials of a process that has been silent for so long are taken "
            "over.",
        ),
    ] = 120,
    data_dir: DataDir = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the shipped studies.")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Search for the best configuration of a recipe.

    Each configuration is trained with each of the study's seeds, as an ordinary run. The study's
    folder has the runs, a table (trials.csv), the best configuration as a recipe (best.toml), and
    figures. The same command resumes after a kill, and continues a study that was extended.
    """
    from handloom.cli.study import choose_listener, show_study
    from handloom.errors import ConfigError
    from handloom.series import check_on
    from handloom.studies import search as room
    from handloom.studies.search import list_studies, load_study
    from handloom.studies.search.pictures import draw_study
    from handloom.studies.search.table import describe
    from handloom.studies.search.tune import study_path

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    if show_list:
        _list(voice, list_studies())
        return
    if study is None:
        raise ConfigError("which study? `handloom tune --list` lists the shipped ones")
    check_on(on)
    plan = load_study(study, override or [])
    path = study_path(study, plan, out)
    if plan.recipe.data.name is not None:
        fetch_files(plan.recipe.data.name, data_dir, voice)
    listener = None if quiet else choose_listener(voice)
    again = ["handloom", "tune", str(path)]
    for flag, value in (("--workers", workers), ("--on", on), ("--data-dir", data_dir)):
        again += [] if value is None else [flag, str(value)]
    with resumable(lambda: f"resume with: {shlex.join(again)}"):
        try:
            ended = room.tune(
                plan,
                out=path,
                trials=trials,
                minutes=minutes,
                workers=workers,
                on=on,
                storage=None if storage is None else room.Storage(storage, grace),
                data_dir=data_dir,
                listener=listener,
                pictures=False,
            )
            empty = draw_study(ended)
        finally:
            if listener is not None:
                listener.close()
    voice.answer(describe(ended))
    show_study(voice, ended, empty)


def _list(voice: Voice, studies: dict[str, str]) -> None:
    voice.answer(studies)
    width = max(map(len, studies))
    for name, description in studies.items():
        voice.say(f"{name:<{width}}  {description}")
