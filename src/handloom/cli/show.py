"""handloom show: a run's figures."""

from __future__ import annotations

import typer

from handloom.cli.options import DataDir, JsonFlag, QuietFlag, RunArgument
from handloom.cli.output import Voice

EXAMPLES = """\b
Examples:
  handloom show runs/digits                 draws into runs/digits/figures
  handloom show runs/digits --json | jq -r '.pictures[]'
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show", epilog=EXAMPLES)(show)


def show(
    run: RunArgument, data_dir: DataDir = None, as_json: JsonFlag = False, quiet: QuietFlag = False
) -> None:
    """Draw a run's figures: curves, weights, activations, mistakes.

    Training draws them at its end; this draws them again, or for a run that has not finished.
    """
    from handloom.run.results import open_run
    from handloom.run.session import draw

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    trained = open_run(run)
    pictures = draw(trained, trained.parts(data_dir))
    voice.answer({"pictures": [str(path) for path in pictures]})
    if trained.divergence:
        voice.say(trained.divergence)
    for path in pictures:
        voice.say(str(path))
