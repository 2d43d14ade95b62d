"""The command `handloom` with all its subcommands; `main` runs it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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
  handloom train                     train on the embedded digits, in seconds
  handloom test runs/digits          evaluate the result on the test set
  handloom recipes list              list the other recipes

\b
Exit codes:
  0   done
  1   a bug in Handloom, with a traceback
  2   a user error; the message says what to do
  3   the training diverged: its loss is no longer a number
  129, 130, 143   stopped: terminal closed, Ctrl-C, or a termination signal
"""

GROUPS = {
    "Everyday": ("train", "test", "predict", "show", "report", "diagnose"),
    "Experiments": ("compare", "tune", "reproduce"),
    "Data, recipes, exchange": ("data", "recipes", "export", "import"),
    "Internals": ("gradcheck", "cache"),
}


class _Grouped(TyperGroup):
    """The commands in groups; one that no group names is listed last."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        named = [name for names in GROUPS.values() for name in names]
        others = tuple(name for name in self.list_commands(ctx) if name not in named)
        for title, names in {**GROUPS, "Other": others}.items():
            room = formatter.width - 6 - max(map(len, (*named, *others)))
            rows = [
                (name, command.get_short_help_str(room))
                for name in names
                if (command := self.get_command(ctx, name)) is not None
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


app = typer.Typer(
    name="handloom",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    cls=_Grouped,
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
    """Train, test and inspect hand-written neural networks that classify small images."""
