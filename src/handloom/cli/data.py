"""handloom data: the known sets, where they lie, whether they are whole."""

from __future__ import annotations

from pathlib import Path

import typer

from handloom.cli.options import DataDir, JsonFlag, QuietFlag, SetArgument
from handloom.cli.output import Voice, console

LIST_EXAMPLES = """\b
Examples:
  handloom data list
  handloom data list --json | jq -r '.[].name'
"""
FETCH_EXAMPLES = """\b
Examples:
  handloom data fetch fashion-mnist                     into your cache
  handloom data fetch mnist --data-dir ~/pictures       into ~/pictures/mnist
"""
CHECK_EXAMPLES = """\b
Examples:
  handloom data check mnist
  HANDLOOM_DATA=~/pictures handloom data check mnist
"""
app = typer.Typer(help="List, fetch and check the known data sets.", no_args_is_help=True)


@app.command("list", epilog=LIST_EXAMPLES)
def list_all(as_json: JsonFlag = False) -> None:
    """The sets that a recipe may name."""
    from handloom.data import describe_sets

    voice = Voice.choose(as_json=as_json)
    known = describe_sets()
    voice.answer([entry._asdict() for entry in known])
    voice.table(
        ("name", "training", "test", "classes", "MB", "licence"),
        [
            (
                entry.name,
                f"{entry.num_train:,}",
                f"{entry.num_test:,}",
                str(entry.num_classes),
                f"{entry.num_bytes / 1e6:.1f}",
                entry.licence,
            )
            for entry in known
        ],
    )


@app.command("fetch", epilog=FETCH_EXAMPLES)
def fetch(
    name: SetArgument,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Download what is missing of a set.

    Every file is proved by its publisher's sha256 before it gets its name; the mirrors are tried
    in turn.
    """
    voice = Voice.choose(as_json=as_json, quiet=quiet)
    paths = fetch_files(name, data_dir, voice)
    voice.answer({"files": [str(path) for path in paths]})
    for path in paths:
        voice.say(str(path))


@app.command("check", epilog=CHECK_EXAMPLES)
def check(
    name: SetArgument, data_dir: DataDir = None, as_json: JsonFlag = False, quiet: QuietFlag = False
) -> None:
    """Say of each file of a set whether it is there and whole.

    Exit code 2 if one is not.
    """
    from handloom import data
    from handloom.errors import DataError

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    rows = data.check(name, data_dir)
    voice.answer([{**row._asdict(), "path": row.path and str(row.path)} for row in rows])
    voice.table(
        ("file", "status", "detail", "where"),
        [
            (row.file, row.status, row.detail, str(row.path.parent if row.path else ""))
            for row in rows
        ],
    )
    bad = [row.file for row in rows if row.status != "ok"]
    if bad:
        raise DataError(f"{name}: {', '.join(bad)} {'is' if len(bad) == 1 else 'are'} not in order")


def fetch_files(name: str, data_dir: Path | None, voice: Voice) -> list[Path]:
    """See to it that a set is at hand; a person at a terminal sees a bar a file that is fetched."""
    from handloom import data

    if voice is Voice.PERSON and console().is_terminal:
        return _fetch_with_bar(name, data_dir)
    return list(data.fetch(name, data_dir))


def _fetch_with_bar(name: str, data_dir: Path | None) -> list[Path]:
    """The bar of a file starts anew with each mirror."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from handloom import data

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console()) as bar:
        tasks = {}

        def show(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file, total=total)
            bar.update(tasks[file], completed=done, total=total)

        return list(data.fetch(name, data_dir, progress=show))
