"""The command `handloom` with all its subcommands; `main` runs it."""

from __future__ import annotations

from typing import Annotated

import typer

from handloom import __version__
from handloom.cli import (
    cache,
    compare,
    data,
    diagnose,
    export,
    gradcheck,
    import_,
    predict,
    recipes,
    report,
    reproduce,
    show,
    test,
    train,
    tune,
)
from handloom.cli.output import write

EPILOG = """\b
First steps:
  handloom train                     the embedded digits, in seconds
  handloom test runs/digits          what became of them
  handloom recipes list              what else can be trained by name

\b
Exit codes:
  0   done
  1   a bug, with its traceback
  2   a mistake; the message says what to do
  3   the training diverged: its loss is no longer a number
  129, 130, 143   stopped: terminal closed, Ctrl-C, or a termination signal
"""

app = typer.Typer(
    name="handloom",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # plain help is quick to come, and leaves the examples as they stand
)
for command in (
    train, test, predict, show, tune, compare, reproduce, diagnose, report,
    export, import_, gradcheck,
):  # fmt: skip
    command.register(app)
app.add_typer(data.app, name="data")
app.add_typer(recipes.app, name="recipes")
app.add_typer(cache.app, name="cache")


def _show_version(wanted: bool) -> None:
    if wanted:
        write(f"handloom {__version__}\n")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Train, test and look at hand-written neural networks on small pictures."""
