"""handloom show: a run's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handloom.cli.output import JsonFlag, QuietFlag, Voice, complete_run

EXAMPLES = """
[bold]Examples[/bold]

  handloom show runs/digits                     draws into runs/digits/figures
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show", epilog=EXAMPLES)(show)


def show(
    run: Annotated[Path, typer.Argument(help="A run folder.", autocompletion=complete_run)],
    data_dir: Annotated[Path | None, typer.Option(help="Folder of data sets.")] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Draw curves, weights, activations, predictions and confusion; also of a run that goes on."""
    from handloom import open_run
    from handloom.session import draw

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    trained = open_run(run)
    pictures = draw(trained, trained.parts(data_dir))
    voice.answer({"pictures": [str(path) for path in pictures]})
    for path in pictures:
        voice.say(str(path))
